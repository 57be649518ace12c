//! criu's log, which says why something failed.

/// Lines of the log that are shown.
const MAX_LINES: usize = 12;

/// The last lines of a log that tell of an error.
#[must_use]
pub fn errors_in_log(log: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = log.lines().filter(|line| line.contains("Error")).collect();
    let first = lines.len().saturating_sub(MAX_LINES);
    lines.drain(..first);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_errors_are_shown() {
        let mut log = "(00.1) Error 0\n(00.2) fine\n".to_owned();
        for number in 1..=MAX_LINES {
            log += &format!("(00.3) Error (x.c:1): {number}\n");
        }
        let lines = errors_in_log(&log);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines[0], "(00.3) Error (x.c:1): 1");
        assert!(errors_in_log("all is well\n").is_empty());
    }
}
