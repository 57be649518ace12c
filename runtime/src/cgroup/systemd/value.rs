//! Values of D-Bus, their types, and the text that annotations spell them in.

use std::fmt;

/// A value deeper than this is refused; D-Bus itself allows 32 arrays and 32 structures.
pub(super) const MAX_DEPTH: usize = 16;
/// A longer annotation is refused.
pub(super) const MAX_TEXT_BYTES: usize = 64 << 10;

/// A D-Bus value of the types that systemd's properties have.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the D-Bus specification")]
pub enum Value {
    Byte(u8),
    Bool(bool),
    Int16(i16),
    Uint16(u16),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    Str(String),
    ObjectPath(String),
    /// The members' type, for an empty array has one too.
    Array(String, Vec<Value>),
    Struct(Vec<Value>),
    Variant(Box<Value>),
}

impl Value {
    /// An array of strings.
    pub fn strings<S: Into<String>>(strings: impl IntoIterator<Item = S>) -> Value {
        let strings = strings.into_iter().map(|text| Value::Str(text.into()));
        Value::Array("s".to_owned(), strings.collect())
    }

    /// An array of bytes.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Value {
        Value::Array("y".to_owned(), bytes.iter().map(|byte| Value::Byte(*byte)).collect())
    }

    /// The type, in the letters of the D-Bus specification.
    #[must_use]
    pub fn signature(&self) -> String {
        match self {
            Value::Byte(_) => "y".to_owned(),
            Value::Bool(_) => "b".to_owned(),
            Value::Int16(_) => "n".to_owned(),
            Value::Uint16(_) => "q".to_owned(),
            Value::Int32(_) => "i".to_owned(),
            Value::Uint32(_) => "u".to_owned(),
            Value::Int64(_) => "x".to_owned(),
            Value::Uint64(_) => "t".to_owned(),
            Value::Double(_) => "d".to_owned(),
            Value::Str(_) => "s".to_owned(),
            Value::ObjectPath(_) => "o".to_owned(),
            Value::Array(member, _) => format!("a{member}"),
            Value::Struct(members) => {
                format!("({})", members.iter().map(Value::signature).collect::<String>())
            }
            Value::Variant(_) => "v".to_owned(),
        }
    }

    /// Reads GVariant text: `true`, `5`, `uint64 5`, `'text'`, `['a', "b"]`, `('x', 1)`, `@as []`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Value, TextError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TextError::TooLong);
        }
        let mut reader = Reader { rest: text };
        let value = reader.value(None, 0)?;
        reader.skip_space();
        match reader.rest {
            "" => Ok(value),
            rest => Err(TextError::Unexpected { rest: excerpt(rest) }),
        }
    }

    /// Seconds of any number type as microseconds.
    #[must_use]
    pub fn seconds_to_microseconds(&self) -> Option<Value> {
        const MICRO: u64 = 1_000_000;
        let seconds = match self {
            Value::Byte(n) => u64::from(*n),
            Value::Int16(n) => u64::try_from(*n).ok()?,
            Value::Uint16(n) => u64::from(*n),
            Value::Int32(n) => u64::try_from(*n).ok()?,
            Value::Uint32(n) => u64::from(*n),
            Value::Int64(n) => u64::try_from(*n).ok()?,
            Value::Uint64(n) => *n,
            Value::Double(seconds) => {
                const LARGEST: f64 = 9e12;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and 9e18"
                )]
                let micro = (0.0..=LARGEST).contains(seconds).then(|| (seconds * 1e6) as u64)?;
                return Some(Value::Uint64(micro));
            }
            _ => return None,
        };
        seconds.checked_mul(MICRO).map(Value::Uint64)
    }
}

/// Why a text is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TextError {
    #[error("it is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
    #[error("it is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("it ends too early")]
    Ends,
    #[error("unexpected `{rest}`")]
    Unexpected { rest: String },
    #[error("`{text}` is not of type `{signature}`")]
    Type { text: String, signature: String },
    #[error("the members of an array have different types")]
    Mixed,
    #[error("an empty array needs its type before it, as in `@as []`")]
    Untyped,
}

fn excerpt(text: &str) -> String {
    text.chars().take(20).collect()
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: char) -> Result<(), TextError> {
        if self.eat(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> TextError {
        match self.rest {
            "" => TextError::Ends,
            rest => TextError::Unexpected { rest: excerpt(rest) },
        }
    }

    /// A value of type `wanted`, or of the type its text suggests.
    fn value(&mut self, wanted: Option<&str>, depth: usize) -> Result<Value, TextError> {
        if depth > MAX_DEPTH {
            return Err(TextError::TooDeep);
        }
        self.skip_space();
        let value = match self.rest.chars().next() {
            None => return Err(TextError::Ends),
            Some('@') => {
                self.rest = &self.rest[1..];
                let signature = self.word(|c| !c.is_whitespace());
                if !matches!(split_first_type(signature), Some((_, ""))) {
                    return Err(TextError::Unexpected { rest: excerpt(signature) });
                }
                self.value(Some(signature), depth + 1)?
            }
            Some('<') => {
                self.rest = &self.rest[1..];
                let inner = self.value(None, depth + 1)?;
                self.expect('>')?;
                Value::Variant(Box::new(inner))
            }
            Some('[') => self.array(wanted, depth)?,
            Some('(') => self.tuple(wanted, depth)?,
            Some(quote @ ('\'' | '"')) => {
                let text = self.quoted(quote)?;
                if wanted == Some("o") { Value::ObjectPath(text) } else { Value::Str(text) }
            }
            Some(c) if c.is_ascii_alphabetic() => return self.keyword(wanted, depth),
            Some(_) => self.number(wanted)?,
        };
        match wanted {
            Some(wanted) if value.signature() != wanted => {
                Err(TextError::Type { text: value.to_string(), signature: wanted.to_owned() })
            }
            _ => Ok(value),
        }
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn keyword(&mut self, wanted: Option<&str>, depth: usize) -> Result<Value, TextError> {
        let before = self.rest;
        let word = self.word(|c| c.is_ascii_alphanumeric());
        let signature = match word {
            "true" | "false" if wanted.is_none_or(|wanted| wanted == "b") => {
                return Ok(Value::Bool(word == "true"));
            }
            "boolean" => "b",
            "byte" => "y",
            "int16" => "n",
            "uint16" => "q",
            "int32" => "i",
            "uint32" => "u",
            "int64" => "x",
            "uint64" => "t",
            "double" => "d",
            "string" => "s",
            "objectpath" => "o",
            _ => {
                self.rest = before;
                return Err(self.unexpected());
            }
        };
        if wanted.is_some_and(|wanted| wanted != signature) {
            let signature = wanted.unwrap_or_default().to_owned();
            return Err(TextError::Type { text: word.to_owned(), signature });
        }
        self.value(Some(signature), depth + 1)
    }

    fn number(&mut self, wanted: Option<&str>) -> Result<Value, TextError> {
        let before = self.rest;
        let text = self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if text.is_empty() {
            return Err(self.unexpected());
        }
        let default = if text.contains(['.', 'e']) && !text.starts_with("0x") { "d" } else { "i" };
        let signature = wanted.unwrap_or(default);
        let value = match signature {
            "y" => whole(text).map(Value::Byte),
            "n" => whole(text).map(Value::Int16),
            "q" => whole(text).map(Value::Uint16),
            "i" => whole(text).map(Value::Int32),
            "u" => whole(text).map(Value::Uint32),
            "x" => whole(text).map(Value::Int64),
            "t" => whole(text).map(Value::Uint64),
            "d" => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Double),
            _ => None,
        };
        value.ok_or_else(|| {
            self.rest = before;
            TextError::Type { text: excerpt(text), signature: signature.to_owned() }
        })
    }

    fn quoted(&mut self, quote: char) -> Result<String, TextError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                // D-Bus strings hold no NUL.
                '\0' => return Err(TextError::Unexpected { rest: "NUL".to_owned() }),
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(text);
                }
                '\\' => text.push(match chars.next().ok_or(TextError::Ends)?.1 {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    c @ ('\\' | '\'' | '"') => c,
                    c => return Err(TextError::Unexpected { rest: format!("\\{c}") }),
                }),
                c => text.push(c),
            }
        }
        Err(TextError::Ends)
    }

    fn array(&mut self, wanted: Option<&str>, depth: usize) -> Result<Value, TextError> {
        self.expect('[')?;
        let mut member = wanted.and_then(|wanted| wanted.strip_prefix('a')).map(str::to_owned);
        let mut values: Vec<Value> = Vec::new();
        while !self.eat(']') {
            if !values.is_empty() {
                self.expect(',')?;
            }
            let value = self.value(member.as_deref(), depth + 1)?;
            let signature = value.signature();
            if *member.get_or_insert_with(|| signature.clone()) != signature {
                return Err(TextError::Mixed);
            }
            values.push(value);
        }
        Ok(Value::Array(member.ok_or(TextError::Untyped)?, values))
    }

    fn tuple(&mut self, wanted: Option<&str>, depth: usize) -> Result<Value, TextError> {
        self.expect('(')?;
        let mut types = wanted
            .and_then(|wanted| wanted.strip_prefix('(')?.strip_suffix(')'))
            .unwrap_or_default();
        let mut members = Vec::new();
        while !self.eat(')') {
            if !members.is_empty() {
                self.expect(',')?;
                if members.len() == 1 && self.eat(')') {
                    break;
                }
            }
            let (member, rest) = match split_first_type(types) {
                Some((member, rest)) => (Some(member), rest),
                None => (None, ""),
            };
            types = rest;
            members.push(self.value(member, depth + 1)?);
        }
        if members.is_empty() { Err(self.unexpected()) } else { Ok(Value::Struct(members)) }
    }
}

/// A whole number with an optional sign, decimal or `0x`.
fn whole<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<u64>().ok()?,
        None => return None,
    };
    T::try_from(i128::from(number) * sign).ok()
}

/// The first complete type of a signature, and the rest.
///
/// `None` if the signature is empty, malformed, or deeper than [`MAX_DEPTH`].
#[must_use]
pub(super) fn split_first_type(signature: &str) -> Option<(&str, &str)> {
    let end = type_length(signature.as_bytes(), 0)?;
    Some(signature.split_at(end))
}

fn type_length(signature: &[u8], depth: usize) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    match signature.first()? {
        b'a' => Some(1 + type_length(&signature[1..], depth + 1)?),
        open @ (b'(' | b'{') => {
            let close = if *open == b'(' { b')' } else { b'}' };
            let mut end = 1;
            while *signature.get(end)? != close {
                end += type_length(&signature[end..], depth + 1)?;
            }
            Some(end + 1)
        }
        b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g'
        | b'v' | b'h' => Some(1),
        _ => None,
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, values: &[Value]| {
            values
                .iter()
                .enumerate()
                .try_for_each(|(at, value)| write!(f, "{}{value}", if at == 0 { "" } else { ", " }))
        };
        match self {
            Value::Byte(n) => write!(f, "byte {n}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int16(n) => write!(f, "int16 {n}"),
            Value::Uint16(n) => write!(f, "uint16 {n}"),
            Value::Int32(n) => write!(f, "{n}"),
            Value::Uint32(n) => write!(f, "uint32 {n}"),
            Value::Int64(n) => write!(f, "int64 {n}"),
            Value::Uint64(n) => write!(f, "uint64 {n}"),
            Value::Double(n) => write!(f, "{n:?}"),
            Value::Str(text) => write!(f, "'{}'", escaped(text)),
            Value::ObjectPath(text) => write!(f, "objectpath '{}'", escaped(text)),
            Value::Array(member, values) if values.is_empty() => write!(f, "@a{member} []"),
            Value::Array(_, values) => {
                f.write_str("[")?;
                list(f, values)?;
                f.write_str("]")
            }
            Value::Struct(members) => {
                f.write_str("(")?;
                list(f, members)?;
                f.write_str(if members.len() == 1 { ",)" } else { ")" })
            }
            Value::Variant(value) => write!(f, "<{value}>"),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' | '\'' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, signature: &str, shown: &str) {
        let value = Value::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((value.signature().as_str(), value.to_string().as_str()), (signature, shown));
        assert_eq!(Value::parse(&value.to_string()), Ok(value), "shown text reads back");
    }

    #[test]
    fn texts_of_every_kind() {
        check("true", "b", "true");
        check(" 5 ", "i", "5");
        check("-3", "i", "-3");
        check("int32 -3", "i", "-3");
        check("uint64 10", "t", "uint64 10");
        check("byte 0xff", "y", "byte 255");
        check("1.5", "d", "1.5");
        check("'it\\'s \\\\ \\n'", "s", "'it\\'s \\\\ \\n'");
        check("\"a 'b'\"", "s", "'a \\'b\\''");
        check("['a.service','b']", "as", "['a.service', 'b']");
        check("@as []", "as", "@as []");
        check("@ay [1, 2]", "ay", "[byte 1, byte 2]");
        check("[('/dev/null', 'rw')]", "a(ss)", "[('/dev/null', 'rw')]");
        check("@a(sb) [('x', true)]", "a(sb)", "[('x', true)]");
        check("('alone',)", "(s)", "('alone',)");
        check("<uint32 7>", "v", "<uint32 7>");
        check("[uint32 1, 2]", "au", "[uint32 1, uint32 2]");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let deep = "[".repeat(10_000);
        for bad in [
            "",
            "tru",
            "uint64",
            "uint64 -1",
            "byte 256",
            "'open",
            "[1, 'a']",
            "[]",
            "[1",
            "()",
            "5 6",
            "int32 true",
            "uint64 'x'",
            "boolean 1",
            "'\\q'",
            "1e999",
            "@as ['a', 1]",
            "@z 1",
            "@azz []",
            "@ii 1",
            "'a\0b'",
            "--5",
            &deep,
        ] {
            assert!(Value::parse(bad).is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn seconds_become_microseconds() {
        let micro = |text| Value::parse(text).unwrap().seconds_to_microseconds();
        assert_eq!(micro("uint64 2"), Some(Value::Uint64(2_000_000)));
        assert_eq!(micro("0.5"), Some(Value::Uint64(500_000)));
        assert_eq!(micro("-1"), None);
        assert_eq!(micro("'a'"), None);
        assert_eq!(micro("uint64 18446744073709551615"), None);
    }

    #[test]
    fn signatures_split_into_complete_types() {
        assert_eq!(split_first_type("a(sv)u"), Some(("a(sv)", "u")));
        assert_eq!(split_first_type("a{sas}"), Some(("a{sas}", "")));
        for bad in ["", "a", "(", "(s", "z", &"a".repeat(100)] {
            assert_eq!(split_first_type(bad), None, "{bad:.10}");
        }
    }
}
