//! D-Bus messages as bytes (D-Bus specification, "Message Protocol").
//!
//! ```text
//! byte order  kind  flags  version=1 | body length u32 | serial u32 | array of (field, variant)
//! padding to 8 | body
//! ```
//! What is read is foreign: lengths are checked against what is there before anything is made.

use super::value::{MAX_DEPTH, Value, split_first_type};

/// A longer message is refused; systemd's answers to our calls have a few hundred bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// What must be read to know a message's length.
pub(super) const FIXED_HEADER_BYTES: usize = 16;

const VERSION: u8 = 1;
const LITTLE_ENDIAN: u8 = b'l';
const BIG_ENDIAN: u8 = b'B';

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the D-Bus specification")]
pub enum MessageKind {
    MethodCall,
    MethodReturn,
    Error,
    Signal,
}

/// One message; fields that its kind does not have are empty.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the D-Bus specification")]
pub struct Message {
    pub kind: MessageKind,
    pub serial: u32,
    pub reply_serial: u32,
    pub path: String,
    pub interface: String,
    pub member: String,
    pub error_name: String,
    pub destination: String,
    pub body: Vec<Value>,
}

/// Why bytes are no message, or a message can't become bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum WireError {
    #[error("the message ends too early")]
    Short,
    #[error("the message is longer than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    #[error("the message is of version {0}")]
    Version(u8),
    #[error("the message is of unknown kind {0}")]
    Kind(u8),
    #[error("unknown byte order {0}")]
    ByteOrder(u8),
    #[error("malformed type `{0}`")]
    Signature(String),
    #[error("a text is not UTF-8, or holds or lacks a NUL")]
    Text,
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

impl Message {
    /// A call without arguments.
    #[must_use]
    pub fn call(destination: &str, path: &str, interface: &str, member: &str) -> Message {
        Message {
            kind: MessageKind::MethodCall,
            serial: 0,
            reply_serial: 0,
            path: path.to_owned(),
            interface: interface.to_owned(),
            member: member.to_owned(),
            error_name: String::new(),
            destination: destination.to_owned(),
            body: Vec::new(),
        }
    }

    /// With these arguments.
    #[must_use]
    pub fn with(self, body: Vec<Value>) -> Message {
        Message { body, ..self }
    }

    /// The bytes, little endian.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut body = Writer::default();
        self.body.iter().try_for_each(|value| body.value(value))?;
        let kind = match self.kind {
            MessageKind::MethodCall => 1,
            MessageKind::MethodReturn => 2,
            MessageKind::Error => 3,
            MessageKind::Signal => 4,
        };
        let mut out = Writer::default();
        out.bytes.extend([LITTLE_ENDIAN, kind, 0, VERSION]);
        out.u32(length(body.bytes.len())?);
        out.u32(self.serial);
        let texts = [
            (1, "o", &self.path),
            (2, "s", &self.interface),
            (3, "s", &self.member),
            (4, "s", &self.error_name),
            (6, "s", &self.destination),
        ];
        let signature: String = self.body.iter().map(Value::signature).collect();
        out.array(8, |out| {
            for (code, kind, text) in texts.iter().filter(|(_, _, text)| !text.is_empty()) {
                out.align(8);
                out.bytes.push(*code);
                out.signature(kind)?;
                out.text(text)?;
            }
            if self.reply_serial != 0 {
                out.align(8);
                out.bytes.push(5);
                out.signature("u")?;
                out.u32(self.reply_serial);
            }
            if !signature.is_empty() {
                out.align(8);
                out.bytes.push(8);
                out.signature("g")?;
                out.signature(&signature)?;
            }
            Ok(())
        })?;
        out.align(8);
        out.bytes.extend(body.bytes);
        if out.bytes.len() > MAX_MESSAGE_BYTES { Err(WireError::TooLong) } else { Ok(out.bytes) }
    }

    /// How long the message is that starts with these `FIXED_HEADER_BYTES`.
    ///
    /// # Errors
    /// [`WireError`] if they are no header, or the message is too long.
    pub fn length(header: &[u8]) -> Result<usize, WireError> {
        let mut reader = Reader::new(header)?;
        reader.at = 4;
        let body = reader.size()?;
        reader.at = 12;
        let fields = reader.size()?;
        let total = (FIXED_HEADER_BYTES + fields).next_multiple_of(8) + body;
        if total > MAX_MESSAGE_BYTES { Err(WireError::TooLong) } else { Ok(total) }
    }

    /// Reads one whole message.
    ///
    /// # Errors
    /// [`WireError`]
    pub fn decode(bytes: &[u8]) -> Result<Message, WireError> {
        let mut reader = Reader::new(bytes)?;
        let kind = match *bytes.get(1).ok_or(WireError::Short)? {
            1 => MessageKind::MethodCall,
            2 => MessageKind::MethodReturn,
            3 => MessageKind::Error,
            4 => MessageKind::Signal,
            kind => return Err(WireError::Kind(kind)),
        };
        match bytes.get(3) {
            Some(&VERSION) => {}
            version => return Err(WireError::Version(version.copied().unwrap_or(0))),
        }
        reader.at = 8;
        let mut message = Message { kind, serial: reader.u32()?, ..Message::call("", "", "", "") };
        let mut signature = String::new();
        let end = reader.array_end(8)?;
        while reader.at < end {
            reader.align(8)?;
            let code = reader.byte()?;
            let value = reader.variant(0)?;
            match (code, value) {
                (1, Value::ObjectPath(text)) => message.path = text,
                (2, Value::Str(text)) => message.interface = text,
                (3, Value::Str(text)) => message.member = text,
                (4, Value::Str(text)) => message.error_name = text,
                (5, Value::Uint32(serial)) => message.reply_serial = serial,
                (6, Value::Str(text)) => message.destination = text,
                (8, Value::Str(text)) => signature = text,
                _ => {}
            }
        }
        reader.align(8)?;
        let mut rest = signature.as_str();
        while !rest.is_empty() {
            let (first, others) =
                split_first_type(rest).ok_or_else(|| WireError::Signature(signature.clone()))?;
            message.body.push(reader.value(first, 0)?);
            rest = others;
        }
        Ok(message)
    }
}

fn length(bytes: usize) -> Result<u32, WireError> {
    u32::try_from(bytes).map_err(|_| WireError::TooLong)
}

/// The alignment of a type, by its first letter.
fn alignment(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'n' | b'q') => 2,
        Some(b'i' | b'u' | b'b' | b's' | b'o' | b'a' | b'h') => 4,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 1,
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn number<const N: usize>(&mut self, bytes: [u8; N]) {
        self.align(N);
        self.bytes.extend(bytes);
    }

    fn u32(&mut self, number: u32) {
        self.number(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) -> Result<(), WireError> {
        if text.contains('\0') {
            return Err(WireError::Text);
        }
        self.u32(length(text.len())?);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    fn signature(&mut self, signature: &str) -> Result<(), WireError> {
        let length = u8::try_from(signature.len());
        self.bytes.push(length.map_err(|_| WireError::Signature(signature.to_owned()))?);
        self.bytes.extend(signature.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    /// An array's length, the padding before its first member, its members.
    fn array(
        &mut self,
        alignment: usize,
        members: impl FnOnce(&mut Writer) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.u32(0);
        let length_at = self.bytes.len() - 4;
        self.align(alignment);
        let start = self.bytes.len();
        members(self)?;
        let size = length(self.bytes.len() - start)?;
        self.bytes[length_at..length_at + 4].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), WireError> {
        match value {
            Value::Byte(n) => self.bytes.push(*n),
            Value::Bool(b) => self.u32(u32::from(*b)),
            Value::Int16(n) => self.number(n.to_le_bytes()),
            Value::Uint16(n) => self.number(n.to_le_bytes()),
            Value::Int32(n) => self.number(n.to_le_bytes()),
            Value::Uint32(n) => self.u32(*n),
            Value::Int64(n) => self.number(n.to_le_bytes()),
            Value::Uint64(n) => self.number(n.to_le_bytes()),
            Value::Double(n) => self.number(n.to_le_bytes()),
            Value::Str(text) | Value::ObjectPath(text) => self.text(text)?,
            Value::Array(member, values) => self.array(alignment(member), |out| {
                values.iter().try_for_each(|value| out.value(value))
            })?,
            Value::Struct(members) => {
                self.align(8);
                members.iter().try_for_each(|value| self.value(value))?;
            }
            Value::Variant(value) => {
                self.signature(&value.signature())?;
                self.value(value)?;
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big_endian: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Reader<'a>, WireError> {
        let is_big_endian = match bytes.first() {
            Some(&LITTLE_ENDIAN) => false,
            Some(&BIG_ENDIAN) => true,
            Some(order) => return Err(WireError::ByteOrder(*order)),
            None => return Err(WireError::Short),
        };
        Ok(Reader { bytes, at: 0, is_big_endian })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(count).ok_or(WireError::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Short)?;
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) -> Result<(), WireError> {
        let gap = self.at.next_multiple_of(to) - self.at;
        self.take(gap).map(drop)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// A number's bytes, least first.
    fn number<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.align(N)?;
        let mut bytes: [u8; N] = self.take(N)?.try_into().map_err(|_| WireError::Short)?;
        if self.is_big_endian {
            bytes.reverse();
        }
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        self.number().map(u32::from_le_bytes)
    }

    /// A length, no more than a message can have.
    fn size(&mut self) -> Result<usize, WireError> {
        let size = usize::try_from(self.u32()?).map_err(|_| WireError::TooLong)?;
        if size > MAX_MESSAGE_BYTES { Err(WireError::TooLong) } else { Ok(size) }
    }

    fn array_end(&mut self, alignment: usize) -> Result<usize, WireError> {
        let size = self.size()?;
        self.align(alignment)?;
        let end = self.at + size;
        if end > self.bytes.len() { Err(WireError::Short) } else { Ok(end) }
    }

    fn text_of(&mut self, length: usize) -> Result<String, WireError> {
        let bytes = self.take(length)?;
        if self.byte()? != 0 || bytes.contains(&0) {
            return Err(WireError::Text);
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| WireError::Text)
    }

    fn text(&mut self) -> Result<String, WireError> {
        let length = self.size()?;
        self.text_of(length)
    }

    fn signature(&mut self) -> Result<String, WireError> {
        let length = usize::from(self.byte()?);
        self.text_of(length)
    }

    fn variant(&mut self, depth: usize) -> Result<Value, WireError> {
        let signature = self.signature()?;
        match split_first_type(&signature) {
            Some((whole, "")) => self.value(whole, depth),
            _ => Err(WireError::Signature(signature)),
        }
    }

    /// A value of one complete type. A dictionary entry reads as a structure, a signature as a
    /// string, a descriptor as its index.
    fn value(&mut self, signature: &str, depth: usize) -> Result<Value, WireError> {
        if depth > MAX_DEPTH {
            return Err(WireError::TooDeep);
        }
        let inner = signature.get(1..).unwrap_or_default();
        Ok(match signature.as_bytes().first() {
            Some(b'y') => Value::Byte(self.byte()?),
            Some(b'b') => match self.u32()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(WireError::Boolean),
            },
            Some(b'n') => Value::Int16(self.number().map(i16::from_le_bytes)?),
            Some(b'q') => Value::Uint16(self.number().map(u16::from_le_bytes)?),
            Some(b'i') => Value::Int32(self.number().map(i32::from_le_bytes)?),
            Some(b'u' | b'h') => Value::Uint32(self.u32()?),
            Some(b'x') => Value::Int64(self.number().map(i64::from_le_bytes)?),
            Some(b't') => Value::Uint64(self.number().map(u64::from_le_bytes)?),
            Some(b'd') => Value::Double(self.number().map(f64::from_le_bytes)?),
            Some(b's') => Value::Str(self.text()?),
            Some(b'o') => Value::ObjectPath(self.text()?),
            Some(b'g') => Value::Str(self.signature()?),
            Some(b'v') => Value::Variant(Box::new(self.variant(depth + 1)?)),
            Some(b'a') => {
                let end = self.array_end(alignment(inner))?;
                let mut values = Vec::new();
                while self.at < end {
                    values.push(self.value(inner, depth + 1)?);
                }
                Value::Array(inner.to_owned(), values)
            }
            Some(b'(' | b'{') => {
                self.align(8)?;
                let mut members = Vec::new();
                let mut rest = &inner[..inner.len().saturating_sub(1)];
                while let Some((first, others)) = split_first_type(rest) {
                    members.push(self.value(first, depth + 1)?);
                    rest = others;
                }
                Value::Struct(members)
            }
            _ => return Err(WireError::Signature(signature.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Message {
        let property = |name: &str, value| {
            Value::Struct(vec![Value::Str(name.to_owned()), Value::Variant(Box::new(value))])
        };
        Message::call("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "a.B", "Start").with(
            vec![
                Value::Str("runt-c1.scope".to_owned()),
                Value::Array(
                    "(sv)".to_owned(),
                    vec![
                        property("Delegate", Value::Bool(true)),
                        property("MemoryMax", Value::Uint64(u64::MAX)),
                        property("PIDs", Value::Array("u".to_owned(), vec![Value::Uint32(7)])),
                        property("AllowedCPUs", Value::bytes(&[3])),
                        property("Wants", Value::strings(["a.slice", "b.slice"])),
                        property("Weight", Value::Double(0.5)),
                    ],
                ),
                Value::Array("(sa(sv))".to_owned(), Vec::new()),
            ],
        )
    }

    #[test]
    fn messages_read_back() {
        let message = Message { serial: 9, ..sample() };
        let bytes = message.encode().unwrap();
        assert_eq!(Message::length(&bytes[..FIXED_HEADER_BYTES]), Ok(bytes.len()));
        assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn a_call_is_laid_out_as_the_specification_says() {
        let bytes = Message { serial: 1, ..Message::call("d", "/p", "i.f", "M") }
            .with(vec![Value::Byte(5), Value::Uint32(6)])
            .encode()
            .unwrap();
        let golden: Vec<u8> = [
            &b"l\x01\x00\x01\x08\x00\x00\x00\x01\x00\x00\x00\x48\x00\x00\x00"[..],
            b"\x01\x01o\x00\x02\x00\x00\x00/p\x00\x00\x00\x00\x00\x00",
            b"\x02\x01s\x00\x03\x00\x00\x00i.f\x00\x00\x00\x00\x00",
            b"\x03\x01s\x00\x01\x00\x00\x00M\x00\x00\x00\x00\x00\x00\x00",
            b"\x06\x01s\x00\x01\x00\x00\x00d\x00\x00\x00\x00\x00\x00\x00",
            b"\x08\x01g\x00\x02yu\x00",
            b"\x05\x00\x00\x00\x06\x00\x00\x00",
        ]
        .concat();
        assert_eq!(bytes, golden);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let bytes = Message { serial: 9, ..sample() }.encode().unwrap();
        for end in 0..bytes.len() {
            assert!(Message::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                // Whatever it says, it neither panics nor takes what is not there.
                let _ = Message::decode(&flipped);
                let _ = Message::length(&flipped[..FIXED_HEADER_BYTES]);
            }
        }
    }

    #[test]
    fn lengths_beyond_the_limit_are_refused() {
        let header = b"l\x02\x00\x01\xff\xff\xff\x7f\x01\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(Message::length(header), Err(WireError::TooLong));
        let mut unsupported = *header;
        unsupported[0] = b'x';
        assert_eq!(Message::length(&unsupported), Err(WireError::ByteOrder(b'x')));
        let text = Value::Str("x".repeat(MAX_MESSAGE_BYTES));
        assert_eq!(sample().with(vec![text]).encode(), Err(WireError::TooLong));
        let nul = Value::Str("a\0".to_owned());
        assert_eq!(sample().with(vec![nul]).encode(), Err(WireError::Text));
    }
}
