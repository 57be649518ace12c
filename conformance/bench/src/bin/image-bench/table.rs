//! The table as a person reads it.

use crate::cost::{Cost, Moved};
use crate::rows::{Aspect, Row, Target};

/// Renders the rows as a markdown table: medians, ratios, and whether the targets are met.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | imgmgr: s, CPU s, MiB | peers: s, CPU s | ratio of time, of CPU; of bytes | must be | |\n\
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
        let mut ratios: Vec<String> = peers
            .iter()
            .map(|(_, cost)| format!("{:.2}, {:.2}", own.wall / cost.wall, own.cpu / cost.cpu))
            .collect();
        ratios.extend(own.moved.map(|moved| format!("{:.1} % of the bytes", moved.share())));
        ratios.extend(own.unpacked.map(|layers| format!("layers unpacked: {layers}")));
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
            Target::Share(limit) => {
                words.push(format!("<= {limit} %"));
                met &= own.moved.is_some_and(|moved| moved.share() <= limit);
            }
            Target::Unpacked(layers) => {
                words.push(format!("{layers} unpacked"));
                met &= own.unpacked == Some(layers);
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

/// The median of each number by itself; of layers the most.
fn median(costs: &[Cost]) -> Cost {
    let of = |pick: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let mut moved: Vec<Moved> = costs.iter().filter_map(|cost| cost.moved).collect();
    moved.sort_by_key(|moved| moved.bytes);
    Cost {
        wall: of(|cost| cost.wall),
        cpu: of(|cost| cost.cpu),
        peak: of(|cost| cost.peak),
        moved: moved.get(moved.len() / 2).copied(),
        unpacked: costs.iter().filter_map(|cost| cost.unpacked).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_by_the_median() {
        let cost = |wall| Cost { wall, cpu: wall, peak: 1.0, ..Cost::default() };
        let row = |own: [f64; 3]| Row {
            what: "x",
            tools: vec![("imgmgr", own.map(cost).to_vec()), ("skopeo", vec![cost(2.0)])],
            targets: &[Target::Ratio(Aspect::Wall, "skopeo", 0.5)],
        };
        assert!(markdown(&[row([9.0, 1.0, 0.5])]).contains("| <= 0.5 x skopeo | met |"));
        assert!(markdown(&[row([9.0, 1.1, 0.5])]).contains("**missed**"));
    }

    #[test]
    fn what_moves_is_a_share_of_what_it_is_about() {
        let cost = |bytes, layers| Cost {
            moved: Some(Moved { bytes, of: 1000 }),
            unpacked: Some(layers),
            ..Cost::default()
        };
        let row = |costs: [Cost; 3]| Row {
            what: "x",
            tools: vec![("imgmgr", costs.to_vec())],
            targets: &[Target::Share(10.5), Target::Unpacked(1)],
        };
        let text = markdown(&[row([cost(104, 1), cost(900, 1), cost(1, 1)])]);
        assert!(text.contains("| 10.4 % of the bytes; layers unpacked: 1 |"), "{text}");
        assert!(text.contains("| <= 10.5 %, 1 unpacked | met |"), "{text}");
        assert!(markdown(&[row([cost(106, 1); 3])]).contains("**missed**"));
        assert!(markdown(&[row([cost(1, 1), cost(1, 2), cost(1, 1)])]).contains("**missed**"));
        // Nothing counted is no success.
        assert!(markdown(&[row([Cost::default(); 3])]).contains("**missed**"));
    }
}
