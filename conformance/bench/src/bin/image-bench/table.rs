//! The table as a person reads it.

use crate::cost::Cost;
use crate::rows::{Aspect, Row, Target};

/// Renders the rows as a markdown table: medians, ratios, and whether the targets are met.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | imgmgr: s, CPU s, MiB | peers: s, CPU s | ratio of time, of CPU | must be | |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Some(((_, own), peers)) = row.tools.split_first() else { continue };
        let own = median(own);
        let peers: Vec<(&str, Cost)> =
            peers.iter().map(|(name, costs)| (*name, median(costs))).collect();
        let shown: Vec<String> = peers
            .iter()
            .map(|(name, cost)| format!("{name} {}, {}", seconds(cost.wall), seconds(cost.cpu)))
            .collect();
        let ratios: Vec<String> = peers
            .iter()
            .map(|(_, cost)| format!("{:.2}, {:.2}", own.wall / cost.wall, own.cpu / cost.cpu))
            .collect();
        let (targets, verdict) = verdict(row.targets, &own, &peers);
        text.push_str(&format!(
            "| {} | {}, {}, {:.0} | {} | {} | {targets} | {verdict} |\n",
            row.what,
            seconds(own.wall),
            seconds(own.cpu),
            own.peak,
            shown.join("; "),
            ratios.join("; ")
        ));
    }
    text
}

fn seconds(value: f64) -> String {
    if value < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") }
}

fn verdict(targets: &[Target], own: &Cost, peers: &[(&str, Cost)]) -> (String, &'static str) {
    let (mut words, mut met) = (Vec::new(), true);
    for target in targets {
        match *target {
            Target::Seconds(limit) => {
                words.push(format!("<= {limit} s"));
                met &= own.wall <= limit;
            }
            Target::Ratio(aspect, name, limit) => {
                let Some((_, peer)) = peers.iter().find(|(peer, _)| *peer == name) else {
                    continue;
                };
                let (what, ratio) = match aspect {
                    Aspect::Wall => ("", own.wall / peer.wall),
                    Aspect::Cpu => (" CPU", own.cpu / peer.cpu),
                };
                words.push(format!("<= {limit} x {name}{what}"));
                met &= ratio <= limit;
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

/// The median of each number by itself.
fn median(costs: &[Cost]) -> Cost {
    let of = |pick: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Cost { wall: of(|cost| cost.wall), cpu: of(|cost| cost.cpu), peak: of(|cost| cost.peak) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_by_the_median() {
        let cost = |wall| Cost { wall, cpu: wall, peak: 1.0 };
        let row = |own: [f64; 3]| Row {
            what: "x",
            tools: vec![("imgmgr", own.map(cost).to_vec()), ("skopeo", vec![cost(2.0)])],
            targets: &[Target::Ratio(Aspect::Wall, "skopeo", 0.5)],
        };
        assert!(markdown(&[row([9.0, 1.0, 0.5])]).contains("| <= 0.5 x skopeo | met |"));
        assert!(markdown(&[row([9.0, 1.1, 0.5])]).contains("**missed**"));
    }
}
