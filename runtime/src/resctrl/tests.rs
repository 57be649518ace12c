//! Plans as text; and what is written, in a directory that stands in the place of resctrl: that
//! the right files get the right text, not what a kernel makes of it.

use super::*;
use std::fs;

const ROOT: &str = "/r";

fn facts(schemata: Option<&str>) -> ResctrlFacts {
    ResctrlFacts::Mounted { root: ROOT.into(), schemata: schemata.map(str::to_owned) }
}

fn wanted(clos: Option<&str>, l3: Option<&str>) -> IntelRdt {
    let own = |text: &str| text.to_owned();
    IntelRdt { clos_id: clos.map(own), l3_cache_schema: l3.map(own), ..IntelRdt::default() }
}

/// The plan's steps, a line each, and whether the group goes with the container.
#[track_caller]
fn check(rdt: &IntelRdt, schemata: Option<&str>, is_own: bool, expected: &str) {
    let plan = plan(rdt, "c", &facts(schemata)).unwrap();
    let text: String = plan.steps.iter().map(|step| format!("{step}\n")).collect();
    assert_eq!((text.as_str(), plan.record.is_own), (expected, is_own));
}

#[track_caller]
fn check_refused(rdt: &IntelRdt, facts: &ResctrlFacts, expected: &str) {
    assert_eq!(plan(rdt, "c", facts).unwrap_err().to_string(), expected);
}

#[test]
fn a_group_of_its_own_goes_with_the_container() {
    let all = IntelRdt {
        l3_cache_schema: Some("L3:0=7f0".into()),
        mem_bw_schema: Some("MB:0=20".into()),
        schemata: vec!["L2:0=f".into(), "L3:0=1f".into()],
        monitoring: true,
        ..IntelRdt::default()
    };
    check(
        &all,
        None,
        true,
        "make resctrl group `/r/c`\n\
         write `L3:0=7f0`, `MB:0=20`, `L2:0=f`, `L3:0=1f` to the schemata of resctrl group `/r/c`\n\
         add the process to resctrl group `/r/c`\n\
         make resctrl monitoring group `/r/c/mon_groups/c`\n\
         add the process to resctrl group `/r/c/mon_groups/c`\n",
    );
    check(
        &IntelRdt::default(),
        None,
        true,
        "make resctrl group `/r/c`\nadd the process to resctrl group `/r/c`\n",
    );
    // What was there before is somebody else's.
    check(&IntelRdt::default(), Some(""), false, "add the process to resctrl group `/r/c`\n");
}

#[test]
fn a_named_group_is_made_with_its_schema_or_must_be_as_asked() {
    let schema = wanted(Some("gold"), Some("L3:0=7f0"));
    check(
        &schema,
        None,
        false,
        "make resctrl group `/r/gold`\n\
         write `L3:0=7f0` to the schemata of resctrl group `/r/gold`\n\
         add the process to resctrl group `/r/gold`\n",
    );
    check(&schema, Some("L3:0=07f0;1=1\n"), false, "add the process to resctrl group `/r/gold`\n");
    check_refused(
        &schema,
        &facts(Some("MB:0=10\nL3:0=1\n")),
        "`linux.intelRdt.l3CacheSchema` is `L3:0=7f0`, but the resctrl group `gold` has `L3:0=1`",
    );
    let bare = wanted(Some("gold"), None);
    check(&bare, Some("L3:0=1\n"), false, "add the process to resctrl group `/r/gold`\n");
    check_refused(
        &bare,
        &facts(None),
        "`linux.intelRdt.closID`: there is no resctrl group `gold`, and no schema to make one with",
    );
}

#[test]
fn the_default_class_is_the_root() {
    let monitored = IntelRdt { monitoring: true, ..wanted(Some("/"), None) };
    check(
        &monitored,
        Some("L3:0=fff\n"),
        false,
        "add the process to resctrl group `/r`\n\
         make resctrl monitoring group `/r/mon_groups/c`\n\
         add the process to resctrl group `/r/mon_groups/c`\n",
    );
}

#[test]
fn without_resctrl_it_is_refused_by_name() {
    check_refused(
        &IntelRdt::default(),
        &ResctrlFacts::Absent,
        "`linux.intelRdt` can't be honoured: no resctrl file system is mounted",
    );
}

/// A directory with what resctrl has in each group; made by hand, where the kernel would.
fn stand_in() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for group in ["", "gold", "gold/mon_groups/c", "mon_groups"] {
        let group = dir.path().join(group);
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("tasks"), "").unwrap();
        fs::write(group.join("schemata"), "L3:0=fff\n").unwrap();
    }
    dir
}

#[test]
fn processes_and_schemata_are_written_where_the_plan_says() {
    let dir = stand_in();
    let text = |path: &str| fs::read_to_string(dir.path().join(path)).unwrap();
    let rdt = wanted(Some("gold"), Some("L3:0=fff"));
    let facts = group::probe_at(dir.path().into(), &rdt, "c");
    let planned = plan(&rdt, "c", &facts).unwrap();
    make(&planned, 42).unwrap();
    assert_eq!(text("gold/tasks"), "42");
    let record =
        ResctrlRecord { monitor: Some(dir.path().join("gold/mon_groups/c")), ..planned.record };
    add_task(&record, 43).unwrap();
    assert_eq!((text("gold/tasks"), text("gold/mon_groups/c/tasks")), ("43".into(), "43".into()));
    update(&record, &[("l3", "L3:0=1"), ("mb", "MB:0=50")]).unwrap();
    assert_eq!(text("gold/schemata"), "L3:0=1\nMB:0=50\n");
    assert_eq!(text("schemata"), "L3:0=fff\n", "the root is left alone");
    let error = update(&record, &[("mem-bw-schema", "MB")]).unwrap_err().to_string();
    assert_eq!(error, "`mem-bw-schema`: `MB` is no line of a schemata file");
}

#[test]
fn what_was_made_is_taken_back_when_a_later_step_fails() {
    let dir = stand_in();
    let rdt = IntelRdt::default();
    let facts = group::probe_at(dir.path().into(), &rdt, "c");
    let planned = plan(&rdt, "c", &facts).unwrap();
    fs::create_dir_all(dir.path().join("info")).unwrap();
    fs::write(dir.path().join("info/last_cmd_status"), "out of closids\n").unwrap();
    // No kernel puts a `tasks` into the new group.
    let error = make(&planned, 42).unwrap_err().to_string();
    assert!(error.contains("last_cmd_status: out of closids"), "{error}");
    assert!(!dir.path().join("c").exists());
}

#[test]
fn only_what_goes_with_the_container_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("c")).unwrap();
    fs::create_dir_all(dir.path().join("gold/mon_groups/c")).unwrap();
    let record = |group: &str, is_own, monitor: Option<&str>| ResctrlRecord {
        root: dir.path().into(),
        group: dir.path().join(group),
        is_own,
        monitor: monitor.map(|path| dir.path().join(path)),
    };
    remove(&record("c", true, None)).unwrap();
    assert!(!dir.path().join("c").exists());
    remove(&record("c", true, None)).unwrap();
    remove(&record("gold", false, Some("gold/mon_groups/c"))).unwrap();
    assert!(!dir.path().join("gold/mon_groups/c").exists() && dir.path().join("gold").exists());
}

#[test]
fn statistics_have_the_words_of_runc() {
    let dir = stand_in();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (name, text) in [("cbm_mask", "fff\n"), ("min_cbm_bits", "2\n"), ("num_closids", "16\n")] {
        write(&format!("info/L3/{name}"), text);
    }
    write("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\n");
    write("gold/mon_groups/c/mon_data/mon_L3_00/llc_occupancy", "4096\n");
    write("gold/mon_groups/c/mon_data/mon_L3_00/mbm_total_bytes", "77\n");
    write("gold/schemata", "    MB:0=50\n    L3:0=f\n");
    let record = ResctrlRecord {
        root: dir.path().into(),
        group: dir.path().join("gold"),
        is_own: false,
        monitor: Some(dir.path().join("gold/mon_groups/c")),
    };
    assert_eq!(
        serde_json::to_value(read_stats(&record)).unwrap(),
        serde_json::json!({
            "l3_cache_info": { "cbm_mask": "fff", "min_cbm_bits": 2, "num_closids": 16 },
            "l3_cache_schema_root": "L3:0=fff",
            "l3_cache_schema": "L3:0=f",
            "schemata": ["MB:0=50", "L3:0=f"],
            "mbm_stats": [{ "mbm_total_bytes": 77 }],
            "cmt_stats": [{ "llc_occupancy": 4096 }],
        })
    );
}
