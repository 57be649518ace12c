//! `certs.d`: certificates for each registry, as docker and podman keep them.
//!
//! In `DIR/HOST[:PORT]/`, see containers-certs.d(5): `*.crt` are authorities to trust besides the
//! system's, `NAME.cert` with `NAME.key` is what to show to the server.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::registry::TlsOptions;

/// The largest certificate or key file that is read.
const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;
/// The most files of a registry's directory that are looked at.
const MAX_CERTIFICATES: usize = 256;

/// Why a registry's certificates could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// A file or directory can't be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// One half of a client certificate is missing.
    #[error("`{}` has no `{}` beside it", path.display(), missing.display())]
    Unpaired {
        /// The half that is there.
        path: PathBuf,
        /// The name of the other.
        missing: PathBuf,
    },
}

/// Reads what the first of `directories` that knows one of `names` has for it; nothing if none
/// does. Of several client certificates the first by name counts.
///
/// # Errors
/// [`CertificatesError`]; to go on without what is broken would show up as something else.
pub fn load_certificates(
    directories: &[PathBuf],
    names: &[&str],
) -> Result<TlsOptions, CertificatesError> {
    let places = directories.iter().flat_map(|directory| {
        // A name with a slash in it would lead elsewhere.
        names.iter().filter(|name| !name.contains('/')).map(|name| directory.join(name))
    });
    for place in places {
        match fs::read_dir(&place) {
            Ok(entries) => return read_certificates(&place, entries),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(source) => return Err(CertificatesError::Read { path: place, source }),
        }
    }
    Ok(TlsOptions::default())
}

fn read_certificates(
    directory: &Path,
    entries: fs::ReadDir,
) -> Result<TlsOptions, CertificatesError> {
    let mut paths: Vec<PathBuf> = entries
        .take(MAX_CERTIFICATES)
        .collect::<io::Result<Vec<_>>>()
        .map_err(|source| CertificatesError::Read { path: directory.to_owned(), source })?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut tls = TlsOptions::default();
    for path in &paths {
        let other = |extension: &str| {
            let missing = path.with_extension(extension);
            if paths.contains(&missing) {
                Ok(missing)
            } else {
                let missing = missing.file_name().unwrap_or_default().into();
                Err(CertificatesError::Unpaired { path: path.clone(), missing })
            }
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => tls.authorities.push(read(path)?),
            Some("cert") => {
                let key = other("key")?;
                if tls.identity.is_none() {
                    let mut identity = read(path)?;
                    identity.push(b'\n');
                    identity.extend(read(&key)?);
                    tls.identity = Some(identity);
                }
            }
            Some("key") => drop(other("cert")?),
            _ => {}
        }
    }
    Ok(tls)
}

fn read(path: &Path) -> Result<Vec<u8>, CertificatesError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_CERTIFICATE_BYTES).read_to_end(&mut bytes))
        .map_err(|source| CertificatesError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
        }
        directory
    }

    #[test]
    fn the_first_directory_that_knows_the_host_counts() {
        let one = directory(&["r.io:5000/a.crt", "r.io:5000/me.cert", "r.io:5000/me.key"]);
        let two = directory(&["r.io:5000/b.crt", "docker.io/hub.crt", "docker.io/README"]);
        let directories = [one.path().to_owned(), two.path().to_owned()];
        let found = load_certificates(&directories, &["r.io:5000"]).unwrap();
        assert_eq!(found.authorities, [b"r.io:5000/a.crt"]);
        assert_eq!(found.identity.unwrap(), b"r.io:5000/me.cert\nr.io:5000/me.key");
        let hub = load_certificates(&directories, &["docker.io", "registry-1.docker.io"]).unwrap();
        assert_eq!(hub.authorities, [b"docker.io/hub.crt"]);
        assert_eq!(load_certificates(&directories, &["r.io"]).unwrap(), TlsOptions::default());
        let escape = load_certificates(&directories, &["../x"]).unwrap();
        assert_eq!(escape, TlsOptions::default());
    }

    #[test]
    fn half_a_client_certificate_is_an_error() {
        for (file, missing) in [("h/me.cert", "`me.key`"), ("h/me.key", "`me.cert`")] {
            let place = directory(&[file]);
            let error = load_certificates(&[place.path().to_owned()], &["h"]).unwrap_err();
            assert!(error.to_string().contains(missing), "{error}");
        }
    }
}
