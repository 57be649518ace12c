//! registries.conf, version 2: which registries have mirrors, are insecure or blocked.
//!
//! See containers-registries.conf(5). Files in `registries.conf.d/` add to and override the main
//! one, in the order of their names.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::reference::Repository;

/// The largest file that is read.
const MAX_CONF_BYTES: u64 = 4 << 20;

/// Why registries.conf could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    /// The file can't be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file is not TOML of the right shape.
    #[error("`{}` is not a registries.conf", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: Box<toml::de::Error>,
    },
    /// The file is of version 1, which nothing writes any more.
    #[error("`{}` is in the version 1 format, which is not supported", path.display())]
    VersionOne {
        /// The file.
        path: PathBuf,
    },
    /// A rule that says nothing, or what nobody knows: to ignore it could mean another registry.
    #[error("`{}`: {reason}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// Which one, what is wrong, and what would be right.
        reason: String,
    },
}

/// What the files say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistriesConf {
    /// Rules, in no particular order: the longest prefix wins.
    pub rules: Vec<RegistryRule>,
    /// Registries that a short name may mean.
    pub search: Vec<String>,
}

/// What holds for every repository below a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RegistryRule {
    /// `host`, `host/path`, or `*.domain`.
    pub prefix: String,
    /// What the prefix is replaced by, if not by itself.
    pub location: String,
    /// TLS is not verified, and may be absent.
    pub insecure: bool,
    /// Nothing may be pulled from it.
    pub blocked: bool,
    /// Mirrors serve digests only.
    pub mirror_by_digest_only: bool,
    /// In the order in which they are tried.
    pub mirror: Vec<MirrorRule>,
}

/// A mirror of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct MirrorRule {
    /// What the prefix is replaced by.
    pub location: String,
    /// TLS is not verified, and may be absent.
    pub insecure: bool,
    /// `all`, `digest-only` or `tag-only`.
    pub pull_from_mirror: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    registry: Vec<RegistryRule>,
    registries: Option<toml::Value>,
}

impl RegistriesConf {
    /// Reads the main file and what lies in the directory beside it; absence is emptiness.
    ///
    /// # Errors
    /// [`RegistriesError`].
    pub fn load(main: &Path) -> Result<Self, RegistriesError> {
        let mut conf = Self::default();
        let mut paths = vec![main.to_owned()];
        paths.extend(beside(&main.with_extension("conf.d"))?);
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) if text.len() as u64 <= MAX_CONF_BYTES => conf.add(&text, &path)?,
                Ok(_) => {
                    let source = std::io::ErrorKind::FileTooLarge.into();
                    return Err(RegistriesError::Read { path, source });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(RegistriesError::Read { path, source }),
            }
        }
        Ok(conf)
    }

    /// Reads the text of one file.
    ///
    /// # Errors
    /// [`RegistriesError`].
    pub fn parse(text: &str) -> Result<Self, RegistriesError> {
        let mut conf = Self::default();
        conf.add(text, Path::new("registries.conf"))?;
        Ok(conf)
    }

    fn add(&mut self, text: &str, path: &Path) -> Result<(), RegistriesError> {
        let file: File = toml::from_str(text).map_err(|source| RegistriesError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        if file.registries.is_some() {
            return Err(RegistriesError::VersionOne { path: path.to_owned() });
        }
        if let Some(search) = file.unqualified_search_registries {
            self.search = search;
        }
        for mut rule in file.registry {
            let bad = |reason| RegistriesError::Rule { path: path.to_owned(), reason };
            rule.check().map_err(bad)?;
            if rule.prefix.is_empty() {
                rule.prefix.clone_from(&rule.location);
            }
            if rule.location.is_empty() {
                rule.location.clone_from(&rule.prefix);
            }
            self.rules.retain(|known| known.prefix != rule.prefix);
            self.rules.push(rule);
        }
        Ok(())
    }

    /// The rule for a repository: that with the longest prefix.
    pub fn rule(&self, repository: &Repository) -> Option<&RegistryRule> {
        let name = repository.to_string();
        self.rules
            .iter()
            .filter(|rule| rest_after(&rule.prefix, repository.domain(), &name).is_some())
            .max_by_key(|rule| (rule.prefix.len(), !rule.prefix.starts_with('*')))
    }
}

impl RegistryRule {
    fn check(&self) -> Result<(), String> {
        if self.prefix.is_empty() && self.location.is_empty() {
            return Err("a registry has neither `prefix` nor `location`".to_owned());
        }
        let name = if self.prefix.is_empty() { &self.location } else { &self.prefix };
        for MirrorRule { location, pull_from_mirror, .. } in &self.mirror {
            if location.is_empty() {
                return Err(format!("registry `{name}` has a mirror without `location`"));
            }
            if !["", "all", "digest-only", "tag-only"].contains(&pull_from_mirror.as_str()) {
                return Err(format!(
                    "mirror `{location}` of registry `{name}` has `pull-from-mirror = \
                     {pull_from_mirror:?}`; expected `all`, `digest-only` or `tag-only`"
                ));
            }
        }
        Ok(())
    }

    /// Rewrites the name of a repository below this rule's prefix to `location`.
    pub fn rewrite(&self, repository: &Repository, location: &str) -> String {
        let name = repository.to_string();
        let rest = rest_after(&self.prefix, repository.domain(), &name).unwrap_or_default();
        if self.prefix.starts_with("*.") && location == self.prefix {
            return name;
        }
        format!("{}{rest}", location.trim_end_matches('/'))
    }
}

/// The files of `registries.conf.d/`, by name.
fn beside(directory: &Path) -> Result<Vec<PathBuf>, RegistriesError> {
    use std::io::ErrorKind;
    let failed = |source| RegistriesError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(failed(source)),
    };
    let mut paths = entries.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    Ok(paths)
}

/// What follows the prefix in `name`: nothing, a slash and more, or as containers/image has it the port of a
/// host that is named without.
fn rest_after<'a>(prefix: &str, domain: &str, name: &'a str) -> Option<&'a str> {
    let rest = match prefix.strip_prefix('*') {
        Some(suffix) => {
            let host = domain.split(':').next().unwrap_or_default();
            let matched = [domain, host].into_iter().find(|shown| shown.ends_with(suffix))?;
            &name[matched.len()..]
        }
        None => name.strip_prefix(prefix)?,
    };
    (rest.is_empty() || rest.starts_with(['/', ':'])).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;

    #[test]
    fn the_longest_prefix_rewrites() {
        let mut conf = RegistriesConf::default();
        let text = r#"
            unqualified-search-registries = ["docker.io"]
            [[registry]]
            prefix = "docker.io"
            [[registry.mirror]]
            location = "mirror.local:5000"
            insecure = true
            [[registry]]
            prefix = "docker.io/team"
            location = "q.io/other"
            [[registry]]
            prefix = "*.corp.io"
            blocked = true
        "#;
        conf.add(text, Path::new("x")).unwrap();
        let repository = |text| Reference::parse_repository(text).unwrap();
        let busybox = repository("busybox");
        let rule = conf.rule(&busybox).unwrap();
        assert_eq!(
            rule.rewrite(&busybox, &rule.mirror[0].location),
            "mirror.local:5000/library/busybox"
        );
        let team = repository("team/x");
        let rule = conf.rule(&team).unwrap();
        assert_eq!(rule.rewrite(&team, &rule.location), "q.io/other/x");
        assert_eq!(conf.rule(&repository("teams/x")).unwrap().prefix, "docker.io");
        assert!(conf.rule(&repository("a.corp.io/x")).unwrap().blocked);
        assert!(conf.rule(&repository("quay.io/x")).is_none());
    }

    #[test]
    fn a_host_without_a_port_means_every_port() {
        let text = r#"
            [[registry]]
            prefix = "*.corp.io"
            blocked = true
            [[registry]]
            prefix = "ex.io"
            blocked = true
            [[registry]]
            prefix = "*.corp.io:9"
            [[registry.mirror]]
            location = "mirror.io"
        "#;
        let conf = RegistriesConf::parse(text).unwrap();
        let repository = |text| Reference::parse_repository(text).unwrap();
        let blocked = |text| conf.rule(&repository(text)).is_some_and(|rule| rule.blocked);
        for text in ["a.corp.io/x", "a.corp.io:5000/x", "ex.io/x", "ex.io:5000/x"] {
            assert!(blocked(text), "{text}");
        }
        for text in ["a.corp.io.example/x", "acorp.io/x", "ex.io.example/x", "a.corp.io:9/x"] {
            assert!(!blocked(text), "{text}");
        }
        let nine = repository("a.corp.io:9/x");
        let rule = conf.rule(&nine).unwrap();
        assert_eq!(rule.rewrite(&nine, "mirror.io"), "mirror.io/x");
        assert_eq!(rule.rewrite(&nine, &rule.location), "a.corp.io:9/x");
        let other = repository("ex.io:5000/x");
        let rule = conf.rule(&other).unwrap();
        assert_eq!(rule.rewrite(&other, &rule.location), "ex.io:5000/x");
    }

    #[test]
    fn a_rule_that_says_nothing_is_refused_by_name() {
        for (rule, reason) in [
            ("blocked = true", "a registry has neither `prefix` nor `location`"),
            ("prefix = \"r.io\"\n[[registry.mirror]]", "`r.io` has a mirror without `location`"),
            (
                "location = \"r.io\"\n[[registry.mirror]]\nlocation = \"m.io\"\n\
                 pull-from-mirror = \"tags\"",
                "mirror `m.io` of registry `r.io` has `pull-from-mirror = \"tags\"`; expected",
            ),
        ] {
            let error = RegistriesConf::parse(&format!("[[registry]]\n{rule}")).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
