//! Names of the host's users, for people.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

/// More of a passwd(5) file is not read: names are a courtesy.
const MAX_PASSWD_BYTES: u64 = 4 << 20;

/// User ids with names.
#[derive(Debug, Default)]
pub struct UserNames(BTreeMap<u32, String>);

impl UserNames {
    /// Those of `/etc/passwd`. A static binary can ask no other source.
    #[must_use]
    pub fn of_host() -> UserNames {
        let mut text = Vec::new();
        let file = File::open("/etc/passwd");
        match file.and_then(|file| file.take(MAX_PASSWD_BYTES).read_to_end(&mut text)) {
            Ok(_) => UserNames::parse(&String::from_utf8_lossy(&text)),
            Err(_) => UserNames::default(),
        }
    }

    /// The first name of an id counts.
    fn parse(text: &str) -> UserNames {
        let mut names = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else { continue };
            if let Ok(uid) = uid.parse() {
                names.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
        UserNames(names)
    }

    /// The name of `uid`, or `#` and the number.
    #[must_use]
    pub fn name(&self, uid: u32) -> String {
        self.0.get(&uid).cloned().unwrap_or_else(|| format!("#{uid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_or_numbers() {
        let names =
            UserNames::parse("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n\nbad\na:x:y:");
        assert_eq!(names.name(0), "root");
        assert_eq!(names.name(7), "#7");
    }
}
