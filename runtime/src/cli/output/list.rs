//! `runt list`.

use std::fmt::Write;

use super::state::StateReport;

/// Least width of a column.
const MIN_WIDTH: usize = 12;

/// Spaces between the longest cell of a column and the next column.
const PADDING: usize = 3;

/// One id a line.
pub(in super::super) fn ids(containers: &[StateReport]) -> String {
    containers.iter().fold(String::new(), |text, container| text + &container.id + "\n")
}

/// A line of JSON; `null` where there is no container.
pub(in super::super) fn json(containers: &[StateReport]) -> String {
    if containers.is_empty() {
        return "null\n".to_owned();
    }
    let json = serde_json::to_string(containers).expect("strings, numbers and maps of strings");
    json + "\n"
}

/// Columns, with a line of titles.
pub(in super::super) fn table(containers: &[StateReport]) -> String {
    let titles = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let cells = |c: &StateReport| {
        let (pid, status, bundle) = (c.pid.to_string(), c.status.clone(), c.bundle.clone());
        [c.id.clone(), pid, status, bundle, c.created.clone(), c.owner.clone()]
    };
    let rows: Vec<_> = std::iter::once(titles).chain(containers.iter().map(cells)).collect();
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max();
        MIN_WIDTH.max(longest.unwrap_or(0) + PADDING)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "{cell:width$}").expect("writing to a string");
        }
        text += &row[5];
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::state::example;
    use super::*;

    #[test]
    fn no_containers() {
        assert_eq!(ids(&[]), "");
        assert_eq!(json(&[]), "null\n");
        assert_eq!(
            table(&[]),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let mut long = example();
        long.id = "a-longer-name".to_owned();
        long.owner = "root".to_owned();
        let expected = "\
ID              PID         STATUS      BUNDLE      CREATED                    OWNER
c1              42          running     /b          2026-01-02T03:04:05.678Z   
a-longer-name   42          running     /b          2026-01-02T03:04:05.678Z   root
";
        assert_eq!(table(&[example(), long]), expected);
    }

    #[test]
    fn json_is_one_line() {
        let json = json(&[example(), example()]);
        assert!(json.starts_with(r#"[{"ociVersion":"1.2.0","id":"c1","pid":42,"status":"#));
        assert_eq!(json.matches('\n').count(), 1);
        assert!(json.ends_with("}]\n"));
    }
}
