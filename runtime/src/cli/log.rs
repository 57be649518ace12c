//! Messages for people and for the programs that started us.
//!
//! The lines are those of runc's logger, for its callers read them: containerd takes the last
//! `"level":"error"` line of the log file, podman looks for known words in it. So a log line
//! holds the whole chain of an error, joined by `: `. Standard error gets the same chain, a cause
//! a line if it is a terminal, except where it is the log and JSON was asked for.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::runc_words;
use crate::journal::{Journal, Level};

/// `--log`, `--log-format` and `--debug`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Where to; `None` is standard error.
    pub file: Option<PathBuf>,
    /// How.
    pub format: LogFormat,
    /// Whether debug messages are written at all.
    pub debug: bool,
    /// Whether errors are told as runc tells them.
    pub called_runc: bool,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `time="..." level=error msg="..."`
    #[default]
    Text,
    /// `{"level":"error","msg":"...","time":"..."}`
    Json,
}

/// The log file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log file `{}`", path.display())]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// Where messages go.
#[derive(Debug, Default)]
pub struct Log {
    format: LogFormat,
    debug: bool,
    called_runc: bool,
    /// `None` is standard error.
    file: Option<RefCell<File>>,
}

impl Log {
    /// Opens the log file for appending, made with mode 0644 where there is none.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(options: &LogOptions) -> Result<Log, LogError> {
        let open = |path: &PathBuf| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o644)
                .open(path)
                .map_err(|source| LogError { path: path.clone(), source })
        };
        let file = options.file.as_ref().map(open).transpose()?.map(RefCell::new);
        let LogOptions { format, debug, called_runc, .. } = *options;
        Ok(Log { format, debug, called_runc, file })
    }

    /// Reports why the command failed: one log line, and a line a cause on standard error.
    pub fn failure(&self, failure: &Failure<'_>) {
        if self.called_runc {
            let joined = failure.joined(runc_words::cause);
            if self.file.is_some() || !failure.bare {
                self.write_line(Level::Error, &joined);
            }
            if self.file.is_some() || failure.bare {
                write_stderr(format!("{joined}\n").as_bytes());
            }
            return;
        }
        let joined = failure.joined(ToString::to_string);
        match (&self.file, self.format) {
            (None, LogFormat::Json) => self.write_line(Level::Error, &joined),
            (None, LogFormat::Text) => write_stderr(failure.for_reader().as_bytes()),
            (Some(_), _) => {
                self.write_line(Level::Error, &joined);
                write_stderr(failure.for_reader().as_bytes());
            }
        }
    }

    /// One line in one write, so that lines of several processes stay whole.
    fn write_line(&self, level: Level, message: &str) {
        let time = Timestamp(SystemTime::now());
        let line = match self.format {
            LogFormat::Text => {
                format!("time=\"{time}\" level={level} msg={}\n", Quoted(message))
            }
            LogFormat::Json => {
                let message = serde_json::Value::from(message);
                format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{time}\"}}\n")
            }
        };
        match &self.file {
            // A log that cannot be written must not stop a container.
            Some(file) => drop(file.borrow_mut().write_all(line.as_bytes())),
            None => write_stderr(line.as_bytes()),
        }
    }
}

impl Journal for Log {
    fn record(&self, level: Level, message: fmt::Arguments<'_>) {
        match (level, &self.file, self.format) {
            (Level::Debug, ..) if !self.debug => {}
            (Level::Warning, None, LogFormat::Text) => {
                write_stderr(format!("warning: {message}\n").as_bytes());
            }
            _ => self.write_line(level, &message.to_string()),
        }
    }
}

/// An error at the edge: what was being done, why it failed, and what a person can do.
///
/// Displayed a cause a line: `error:`, `caused by:`, `hint:`.
pub struct Failure<'a> {
    /// Stands before the chain, as in runc's messages: `exec failed`.
    pub context: Option<&'a str>,
    /// What happened.
    pub error: &'a (dyn Error + 'static),
    /// What can be done.
    pub hint: Option<&'a str>,
    /// Standard error gets the bare words, without `error:`: as the program itself would have
    /// said them, had it begun.
    pub bare: bool,
}

impl<'a> Failure<'a> {
    fn causes(&self) -> impl Iterator<Item = &'a (dyn Error + 'static)> + use<'a> {
        let mut next = Some(self.error);
        std::iter::from_fn(move || {
            let error: &'a (dyn Error + 'static) = next?;
            next = error.source();
            Some(error)
        })
    }

    /// A cause a line for people. A program that reads our standard error, as podman does, looks
    /// for known words and shows the line that has them: it gets the chain in one line.
    fn for_reader(&self) -> String {
        if self.bare {
            return format!("{}\n", self.joined(ToString::to_string));
        }
        if io::stderr().is_terminal() {
            return self.to_string();
        }
        let hint = self.hint.map_or(String::new(), |hint| format!("hint: {hint}\n"));
        format!("error: {}\n{hint}", self.joined(ToString::to_string))
    }

    /// The chain in one line.
    fn joined(&self, words: impl Fn(&(dyn Error + 'static)) -> String) -> String {
        let context = self.context.map(str::to_owned);
        context.into_iter().chain(self.causes().map(words)).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if let Some(context) = self.context {
            write!(f, "{context}: ")?;
        }
        for (depth, cause) in self.causes().enumerate() {
            let label = if depth == 0 { "" } else { "caused by: " };
            writeln!(f, "{label}{cause}")?;
        }
        self.hint.map_or(Ok(()), |hint| writeln!(f, "hint: {hint}"))
    }
}

/// Nothing can be done about a closed standard error.
fn write_stderr(bytes: &[u8]) {
    drop(io::stderr().lock().write_all(bytes));
}

/// A value as logrus writes it: bare where it holds nothing but harmless characters, else quoted
/// as in Go.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |b: u8| b.is_ascii_alphanumeric() || b"-._/@^+".contains(&b);
        if self.0.bytes().all(bare) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// RFC 3339 in UTC, to the second.
struct Timestamp(SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let of_day = seconds % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, a year ends with its leap day and 400 years have a fixed length.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `/b/config.json`")]
    struct Outer(#[source] io::Error);

    fn outer() -> Outer {
        Outer(io::Error::from_raw_os_error(13))
    }

    #[test]
    fn timestamps_are_rfc_3339() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Timestamp(time).to_string(), expected);
        }
    }

    #[test]
    fn values_are_quoted_like_logrus() {
        assert_eq!(Quoted("plain-1.2/x@y^z+").to_string(), "plain-1.2/x@y^z+");
        assert_eq!(Quoted("a \"b\"\n\\\x01").to_string(), r#""a \"b\"\n\\\x01""#);
        assert_eq!(Quoted("").to_string(), "");
    }

    #[test]
    fn a_json_line_holds_the_whole_chain() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.json");
        let options = LogOptions {
            file: Some(path.clone()),
            format: LogFormat::Json,
            ..LogOptions::default()
        };
        let log = Log::open(&options).unwrap();
        log.record(Level::Debug, format_args!("unseen"));
        log.record(Level::Warning, format_args!("seen"));
        log.failure(&Failure {
            context: Some("exec failed"),
            error: &outer(),
            hint: None,
            bare: false,
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["level"], &lines[0]["msg"]), (&"warning".into(), &"seen".into()));
        assert_eq!(lines[1]["level"], "error");
        assert_eq!(
            lines[1]["msg"],
            "exec failed: cannot read `/b/config.json`: Permission denied (os error 13)"
        );
    }

    #[test]
    fn a_text_line_is_logrus_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        let options = LogOptions { file: Some(path.clone()), debug: true, ..LogOptions::default() };
        Log::open(&options).unwrap().record(Level::Debug, format_args!("two words"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (time, rest) = text.split_once(" level=").unwrap();
        assert_eq!(rest, "debug msg=\"two words\"\n");
        assert!(time.starts_with("time=\"20") && time.ends_with("Z\""), "{time}");
    }

    #[test]
    fn people_get_a_line_a_cause() {
        let failure =
            Failure { context: None, error: &outer(), hint: Some("look there"), bare: false };
        assert_eq!(
            failure.to_string(),
            "error: cannot read `/b/config.json`\ncaused by: Permission denied (os error 13)\n\
             hint: look there\n"
        );
    }

    #[test]
    fn an_unusable_log_file_is_an_error() {
        let options = LogOptions { file: Some("/".into()), ..LogOptions::default() };
        assert_eq!(Log::open(&options).unwrap_err().to_string(), "cannot open the log file `/`");
    }
}
