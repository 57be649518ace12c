//! containerd's `certs.d/<host>/hosts.toml`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::registry::{Capabilities, Scheme, TlsOptions};

/// Why a hosts.toml could not be used.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// A file can't be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("`{}` is not a hosts.toml", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: Box<toml::de::Error>,
    },
    /// A value is not what it must be.
    #[error("`{}`: bad `{key}` of host `{host}`", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The host's table.
        host: String,
        /// The key.
        key: &'static str,
    },
}

/// One host of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    /// Host and port; empty for the registry that the file is about.
    pub host: String,
    /// The API's path, `/v2/` at its end unless overridden.
    pub api_path: String,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// What it may be asked for.
    pub capabilities: Capabilities,
    /// Certificates.
    pub tls: TlsOptions,
    /// Headers to add.
    pub headers: Vec<(String, String)>,
}

/// What a file says: mirrors in order, and the server itself if there is a word about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    /// Tried first, in the order of the file.
    pub hosts: Vec<HostRule>,
    /// Tried last; `None` means the registry's own name.
    pub server: Option<HostRule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
struct Document {
    server: Option<toml::Value>,
    #[serde(default)]
    host: HashMap<toml::Spanned<String>, HostTable>,
    /// About the server.
    #[serde(flatten)]
    own: toml::Table,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HostTable {
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany>,
    client: Option<toml::Value>,
    skip_verify: bool,
    override_path: bool,
    header: Option<std::collections::BTreeMap<String, OneOrMany>>,
}

/// Reads a file; relative certificate paths start at its directory.
///
/// # Errors
/// [`HostsError`].
pub fn parse_hosts(text: &str, path: &Path) -> Result<HostsFile, HostsError> {
    let syntax = |source| HostsError::Syntax { path: path.to_owned(), source: Box::new(source) };
    let document: Document = toml::from_str(text).map_err(syntax)?;
    let mut file = HostsFile::default();
    if document.server.is_some() || !document.own.is_empty() {
        let server = match document.server.unwrap_or(toml::Value::String(String::new())) {
            toml::Value::String(server) => server,
            other => {
                let (path, host) = (path.to_owned(), other.to_string());
                return Err(HostsError::Value { path, host, key: "server" });
            }
        };
        let table: HostTable = toml::Value::Table(document.own).try_into().map_err(syntax)?;
        file.server = Some(rule(&server, table, path)?);
    }
    // The order of the file counts, and a table forgets it.
    let mut hosts: Vec<_> = document.host.into_iter().collect();
    hosts.sort_by_key(|(name, _)| name.span().start);
    for (name, table) in hosts {
        file.hosts.push(rule(name.get_ref(), table, path)?);
    }
    Ok(file)
}

fn rule(url: &str, table: HostTable, path: &Path) -> Result<HostRule, HostsError> {
    let bad = |key| HostsError::Value { path: path.to_owned(), host: url.to_owned(), key };
    let (is_plain, rest) = match url.split_once("://") {
        Some(("http", rest)) => (true, rest),
        Some(("https", rest)) => (false, rest),
        None => (false, url),
        Some(_) => return Err(bad("server")),
    };
    let (host, api_path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let mut api_path = format!("/{}", api_path.trim_end_matches('/'));
    if !api_path.ends_with('/') {
        api_path.push('/');
    }
    if !(table.override_path || api_path.ends_with("/v2/")) {
        api_path.push_str("v2/");
    }
    let scheme = match (is_plain, table.skip_verify) {
        (true, _) => Scheme::Http,
        (false, true) => Scheme::Insecure,
        (false, false) => Scheme::Https,
    };
    let words: Vec<String> =
        table.capabilities.iter().flatten().map(|word| word.to_ascii_lowercase()).collect();
    if words.iter().any(|word| !["pull", "resolve", "push"].contains(&word.as_str())) {
        return Err(bad("capabilities"));
    }
    let has = |word: &str| words.is_empty() || words.iter().any(|w| w == word);
    let capabilities =
        Capabilities { pull: has("pull"), resolve: has("resolve"), push: has("push") };
    let mut tls = TlsOptions::default();
    for file in table.ca.map(OneOrMany::into_vec).unwrap_or_default() {
        tls.authorities.push(read_beside(path, &file)?);
    }
    if let Some(client) = table.client {
        let first = match client {
            toml::Value::Array(mut pairs) if !pairs.is_empty() => pairs.remove(0),
            other => other,
        };
        let files: Vec<String> = match first {
            toml::Value::String(file) => vec![file],
            pair => pair.try_into().map_err(|_| bad("client"))?,
        };
        let mut identity = Vec::new();
        for file in files {
            identity.extend(read_beside(path, &file)?);
            identity.push(b'\n');
        }
        tls.identity = Some(identity);
    }
    let headers = table.header.unwrap_or_default().into_iter().flat_map(|(name, values)| {
        values.into_vec().into_iter().map(move |value| (name.clone(), value))
    });
    let headers = headers.collect();
    Ok(HostRule { host: host.to_owned(), api_path, scheme, capabilities, tls, headers })
}

fn read_beside(path: &Path, file: &str) -> Result<Vec<u8>, HostsError> {
    let path = path.parent().unwrap_or(Path::new("/")).join(file);
    std::fs::read(&path).map_err(|source| HostsError::Read { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_paths_and_capabilities() {
        let text = r#"
            server = "https://registry-1.docker.io"
            [host."https://z.io/mirror/v2"]
            capabilities = ["pull"]
            override_path = true
            [host."http://a.local:5000"]
            capabilities = ["pull", "resolve"]
            [host."http://a.local:5000".header]
            x-a = ["1", "2"]
        "#;
        let file = parse_hosts(text, Path::new("/nowhere/hosts.toml")).unwrap();
        assert_eq!(file.server.unwrap().api_path, "/v2/");
        assert_eq!(file.hosts.len(), 2);
        assert_eq!((&*file.hosts[0].host, &*file.hosts[0].api_path), ("z.io", "/mirror/v2/"));
        assert_eq!(file.hosts[0].capabilities, Capabilities::BY_DIGEST);
        assert_eq!(file.hosts[1].scheme, Scheme::Http);
        assert_eq!(file.hosts[1].capabilities, Capabilities::READ);
        assert_eq!(file.hosts[1].headers.len(), 2);
        assert!(parse_hosts("server = [", Path::new("x")).is_err());
        assert!(parse_hosts("[host.\"ftp://x\"]", Path::new("x")).is_err());
    }

    #[test]
    fn hosts_are_tried_in_the_files_order_however_it_quotes_them() {
        let text = "# not host.\"https://a.io\" first\n[host.'https://z.io']\n[ host . \"https://b.io\" ]\n\
                    [host.\"https://b.io\".header]\nx = 'y'\n[host.\"https://a.io\"]\n";
        let file = parse_hosts(text, Path::new("x")).unwrap();
        let hosts: Vec<&str> = file.hosts.iter().map(|rule| rule.host.as_str()).collect();
        assert_eq!(hosts, ["z.io", "b.io", "a.io"]);
        let inline = "host = { 'https://b.io' = {}, 'https://a.io' = {} }";
        assert_eq!(parse_hosts(inline, Path::new("x")).unwrap().hosts[0].host, "b.io");
    }

    #[test]
    fn capabilities_are_known_or_refused_by_name() {
        let capabilities = |words: &str| {
            let text = format!("[host.'https://m.io']\ncapabilities = {words}");
            parse_hosts(&text, Path::new("hosts.toml")).map(|file| file.hosts[0].capabilities)
        };
        assert_eq!(capabilities("['Pull', 'resolve']").unwrap(), Capabilities::READ);
        assert_eq!(capabilities("[]").unwrap(), Capabilities::ALL);
        let error = capabilities("['pul']").unwrap_err().to_string();
        assert_eq!(error, "`hosts.toml`: bad `capabilities` of host `https://m.io`");
        let error = parse_hosts("server = 1", Path::new("hosts.toml")).unwrap_err().to_string();
        assert_eq!(error, "`hosts.toml`: bad `server` of host `1`");
    }
}
