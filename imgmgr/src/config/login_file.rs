//! Login files on the disk: read whole, changed by one process at a time, replaced in one step.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::docker::{AuthFile, LoginError, MAX_AUTH_FILE_BYTES};
use crate::whole_file::WholeFile;

/// What the file says; `None` if there is none, or nothing in it.
pub(super) fn read(path: &Path) -> Result<Option<AuthFile>, LoginError> {
    match read_bytes(path)? {
        Some(bytes) if !bytes.trim_ascii().is_empty() => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| LoginError::Syntax { path: path.to_owned(), source }),
        _ => Ok(None),
    }
}

/// Changes `auths`, and says whether there was anything to change; what else the file holds stays.
pub(super) fn edit(
    path: &Path,
    change: impl FnOnce(&mut Map<String, Value>) -> bool,
) -> Result<bool, LoginError> {
    let syntax = |source| LoginError::Syntax { path: path.to_owned(), source };
    let _lock = lock_directory(path)?;
    let mut document: Map<String, Value> = match read_bytes(path)? {
        Some(bytes) if !bytes.trim_ascii().is_empty() => {
            serde_json::from_slice(&bytes).map_err(syntax)?
        }
        _ => Map::new(),
    };
    let auths = document.entry("auths").or_insert_with(|| Value::Object(Map::new()));
    let changed = match auths {
        Value::Object(auths) => change(auths),
        _ => false,
    };
    if changed {
        let bytes = serde_json::to_vec_pretty(&document).map_err(syntax)?;
        replace(path, &bytes).map_err(failed("write", path))?;
    }
    Ok(changed)
}

/// Whoever changes a login file holds a lock on its directory: the file itself is replaced.
fn lock_directory(path: &Path) -> Result<File, LoginError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory).map_err(failed("create the directory of", path))?;
    let lock = File::open(directory).and_then(|file| file.lock().map(|()| file));
    lock.map_err(failed("lock the directory of", path))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let whole = WholeFile::create_private(path)?;
    whole.file().write_all(bytes)?;
    whole.file().sync_data()?;
    whole.keep()
}

fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, LoginError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("open", path)(source)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_AUTH_FILE_BYTES).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LoginError {
    let path = path.to_owned();
    move |source| LoginError::Io { action, path, source }
}
