//! The rows of the table: what each tool does, and what must come of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::containerd::Containerd;
use crate::cost::{Cost, Moved, cost_of, prepare};
use crate::disk::FreshDisk;
use crate::image::{self, Made, NAMES, Size};
use crate::killed::killed_and_again;
use crate::registry::Registry;
use crate::wire::{Way, Wire};

/// Images of the row about lists.
const LISTED: usize = 1000;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aspect {
    Wall,
    Cpu,
}

/// A promise about imgmgr.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At most this many times what that tool needs.
    Ratio(Aspect, &'static str, f64),
    /// At most so many seconds.
    Seconds(f64),
    /// At most so many per cent of the bytes that the row is about.
    Share(f64),
    /// So many layers are unpacked.
    Unpacked(usize),
}

/// One line of the table: each tool and its runs, imgmgr first.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) tools: Vec<(&'static str, Vec<Cost>)>,
    pub(crate) targets: &'static [Target],
}

/// All that a run needs.
pub(crate) struct Lab {
    work: PathBuf,
    imgmgr: PathBuf,
    layout: PathBuf,
    registry: Registry,
    disk_bytes: u64,
    rounds: usize,
    layers: usize,
    made: Made,
}

type Run = fn(&Lab, &FreshDisk) -> Result<Cost>;

struct Plan {
    name: &'static str,
    what: &'static str,
    tools: &'static [(&'static str, Run)],
    targets: &'static [Target],
}

use Aspect::{Cpu, Wall};
use Target::{Ratio, Seconds, Share, Unpacked};

const PLANS: [Plan; 16] = [
    Plan {
        name: "unpack",
        what: "unpack to a bundle, gzip",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.store(disk, NAMES[0])?;
                lab.imgmgr(disk, &["unpack", "img", &disk.path("bundle")])
            }),
            ("umoci", |lab, disk| {
                let image = format!("{}:{}", lab.layout.display(), NAMES[0]);
                words(&["umoci", "unpack", "--image", &image, &disk.path("bundle")])
            }),
            ("skopeo", |lab, disk| {
                let (root, run) = (disk.path("root"), disk.path("run"));
                let to = format!("containers-storage:[overlay@{root}+{run}]bench:latest");
                lab.skopeo(&[&lab.oci(NAMES[0]), &to])
            }),
        ],
        targets: &[Ratio(Cpu, "umoci", 0.4), Ratio(Cpu, "skopeo", 0.35)],
    },
    Plan {
        name: "pull gzip",
        what: "pull and unpack, gzip",
        tools: &[
            ("imgmgr", |lab, disk| lab.pull(disk, NAMES[0])),
            ("containerd", |lab, disk| lab.containerd(disk, NAMES[0])),
            ("podman", |lab, disk| lab.podman(disk, NAMES[0])),
        ],
        targets: &[Ratio(Wall, "containerd", 0.45), Ratio(Wall, "podman", 0.25)],
    },
    Plan {
        name: "pull zstd",
        what: "pull and unpack, zstd",
        tools: &[
            ("imgmgr", |lab, disk| lab.pull(disk, NAMES[2])),
            ("containerd", |lab, disk| lab.containerd(disk, NAMES[2])),
            ("podman", |lab, disk| lab.podman(disk, NAMES[2])),
        ],
        targets: &[Ratio(Wall, "containerd", 0.45), Ratio(Wall, "podman", 0.25)],
    },
    Plan {
        name: "again",
        what: "pull of an image that is there",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.pull(disk, NAMES[0])?;
                lab.pull(disk, NAMES[0])
            }),
            ("skopeo", |lab, disk| {
                let (from, to) = (lab.docker(NAMES[0]), format!("oci:{}:x", disk.path("l")));
                lab.skopeo(&["--src-tls-verify=false", &from, &to])?;
                lab.skopeo(&["--src-tls-verify=false", &from, &to])
            }),
        ],
        targets: &[Ratio(Wall, "skopeo", 0.3)],
    },
    Plan {
        name: "sibling",
        what: "pull and unpack of an image that shares all layers but one",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.pull(disk, NAMES[0])?;
                lab.pull(disk, NAMES[1])
            }),
            ("containerd", |lab, disk| {
                let daemon = Containerd::start(&disk.path("c"))?;
                daemon.pull(&lab.reference(NAMES[0]))?;
                daemon.pull(&lab.reference(NAMES[1]))
            }),
        ],
        targets: &[],
    },
    Plan {
        name: "sibling bytes",
        what: "what moves then, beside that layer's bytes",
        tools: &[("imgmgr", |lab, disk| {
            let wire = Wire::before(&lab.registry.host)?;
            let pull = |name| {
                let image = format!("{}/bench/{name}:1", wire.host);
                lab.imgmgr(disk, &["pull", "--unpack", &image])
            };
            pull(NAMES[0])?;
            let before = unpacked(disk)?;
            wire.take(Way::ToClient);
            let cost = pull(NAMES[1])?;
            let moved = Moved { bytes: wire.take(Way::ToClient), of: lab.made.sibling_bytes };
            let layers = unpacked(disk)?.difference(&before).count();
            Ok(Cost { moved: Some(moved), unpacked: Some(layers), ..cost })
        })],
        targets: &[Share(105.0), Unpacked(1)],
    },
    Plan {
        name: "killed pull",
        what: "pull and unpack, killed at 90 % and run again",
        tools: &[("imgmgr", |lab, disk| {
            let wire = Wire::before(&lab.registry.host)?;
            let image = format!("{}/bench/{}:1", wire.host, NAMES[0]);
            let pull = lab.words(disk, &["--progress", "json", "pull", "--unpack", &image]);
            killed_and_again(&pull, &wire, Way::ToClient, lab.made.bytes)
        })],
        targets: &[Share(10.5)],
    },
    Plan {
        name: "killed push",
        what: "push, killed at 90 % and run again",
        tools: &[("imgmgr", |lab, disk| {
            lab.store(disk, NAMES[0])?;
            let registry = Registry::start(&PathBuf::from(disk.path("")))?;
            let wire = Wire::before(&registry.host)?;
            let push = lab.words(disk, &["push", "img", &format!("{}/img:1", wire.host)]);
            killed_and_again(&push, &wire, Way::ToRegistry, lab.made.bytes)
        })],
        targets: &[Share(10.5)],
    },
    Plan {
        name: "push",
        what: "push",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.store(disk, NAMES[0])?;
                let registry = Registry::start(&PathBuf::from(disk.path("")))?;
                lab.imgmgr(disk, &["push", "img", &format!("{}/img:1", registry.host)])
            }),
            // To a registry of its own: skopeo remembers across runs which registry has a layer.
            ("skopeo", |lab, disk| {
                let registry = Registry::start(&PathBuf::from(disk.path("")))?;
                let to = format!("docker://{}/img:1", registry.host);
                lab.skopeo(&["--dest-tls-verify=false", &lab.oci(NAMES[0]), &to])
            }),
        ],
        targets: &[Ratio(Wall, "skopeo", 0.6)],
    },
    Plan {
        name: "copy",
        what: "copy to `oci:`",
        tools: &[
            ("imgmgr", |lab, disk| {
                let to = format!("oci:{}:x", disk.path("l"));
                lab.imgmgr(disk, &["copy", &lab.oci(NAMES[0]), &to])
            }),
            ("skopeo", |lab, disk| {
                lab.skopeo(&[&lab.oci(NAMES[0]), &format!("oci:{}:x", disk.path("l"))])
            }),
        ],
        targets: &[Ratio(Wall, "skopeo", 0.7)],
    },
    Plan {
        name: "convert",
        what: "conversion of gzip layers to zstd",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.store(disk, NAMES[0])?;
                lab.imgmgr(disk, &["convert", "img", "--compress", "zstd", "--tag", "zstd"])
            }),
            ("skopeo", |lab, disk| {
                let to = format!("oci:{}:x", disk.path("l"));
                lab.skopeo(&["--dest-compress-format=zstd", &lab.oci(NAMES[0]), &to])
            }),
        ],
        targets: &[Ratio(Wall, "skopeo", 0.7)],
    },
    Plan {
        name: "save",
        what: "save to a docker archive",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.store(disk, NAMES[0])?;
                lab.imgmgr(disk, &["save", "--output", &disk.path("a.tar"), "img"])
            }),
            ("skopeo", |lab, disk| {
                let to = format!("docker-archive:{}:img:1", disk.path("a.tar"));
                lab.skopeo(&[&lab.oci(NAMES[0]), &to])
            }),
        ],
        targets: &[Ratio(Wall, "skopeo", 0.7)],
    },
    Plan {
        name: "load",
        what: "load of a docker archive",
        tools: &[
            ("imgmgr", |lab, disk| {
                lab.archive(disk)?;
                lab.imgmgr(disk, &["load", "--input", &disk.path("a.tar")])
            }),
            ("skopeo", |lab, disk| {
                lab.archive(disk)?;
                let from = format!("docker-archive:{}", disk.path("a.tar"));
                lab.skopeo(&[&from, &format!("oci:{}:x", disk.path("l"))])
            }),
        ],
        targets: &[Ratio(Wall, "skopeo", 0.7)],
    },
    Plan {
        name: "mount",
        what: "snapshot of all layers, mounted",
        tools: &[("imgmgr", |lab, disk| {
            lab.store(disk, NAMES[0])?;
            let at = disk.path("mnt");
            std::fs::create_dir_all(&at)?;
            lab.imgmgr(disk, &["mount", "img", &at])?;
            lab.imgmgr(disk, &["umount", &at])?;
            lab.imgmgr(disk, &["mount", "img", &at])
        })],
        targets: &[Seconds(0.005)],
    },
    Plan {
        name: "list",
        what: "`list` with 1,000 images",
        tools: &[("imgmgr", |lab, disk| {
            lab.store(disk, NAMES[0])?;
            let names: Vec<String> = (1..LISTED).map(|n| format!("r.io/image{n}:1")).collect();
            let names = names.iter().map(String::as_str);
            lab.imgmgr(disk, &["tag", "img"].into_iter().chain(names).collect::<Vec<_>>())?;
            lab.imgmgr(disk, &["list"])
        })],
        targets: &[Seconds(0.010)],
    },
    Plan {
        name: "durability",
        what: "pull and unpack, durable, beside `--no-sync`",
        tools: &[
            ("imgmgr", |lab, disk| lab.pull(disk, NAMES[0])),
            ("no-sync", |lab, disk| {
                lab.imgmgr(disk, &["--no-sync", "pull", "--unpack", &lab.reference(NAMES[0])])
            }),
        ],
        targets: &[Ratio(Wall, "no-sync", 1.1)],
    },
];

fn words(words: &[&str]) -> Result<Cost> {
    cost_of(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// The unpacked layers of imgmgr's store: their names, and what tells one from its successor.
fn unpacked(disk: &FreshDisk) -> Result<BTreeSet<(OsString, u64)>> {
    let mut layers = BTreeSet::new();
    for entry in std::fs::read_dir(disk.path("data/images/x-imgmgr/layers"))? {
        let entry = entry?;
        if entry.path().join("tree").exists() {
            layers.insert((entry.file_name(), entry.metadata()?.ino()));
        }
    }
    Ok(layers)
}

impl Lab {
    /// Makes the images, starts the registry and fills it.
    pub(crate) fn prepare(
        work: &Path,
        imgmgr: PathBuf,
        size: &Size,
        rounds: usize,
    ) -> Result<Self> {
        let layout = work.join("layout");
        let made = image::make(&layout, size).context("making the image")?;
        let registry = Registry::start(work)?;
        let (work, disk_bytes, layers) = (work.to_owned(), size.disk_bytes, size.layers);
        let lab = Self { work, imgmgr, layout, registry, disk_bytes, rounds, layers, made };
        for name in NAMES.iter().filter(|name| made.has_zstd || **name != NAMES[2]) {
            lab.skopeo(&["--dest-tls-verify=false", &lab.oci(name), &lab.docker(name)])?;
        }
        Ok(lab)
    }

    pub(crate) fn describe(&self) -> String {
        let (layers, megabytes, rounds) = (self.layers, self.made.bytes / 1_000_000, self.rounds);
        format!("An image of {layers} layers, {megabytes} MB in gzip; medians of {rounds} rounds.")
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/bench/{name}:1", self.registry.host)
    }

    fn docker(&self, name: &str) -> String {
        format!("docker://{}", self.reference(name))
    }

    fn oci(&self, name: &str) -> String {
        format!("oci:{}:{name}", self.layout.display())
    }

    /// The words of an imgmgr whose data is on the disk.
    fn words(&self, disk: &FreshDisk, args: &[&str]) -> Vec<String> {
        let (program, root) = (self.imgmgr.display().to_string(), disk.path("data"));
        let fixed = [program.as_str(), "--root", &root, "--tls-verify=false"];
        fixed.iter().chain(args).map(ToString::to_string).collect()
    }

    fn imgmgr(&self, disk: &FreshDisk, args: &[&str]) -> Result<Cost> {
        cost_of(&self.words(disk, args))
    }

    fn skopeo(&self, args: &[&str]) -> Result<Cost> {
        let mut all = vec!["skopeo", "--insecure-policy", "copy", "-q"];
        all.extend(args);
        words(&all)
    }

    /// Puts an image into imgmgr's store under the name `img`.
    fn store(&self, disk: &FreshDisk, name: &str) -> Result<()> {
        self.imgmgr(disk, &["copy", &self.oci(name), "img"]).map(drop)
    }

    fn pull(&self, disk: &FreshDisk, name: &str) -> Result<Cost> {
        self.imgmgr(disk, &["pull", "--unpack", &self.reference(name)])
    }

    fn containerd(&self, disk: &FreshDisk, name: &str) -> Result<Cost> {
        Containerd::start(&disk.path("c"))?.pull(&self.reference(name))
    }

    fn podman(&self, disk: &FreshDisk, name: &str) -> Result<Cost> {
        let (root, run, image) = (disk.path("root"), disk.path("run"), self.reference(name));
        let place = ["podman", "--root", &root, "--runroot", &run];
        words(&[&place[..], &["pull", "-q", "--tls-verify=false", &image]].concat())
    }

    /// A docker archive on the disk.
    fn archive(&self, disk: &FreshDisk) -> Result<()> {
        let to = format!("docker-archive:{}:img:1", disk.path("a.tar"));
        let all = ["skopeo", "--insecure-policy", "copy", "-q", &self.oci(NAMES[0]), &to];
        prepare(&all.map(str::to_owned))
    }
}

/// Measures the rows whose name contains `only`.
pub(crate) fn measure(lab: &Lab, only: &str) -> Result<Vec<Row>> {
    let wanted = PLANS.iter().filter(|plan| plan.name.contains(only));
    let possible = wanted.filter(|plan| lab.made.has_zstd || !plan.name.contains("zstd"));
    possible.map(|plan| row(lab, plan)).collect()
}

/// Fails if no row's name contains `only`.
pub(crate) fn check(only: &str) -> Result<()> {
    let names: Vec<_> = PLANS.iter().map(|plan| plan.name).collect();
    let is_known = names.iter().any(|name| name.contains(only));
    ensure!(is_known, "no row's name contains `{only}`; there are: {}", names.join(", "));
    Ok(())
}

fn row(lab: &Lab, plan: &Plan) -> Result<Row> {
    let mut tools: Vec<(&str, Vec<Cost>)> =
        plan.tools.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for round in 0..lab.rounds {
        for ((name, run), (_, costs)) in plan.tools.iter().zip(&mut tools) {
            let disk = FreshDisk::make(&lab.work, lab.disk_bytes)?;
            let cost = run(lab, &disk).with_context(|| format!("{name}: {}", plan.what))?;
            costs.push(cost);
            let _ = writeln!(
                io::stderr(),
                "{}, round {round}: {name} {:.2} s, {:.2} s CPU, {:.0} MiB",
                plan.what,
                cost.wall,
                cost.cpu,
                cost.peak
            );
        }
    }
    Ok(Row { what: plan.what, tools, targets: plan.targets })
}
