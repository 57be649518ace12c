//! `runt events`: a line of JSON an event.

use serde::Serialize;

use crate::cgroup::stats::Stats;
use crate::container_id::ContainerId;
use crate::lifecycle::Event;
use crate::resctrl::ResctrlStats;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

/// runc's `data`, which also has a place for devices of the network (which it never fills).
#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    stats: &'a Stats,
    intel_rdt: &'a ResctrlStats,
    network_interfaces: Option<Empty>,
}

#[derive(Serialize)]
struct Empty {}

/// The line of an event of container `id`.
pub(in super::super) fn line(id: &ContainerId, event: &Event) -> String {
    let id = id.as_str();
    let line = match event {
        Event::Oom => Line { r#type: "oom", id, data: None },
        Event::Stats(stats) => {
            let (stats, intel_rdt) = (&stats.cgroup, &stats.resctrl);
            let data = Data { stats, intel_rdt, network_interfaces: None };
            Line { r#type: "stats", id, data: Some(data) }
        }
    };
    serde_json::to_string(&line).expect("strings, numbers and maps of them") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_as_runcs_do() {
        let id = ContainerId::parse("c").unwrap();
        assert_eq!(line(&id, &Event::Oom), "{\"type\":\"oom\",\"id\":\"c\"}\n");
        let mut stats = crate::lifecycle::Usage::default();
        stats.cgroup.pids.current = 3;
        let stats = line(&id, &Event::Stats(Box::new(stats)));
        assert!(stats.starts_with(r#"{"type":"stats","id":"c","data":{"#), "{stats}");
        let value: serde_json::Value = serde_json::from_str(&stats).unwrap();
        assert_eq!(value["data"]["pids"]["current"], 3);
        assert_eq!(value["data"]["intel_rdt"], serde_json::json!({}));
        assert!(value["data"]["network_interfaces"].is_null());
    }
}
