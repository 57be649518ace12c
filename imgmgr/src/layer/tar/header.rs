//! A view of one header block.

use super::BLOCK;
use super::number::parse_numeric;

/// Which dialect a header's magic announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Before POSIX: no prefix, no devices.
    V7,
    /// POSIX ustar: `prefix` continues the name.
    Ustar,
    /// GNU: other fields where the prefix is.
    Gnu,
}

/// A header block whose checksum holds.
pub(crate) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    /// Returns the header if its checksum holds, as unsigned or (old tars) signed bytes.
    pub(crate) fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        let stored = parse_numeric(&block[148..156])?;
        let mut unsigned = 0i64;
        let mut signed = 0i64;
        for (i, byte) in block.iter().enumerate() {
            let byte = if (148..156).contains(&i) { b' ' } else { *byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        (stored == unsigned || stored == signed).then_some(Self(block))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match &self.0[257..265] {
            b"ustar\x0000" => Dialect::Ustar,
            b"ustar  \0" => Dialect::Gnu,
            [b'u', b's', b't', b'a', b'r', 0, ..] => Dialect::Ustar,
            _ => Dialect::V7,
        }
    }

    pub(crate) fn typeflag(&self) -> u8 {
        self.0[156]
    }

    /// Appends the name, with the prefix of ustar.
    pub(crate) fn append_path(&self, path: &mut Vec<u8>) {
        if self.dialect() == Dialect::Ustar {
            let prefix = text(&self.0[345..500]);
            if !prefix.is_empty() {
                path.extend_from_slice(prefix);
                path.push(b'/');
            }
        }
        path.extend_from_slice(text(&self.0[0..100]));
    }

    pub(crate) fn link(&self) -> &'a [u8] {
        text(&self.0[157..257])
    }

    pub(crate) fn mode(&self) -> Option<i64> {
        parse_numeric(&self.0[100..108])
    }

    pub(crate) fn uid(&self) -> Option<i64> {
        parse_numeric(&self.0[108..116])
    }

    pub(crate) fn gid(&self) -> Option<i64> {
        parse_numeric(&self.0[116..124])
    }

    pub(crate) fn size(&self) -> Option<i64> {
        parse_numeric(&self.0[124..136])
    }

    pub(crate) fn mtime(&self) -> Option<i64> {
        parse_numeric(&self.0[136..148])
    }

    pub(crate) fn device(&self) -> Option<(i64, i64)> {
        if self.dialect() == Dialect::V7 {
            return Some((0, 0));
        }
        Some((parse_numeric(&self.0[329..337])?, parse_numeric(&self.0[337..345])?))
    }

    /// The four segments and the extension flag of a GNU sparse header, and the real size.
    pub(crate) fn gnu_sparse(&self) -> (&'a [u8], bool, Option<i64>) {
        (&self.0[386..482], self.0[482] != 0, parse_numeric(&self.0[483..495]))
    }
}

/// Cuts a field at its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.iter().position(|b| *b == 0).map_or(field, |end| &field[..end])
}
