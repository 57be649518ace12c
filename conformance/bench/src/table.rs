//! The table as a person reads it.

use crate::rows::{Row, Target};
use crate::runtime::Runtime;

/// Renders the rows as a markdown table: medians, minima in brackets, ratios, and whether the targets are met.
pub(crate) fn markdown(runtimes: &[Runtime], rows: &[Row]) -> String {
    let names: Vec<&str> = runtimes.iter().map(|runtime| runtime.name.as_str()).collect();
    let mut text = format!("| what | {} | ratio | must be | |\n", names.join(" | "));
    text.push_str(&format!("|---|{}---|---|---|\n", "---|".repeat(names.len())));
    for row in rows {
        let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
        let values: Vec<String> = row.values.iter().map(|value| cell(*value)).collect();
        let ratios = ratios(row, &names);
        let (targets, met) = verdict(row, &names);
        text.push_str(&format!(
            "| {}{unit} | {} | {ratios} | {targets} | {met} |\n",
            row.what,
            values.join(" | ")
        ));
    }
    text
}

fn cell((median, min): (f64, f64)) -> String {
    let digits = if median >= 100.0 { 0 } else { 2 };
    if (median - min).abs() < f64::EPSILON {
        format!("{median:.digits$}")
    } else {
        format!("{median:.digits$} ({min:.digits$})")
    }
}

/// How the first runtime compares with each peer.
fn ratios(row: &Row, names: &[&str]) -> String {
    let peers = names.iter().zip(&row.values).skip(1);
    let ratios = peers.map(|(name, value)| format!("{:.2} x {name}", row.values[0].0 / value.0));
    ratios.collect::<Vec<_>>().join(", ")
}

fn verdict(row: &Row, names: &[&str]) -> (String, &'static str) {
    let value = row.values[0].0;
    let mut words = Vec::new();
    let mut met = true;
    for target in &row.targets {
        match *target {
            Target::AtMost(limit) => {
                words.push(format!("<= {limit}"));
                met &= value <= limit;
            }
            Target::Ratio(peer, limit) => {
                let Some(at) = names.iter().position(|name| *name == peer) else { continue };
                words.push(format!("<= {limit} x {peer}"));
                met &= value <= limit * row.values[at].0;
            }
        }
    }
    let verdict = match (words.is_empty(), met) {
        (true, _) => "",
        (false, true) => "met",
        (false, false) => "**missed**",
    };
    (words.join(", "), verdict)
}
