//! PAX extended headers: records of `<length> <key>=<value>\n`.

use super::number::{parse_decimal, parse_time};
use super::sparse::{self, Segment};
use super::{TarError, TarTime};
use crate::layer::limits::{MAX_XATTR_BYTES, MAX_XATTR_VALUE, MAX_XATTRS};

/// What the extended headers before an entry say; `None` leaves the header's own field.
#[derive(Clone, Debug, Default)]
pub(super) struct PaxFields {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<TarTime>,
    pub(super) atime: Option<TarTime>,
    pub(super) device: (Option<u32>, Option<u32>),
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: PaxSparse,
}

/// The `GNU.sparse.*` keys.
#[derive(Clone, Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) major_minor: (Option<u64>, Option<u64>),
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) map: Option<Vec<Segment>>,
    /// Format 0.0: an offset whose length record is still to come.
    pending_offset: Option<u64>,
}

/// Whether a header speaks of the next entry or of all that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Next,
    Global,
}

impl PaxFields {
    /// Takes the records of `body`; an empty value takes a key back.
    pub(super) fn apply(
        &mut self,
        body: &[u8],
        scope: Scope,
        invalid: impl Fn(&'static str) -> TarError + Copy,
    ) -> Result<(), TarError> {
        let mut rest = body;
        while !rest.is_empty() {
            let (key, value, after) =
                split_record(rest).ok_or_else(|| invalid("broken PAX record"))?;
            self.set(key, value, scope, invalid)?;
            rest = after;
        }
        Ok(())
    }

    fn set(
        &mut self,
        key: &[u8],
        value: &[u8],
        scope: Scope,
        invalid: impl Fn(&'static str) -> TarError + Copy,
    ) -> Result<(), TarError> {
        let of_one_entry =
            matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
        if scope == Scope::Global && of_one_entry {
            return Err(invalid("global PAX header with a key that only fits one entry"));
        }
        let id = |what| {
            optional(value, |v| u32::try_from(parse_decimal(v)?).ok(), what).map_err(invalid)
        };
        let time = |what| optional(value, parse_time, what).map_err(invalid);
        match key {
            b"path" => self.path = text(value).map_err(invalid)?,
            b"linkpath" => self.link = text(value).map_err(invalid)?,
            b"size" => {
                self.size =
                    optional(value, parse_decimal, "PAX size is no number").map_err(invalid)?;
            }
            b"uid" => self.uid = id("PAX uid is no 32-bit number")?,
            b"gid" => self.gid = id("PAX gid is no 32-bit number")?,
            b"mtime" => self.mtime = time("PAX mtime is no time")?,
            b"atime" => self.atime = time("PAX atime is no time")?,
            b"SCHILY.devmajor" => self.device.0 = id("PAX device number is no number")?,
            b"SCHILY.devminor" => self.device.1 = id("PAX device number is no number")?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.push_xattr(name.to_vec(), value.to_vec(), invalid)?;
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let name =
                        decode_url(name).ok_or_else(|| invalid("broken name of an attribute"))?;
                    let value = decode_base64(value)
                        .ok_or_else(|| invalid("broken base64 of an attribute"))?;
                    self.push_xattr(name, value, invalid)?;
                } else if let Some(sparse_key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(sparse_key, value, invalid)?;
                }
            }
        }
        Ok(())
    }

    /// The last of several values of a name holds, as for every PAX key. star and libarchive
    /// both write some attributes twice, once in each form.
    fn push_xattr(
        &mut self,
        name: Vec<u8>,
        value: Vec<u8>,
        invalid: impl Fn(&'static str) -> TarError,
    ) -> Result<(), TarError> {
        if name.is_empty() || name.contains(&0) || name.len() > 255 {
            return Err(invalid("name of an attribute is empty, too long or holds NUL"));
        }
        if value.len() > MAX_XATTR_VALUE {
            return Err(limit("MAX_XATTR_VALUE", MAX_XATTR_VALUE));
        }
        let others = self.xattrs.iter().filter(|(known, _)| *known != name);
        let bytes: usize = others.map(|(name, value)| name.len() + value.len()).sum();
        if bytes + name.len() + value.len() > MAX_XATTR_BYTES {
            return Err(limit("MAX_XATTR_BYTES", MAX_XATTR_BYTES));
        }
        if let Some(known) = self.xattrs.iter_mut().find(|(known, _)| *known == name) {
            known.1 = value;
            return Ok(());
        }
        if self.xattrs.len() >= MAX_XATTRS {
            return Err(limit("MAX_XATTRS", MAX_XATTRS));
        }
        self.xattrs.push((name, value));
        Ok(())
    }
}

impl PaxSparse {
    /// True if any key of a sparse format was seen.
    pub(super) fn is_sparse(&self) -> bool {
        self.map.is_some() || self.major_minor.0 == Some(1)
    }

    /// True if a format 0.0 offset has no length.
    pub(super) fn is_incomplete(&self) -> bool {
        self.pending_offset.is_some()
    }

    fn set(
        &mut self,
        key: &[u8],
        value: &[u8],
        invalid: impl Fn(&'static str) -> TarError + Copy,
    ) -> Result<(), TarError> {
        let number =
            || parse_decimal(value).ok_or_else(|| invalid("GNU.sparse value is no number"));
        match key {
            b"major" => self.major_minor.0 = Some(number()?),
            b"minor" => self.major_minor.1 = Some(number()?),
            b"name" => self.name = text(value).map_err(invalid)?,
            b"size" | b"realsize" => self.real_size = Some(number()?),
            b"map" => self.map = Some(sparse::parse_map_0_1(value, invalid)?),
            b"offset" => match self.pending_offset.replace(number()?) {
                None => {}
                Some(_) => return Err(invalid("GNU.sparse.offset without a length")),
            },
            b"numbytes" => {
                let offset = self.pending_offset.take();
                let offset =
                    offset.ok_or_else(|| invalid("GNU.sparse.numbytes without an offset"))?;
                let map = self.map.get_or_insert_default();
                sparse::push(map, Segment { offset, len: number()? })?;
            }
            b"numblocks" => {
                self.map.get_or_insert_default();
            }
            _ => {}
        }
        Ok(())
    }
}

fn limit(limit: &'static str, value: usize) -> TarError {
    TarError::Limit { limit, value: u64::try_from(value).unwrap_or(u64::MAX) }
}

/// Splits the first record into key, value and what follows it.
pub(crate) fn split_record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = body.iter().take(20).position(|b| *b == b' ')?;
    let len = usize::try_from(parse_decimal(&body[..space])?).ok()?;
    let (record, after) = body.split_at_checked(len)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|b| *b == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    (!key.is_empty()).then_some((key, value, after))
}

/// `None` for an empty value, which takes the key back.
fn optional<T>(
    value: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
    reason: &'static str,
) -> Result<Option<T>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    parse(value).map(Some).ok_or(reason)
}

fn text(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("PAX path holds NUL");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn decode_url(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
        out.push(hex(*bytes.next()?)? * 16 + hex(*bytes.next()?)?);
    }
    Some(out)
}

/// Decodes base64 with or without padding, as libarchive writes it.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let unpadded = text.iter().rposition(|b| *b != b'=').map_or(&[][..], |last| &text[..=last]);
    let mut out = Vec::with_capacity(unpadded.len() * 3 / 4);
    for group in unpadded.chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = (bits << 6) | u32::from(six);
        }
        let [_, a, b, c] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            4 => out.extend_from_slice(&[a, b, c]),
            3 => out.extend_from_slice(&[a, b]),
            2 => out.push(a),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(reason: &'static str) -> TarError {
        TarError::Format { offset: 0, reason }
    }

    fn fields(body: &[u8], scope: Scope) -> Result<PaxFields, TarError> {
        let mut fields = PaxFields::default();
        fields.apply(body, scope, invalid).map(|()| fields)
    }

    #[test]
    fn records_may_hold_newlines_and_equals_signs() {
        let pax = fields(b"13 path=a\nb=c\n9 gid=70\n", Scope::Next);
        assert!(pax.is_err(), "the first record's length is one short");
        let pax = fields(b"14 path=a\nb=c\n10 gid=70\n", Scope::Next).unwrap();
        assert_eq!((pax.path.unwrap().as_slice(), pax.gid), (&b"a\nb=c"[..], Some(70)));
    }

    #[test]
    fn an_empty_value_takes_a_key_back() {
        let pax = fields(b"10 uid=12\n7 uid=\n", Scope::Next).unwrap();
        assert_eq!(pax.uid, None);
    }

    #[test]
    fn ids_are_never_cut_to_32_bits() {
        assert!(fields(b"18 uid=4294967296\n", Scope::Next).is_err());
        assert!(fields(b"10 uid=-1\n", Scope::Next).is_err());
        assert_eq!(fields(b"18 uid=4294967294\n", Scope::Next).unwrap().uid, Some(u32::MAX - 1));
    }

    #[test]
    fn attributes_of_several_headers_add_up_to_a_limit() {
        let mut pax = PaxFields::default();
        let mut apply = |name: u32| {
            let text = format!(" SCHILY.xattr.user.{name:02}={}\n", "v".repeat(60_000));
            let text = format!("{}{text}", text.len() + 5);
            pax.apply(text.as_bytes(), Scope::Global, invalid)
        };
        for name in 0..17 {
            apply(name).unwrap();
        }
        // The same again is no more.
        apply(0).unwrap();
        let said = apply(17).unwrap_err().to_string();
        assert!(said.contains("MAX_XATTR_BYTES"), "{said}");
    }

    #[test]
    fn a_global_path_is_refused() {
        assert!(fields(b"10 path=a\n", Scope::Global).is_err());
        assert_eq!(fields(b"10 gid=70\n", Scope::Global).unwrap().gid, Some(70));
    }

    #[test]
    fn libarchive_attributes_are_decoded() {
        let body = b"40 LIBARCHIVE.xattr.user.a%20b=AAECAw==\n";
        let pax = fields(body, Scope::Next).unwrap();
        assert_eq!(pax.xattrs, [(b"user.a b".to_vec(), vec![0, 1, 2, 3])]);
    }

    #[test]
    fn lengths_never_wrap() {
        for body in [&b"99999999999999999999 a=b\n"[..], b"0 a=b\n", b"3 a=b\n", b"a=b\n", b"5 a=b"]
        {
            assert!(fields(body, Scope::Next).is_err(), "{body:?}");
        }
    }
}
