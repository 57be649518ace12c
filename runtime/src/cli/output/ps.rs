//! `runt ps`: the host's ps(1), reduced to the processes of a container.

use std::io;
use std::process::{Command, Output};

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum PsError {
    /// No such program.
    #[error("cannot run `ps`")]
    Run(#[from] io::Error),
    /// It did not like its options.
    #[error("`ps` failed with {status}: {}", message.trim_end())]
    Failed {
        /// As of wait(2).
        status: std::process::ExitStatus,
        /// What it printed.
        message: String,
    },
    /// The options leave out the column that tells processes apart.
    #[error("couldn't find PID field in ps output")]
    NoPidColumn,
    /// A line without a process id where the title says.
    #[error("unable to parse pid in ps output: `{line}`")]
    BadLine {
        /// As printed.
        line: String,
    },
}

/// Runs ps(1) with `options`, `-ef` where there are none, and keeps the lines about `pids`.
///
/// # Errors
/// See [`PsError`].
pub(in super::super) fn table(pids: &[i32], options: &[String]) -> Result<String, PsError> {
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() { &default } else { options };
    let Output { status, stdout, stderr } = Command::new("ps").args(options).output()?;
    if !status.success() {
        let message = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        return Err(PsError::Failed { status, message });
    }
    filter(&String::from_utf8_lossy(&stdout), pids)
}

/// A line of JSON.
pub(in super::super) fn json(pids: &[i32]) -> String {
    if pids.is_empty() {
        return "null\n".to_owned();
    }
    let numbers: Vec<String> = pids.iter().map(ToString::to_string).collect();
    format!("[{}]\n", numbers.join(","))
}

fn filter(output: &str, pids: &[i32]) -> Result<String, PsError> {
    let mut lines = output.lines();
    let titles = lines.next().unwrap_or_default();
    let column = titles.split_whitespace().position(|title| title == "PID");
    let column = column.ok_or(PsError::NoPidColumn)?;
    let mut kept = format!("{titles}\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let pid = line.split_whitespace().nth(column).and_then(|field| field.parse().ok());
        let bad_line = || PsError::BadLine { line: line.to_owned() };
        if pids.contains(&pid.ok_or_else(bad_line)?) {
            kept += line;
            kept += "\n";
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "UID   PID  CMD\nroot    1  init\nroot   42  sleep 1 PID\n";

    #[test]
    fn only_lines_of_the_container_are_kept() {
        assert_eq!(filter(OUTPUT, &[42, 7]).unwrap(), "UID   PID  CMD\nroot   42  sleep 1 PID\n");
        assert_eq!(filter(OUTPUT, &[]).unwrap(), "UID   PID  CMD\n");
    }

    #[test]
    fn output_without_pids_is_an_error() {
        assert!(matches!(filter("CMD\ninit\n", &[1]), Err(PsError::NoPidColumn)));
        assert!(matches!(filter("PID\ninit\n", &[1]), Err(PsError::BadLine { .. })));
    }

    #[test]
    fn pids_as_json() {
        assert_eq!(json(&[1, 22]), "[1,22]\n");
        assert_eq!(json(&[]), "null\n");
    }
}
