//! The `schemata` file: a resource a line, `L3:0=7ff;1=1f`.

/// A schemata file, read.
pub(super) struct Schemata<'a> {
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    text: &'a str,
    resource: &'a str,
    domains: Vec<(u32, Value<'a>)>,
}

/// What a domain has: bit masks are hexadecimal, bandwidths decimal, and leading zeros mean
/// nothing in either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Number(u64),
    Other(&'a str),
}

impl<'a> Schemata<'a> {
    /// Reads the file; what is no schema is left out.
    pub(super) fn parse(text: &'a str) -> Schemata<'a> {
        Schemata { lines: text.lines().filter_map(parse_line).collect() }
    }

    /// Whether every domain that `line` names has the value it says, whatever the order and the
    /// zeros; `None` if it is no line of such a file.
    pub(super) fn has(&self, line: &str) -> Option<bool> {
        let wanted = parse_line(line)?;
        let found = self.lines.iter().find(|found| found.resource == wanted.resource);
        let has = |found: &Line<'_>| wanted.domains.iter().all(|d| found.domains.contains(d));
        Some(found.is_some_and(has))
    }

    /// The line of the resource that `line` is about.
    pub(super) fn line_of(&self, line: &str) -> Option<&'a str> {
        let wanted = parse_line(line)?;
        self.line(|name| name == wanted.resource)
    }

    /// The first line of a resource whose name is as wanted.
    pub(super) fn line(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.lines.iter().find(|line| is_wanted(line.resource)).map(|line| line.text)
    }
}

fn parse_line(line: &str) -> Option<Line<'_>> {
    let text = line.trim();
    let (resource, domains) = text.split_once(':')?;
    let resource = resource.trim();
    let radix = if resource.contains("MB") { 10 } else { 16 };
    let domains = domains.split(';').map(|domain| {
        let (id, value) = domain.split_once('=')?;
        let value = value.trim();
        let number = u64::from_str_radix(value, radix).map(Value::Number);
        Some((id.trim().parse().ok()?, number.unwrap_or(Value::Other(value))))
    });
    Some(Line { text, resource, domains: domains.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_compared_by_meaning() {
        let file = Schemata::parse("    MB:0= 20;1= 70\n    L3:0=7f0;1=1f\n");
        assert_eq!(file.has("L3:1=001f;0=7F0"), Some(true));
        assert_eq!(file.has("L3:0=7f0"), Some(true), "domains that are not named may be anything");
        assert_eq!(file.has("L3:0=7f1"), Some(false));
        assert_eq!(file.has("L3:2=7f0"), Some(false));
        assert_eq!(file.has("MB:0=20;1=070"), Some(true));
        assert_eq!(file.has("L2:0=f"), Some(false));
        assert_eq!(file.has("L3"), None);
        assert_eq!(file.has("L3:x=1"), None);
        assert_eq!(file.line_of("MB:0=1"), Some("MB:0= 20;1= 70"));
    }
}
