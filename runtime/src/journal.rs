//! Where the library's messages go: the caller's choice.

use std::fmt;

/// Receives messages; `()` drops them.
pub trait Journal {
    /// Takes one message.
    fn record(&self, level: Level, message: fmt::Arguments<'_>);

    /// Something a person may want to know, though all went on.
    fn warn(&self, message: fmt::Arguments<'_>) {
        self.record(Level::Warning, message);
    }

    /// A step that was taken, or a fallback that was chosen.
    fn debug(&self, message: fmt::Arguments<'_>) {
        self.record(Level::Debug, message);
    }
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For who looks for a fault.
    Debug,
    /// All goes on.
    Warning,
    /// It does not.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Debug => "debug",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

impl Journal for () {
    fn record(&self, _: Level, _: fmt::Arguments<'_>) {}
}
