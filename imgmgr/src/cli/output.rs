//! Errors and results as lines.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use imgmgr::copy::{CopyError, visible};
use imgmgr::pull::PullError;
use imgmgr::registry::{FailureKind, RegistryError};
use imgmgr::room::Shortage;
use imgmgr::store::StoreError;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The command line's: exit code 2.
    Usage,
    /// Anything else's: exit code 1.
    Run,
}

/// A failure with what a person can do about it.
#[derive(Debug)]
pub(crate) struct CommandError {
    blame: Blame,
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
}

/// What every command returns.
pub(crate) type Done<T = ()> = Result<T, CommandError>;

impl CommandError {
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { blame: Blame::Usage, error: message.to_string().into(), hint: None }
    }

    pub(crate) fn run(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { blame: Blame::Run, error: error.into(), hint: None }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::run(FileError { action, path: path.to_owned(), source })
    }

    /// A login that was tried and not stored.
    pub(crate) fn login(error: RegistryError) -> Self {
        let refused = matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Denied);
        let hint = "check user name and password; some registries want a token for a password";
        let told = Self::from(error);
        let hint = if refused { Some(hint.to_owned()) } else { told.hint };
        Self { hint, ..told }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.blame {
            Blame::Usage => ExitCode::from(2),
            Blame::Run => ExitCode::FAILURE,
        }
    }
}

/// A file that a command was told to use, and can't.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::NoImage { .. } => Some("`imgmgr list` shows what there is".to_owned()),
            StoreError::Mismatch(_) | StoreError::NoBlob { .. } => {
                Some("`imgmgr fsck --repair` fetches damaged blobs again".to_owned())
            }
            StoreError::NotALayout { .. } => {
                Some("name an empty or absent directory, or an OCI image layout".to_owned())
            }
            StoreError::NoPlatform { .. } => Some("choose one with `--platform`".to_owned()),
            _ => None,
        };
        Self { blame: Blame::Run, error: error.into(), hint }
    }
}

impl From<RegistryError> for CommandError {
    fn from(error: RegistryError) -> Self {
        let hint = match error.kind() {
            _ if matches!(error, RegistryError::Interrupted) => {
                Some("run it again to go on from here".to_owned())
            }
            FailureKind::Unauthorized | FailureKind::Denied => Some(
                "`imgmgr login HOST`; some registries answer so for absent images too".to_owned(),
            ),
            FailureKind::Temporary => tls_hint(&error).map(str::to_owned),
            _ => None,
        };
        match error {
            RegistryError::Store(error) => error.into(),
            error => Self { blame: Blame::Run, error: error.into(), hint },
        }
    }
}

/// What to do if a TLS handshake failed: the other side speaks no TLS, or is not trusted.
fn tls_hint(error: &RegistryError) -> Option<&'static str> {
    const CAUSES: [(&str, &str); 3] = [
        ("UnknownIssuer", "name the authority that signed its certificate with `--ca-file FILE`"),
        ("InvalidContentType", "if it has no TLS, name it with `--insecure-registry HOST:PORT`"),
        ("corrupt message", "if it has no TLS, name it with `--insecure-registry HOST:PORT`"),
    ];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if let Some((_, hint)) = CAUSES.iter().find(|(word, _)| text.contains(word)) {
            return Some(hint);
        }
        next = cause.source();
    }
    None
}

impl From<PullError> for CommandError {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Registry(error) => error.into(),
            PullError::Store(error @ StoreError::NoPlatform { .. }) => Self {
                hint: Some("choose one with `--platform`, or all with `--all`".to_owned()),
                ..error.into()
            },
            PullError::Store(error) => error.into(),
            error => Self::run(error),
        }
    }
}

impl From<CopyError> for CommandError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Pull(error) => error.into(),
            CopyError::Registry(error) => error.into(),
            CopyError::Store(error) => error.into(),
            error => Self::run(error),
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::run(error)
    }
}

/// What to do if there was no room.
fn room_hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    Some(match Shortage::of(error)? {
        Shortage::Disk => {
            "make room and run it again; if the store is on that disk, `imgmgr gc` may free some"
        }
        Shortage::Quota => {
            "the quota on this disk is used up: make room, or have it raised, and run it again; if \
             the store is there, `imgmgr gc` may free some"
        }
    })
}

/// Prints a failure on stderr: what, why, what to do.
pub(crate) fn report(error: &CommandError) {
    let mut text = format!("error: {}\n", paragraph(&error.error));
    let mut next = error.error.source();
    while let Some(cause) = next {
        text.push_str(&format!("caused by: {}\n", paragraph(cause)));
        next = cause.source();
    }
    if let Some(hint) = error.hint.as_deref().or_else(|| room_hint(&*error.error)) {
        text.push_str(&format!("hint: {}\n", paragraph(hint)));
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// As [`visible`] for text of several lines (a parser's), none of which can be taken for one of ours.
fn paragraph(text: impl Display) -> String {
    let text = text.to_string();
    text.trim_end().split('\n').map(visible).collect::<Vec<_>>().join("\n  ")
}

/// Prints bytes as they are on stdout; a closed pipe is no failure.
pub(crate) fn print_bytes(bytes: &[u8]) -> Done {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result
            .map_err(|source| CommandError::file("write to", Path::new("standard output"), source)),
    }
}

/// Prints lines on stdout.
pub(crate) fn print(text: &str) -> Done {
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    print_bytes(lines.join("\n").as_bytes())
}

/// Prints a line on stdout.
pub(crate) fn line(text: impl Display) -> Done {
    print_bytes(format!("{}\n", visible(&text.to_string())).as_bytes())
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Done {
    let mut text = serde_json::to_vec_pretty(value).map_err(CommandError::run)?;
    text.push(b'\n');
    print_bytes(&text)
}

/// Prints columns, padded to the widest of each.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> Done {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    let mut add = |row: &mut dyn Iterator<Item = &str>| {
        for (cell, width) in row.zip(&widths) {
            text.push_str(cell);
            let spaces = width.saturating_sub(cell.chars().count()) + 2;
            text.extend(std::iter::repeat_n(' ', spaces));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    };
    add(&mut header.iter().copied());
    for row in &rows {
        add(&mut row.iter().map(String::as_str));
    }
    print(&text)
}

/// Bytes for people: `4.2 MB`.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenth, mut unit) = (bytes, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        tenth = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 { format!("{whole} B") } else { format!("{whole}.{tenth} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_words_stay_words() {
        assert_eq!(visible("a\u{1b}[2Jb\nc\u{9b}d é"), "a\\u{1b}[2Jb\\nc\\u{9b}d é");
        assert_eq!(paragraph("one\nhint: \rtwo\n"), "one\n  hint: \\rtwo");
    }
}
