//! Unpacking one large layer of real files, beside umoci and skopeo.
//!
//! Each run has a fresh ext4 on a loop device, because deleting and making 80,000 files on a used
//! one costs as much again. CPU seconds (user and system, all threads) repeat within a few per
//! cent on a busy machine; wall time does not.
//!
//! `cargo bench -p imgmgr --bench unpack [-- ROUNDS]` as root. `IMGMGR_BENCH_LAYER` names a
//! gzip-compressed layer; without it one is made of `/usr`. `IMGMGR_BENCH_DIR` has the room.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first thing that goes wrong, and prints"
)]

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgmgr::digest::{Algorithm, Hasher};
use imgmgr::layer::tar::{EntryKind, TarReader};
use imgmgr::layer::{Cancel, Durability, LayerDescriptor, LayerForm, UnpackOptions, Unpacker};

const ENTRIES: usize = 80_279;
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("child") => child(&args[2], Path::new(&args[3]), Path::new(&args[4])),
        // `cargo test --benches` and `cargo bench` pass flags of the usual harness.
        Some("--test") => {}
        rounds => measure(rounds.and_then(|text| text.parse().ok()).unwrap_or(1)),
    }
}

/// Makes the command of a run for the mounted file system.
type MakeCommand<'m> = &'m dyn Fn(&Path) -> Command;

/// What one run took.
struct Cost {
    cpu: Duration,
    wall: Duration,
    peak_kib: Option<u64>,
}

fn measure(rounds: u32) {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root for a loop mount");
        return;
    }
    let room = std::env::var_os("IMGMGR_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let room = tempfile::tempdir_in(room).unwrap();
    let layer = match std::env::var_os("IMGMGR_BENCH_LAYER") {
        Some(layer) => PathBuf::from(layer),
        None => make_layer(room.path()),
    };
    let layout = room.path().join("layout");
    write_layout(&layer, &layout);
    let me = std::env::current_exe().unwrap();
    let ours = |how: &str, at: &Path| {
        let mut command = Command::new(&me);
        command.arg("child").arg(how).arg(&layout).arg(at.join("out"));
        command
    };
    let mut best: Vec<(String, Vec<Cost>)> = Vec::new();
    for _ in 0..rounds {
        let runs: [(&str, MakeCommand<'_>); 6] = [
            ("no store: inflate, hash, write", &|at| ours("probe", at)),
            ("imgmgr, flat, durable", &|at| ours("flat", at)),
            ("imgmgr, layer, durable", &|at| ours("layer", at)),
            ("imgmgr, layer, --no-sync", &|at| ours("no-sync", at)),
            ("umoci raw unpack", &|at| {
                let mut command = Command::new("umoci");
                let image = format!("{}:latest", layout.display());
                command.args(["raw", "unpack", "--image", &image]).arg(at.join("out"));
                command
            }),
            ("skopeo to containers-storage", &|at| {
                let mut command = Command::new("skopeo");
                let from = format!("oci:{}:latest", layout.display());
                let (root, run) = (at.join("root"), at.join("run"));
                let to = format!(
                    "containers-storage:[overlay@{}+{}]bench:latest",
                    root.display(),
                    run.display()
                );
                command.args(["--insecure-policy", "copy", "-q", &from, &to]);
                command
            }),
        ];
        for (name, run) in runs {
            let Some(cost) = on_fresh_ext4(room.path(), run) else { continue };
            println!(
                "{name:32} {:6.1} s CPU {:6.1} s wall {}",
                cost.cpu.as_secs_f64(),
                cost.wall.as_secs_f64(),
                peak(&cost)
            );
            match best.iter_mut().find(|(known, _)| known == name) {
                Some((_, costs)) => costs.push(cost),
                None => best.push((name.to_owned(), vec![cost])),
            }
        }
    }
    let least = |name: &str| {
        let costs = &best.iter().find(|(known, _)| known.starts_with(name))?.1;
        costs.iter().map(|cost| cost.cpu.as_secs_f64()).min_by(f64::total_cmp)
    };
    for (what, ours, theirs, aim) in [
        ("CPU of umoci", "imgmgr, flat", "umoci", 0.4),
        ("CPU of skopeo", "imgmgr, layer, durable", "skopeo", 0.35),
        ("CPU without a store", "imgmgr, layer, durable", "no store", 1.25),
    ] {
        if let (Some(ours), Some(theirs)) = (least(ours), least(theirs)) {
            println!("{:.2} x the {what} (aim: at most {aim})", ours / theirs);
        }
    }
}

fn peak(cost: &Cost) -> String {
    cost.peak_kib.map_or(String::new(), |kib| format!("{:6.1} MiB peak", kib as f64 / 1024.0))
}

/// Makes the file system, runs, measures until the data is on the disk, and removes it.
fn on_fresh_ext4(room: &Path, command: &dyn Fn(&Path) -> Command) -> Option<Cost> {
    let (image, at) = (room.join("ext4.img"), room.join("mnt"));
    let run = |program: &str, args: &[&str]| {
        assert!(Command::new(program).args(args).status().unwrap().success(), "{program}");
    };
    let _ = fs::remove_file(&image);
    File::create(&image).unwrap().set_len(14 << 30).unwrap();
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    fs::create_dir_all(&at).unwrap();
    run("mount", &["-o", "loop,noatime", image.to_str().unwrap(), at.to_str().unwrap()]);
    let (before, start) = (children_cpu(), Instant::now());
    let mut command = command(&at);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let cost = child.ok().and_then(|child| {
        let out = child.wait_with_output().unwrap();
        let (cpu, wall) = (children_cpu().checked_sub(before).unwrap(), start.elapsed());
        let peak_kib = String::from_utf8_lossy(&out.stdout).trim().parse().ok();
        out.status.success().then_some(Cost { cpu, wall, peak_kib })
    });
    // containers-storage leaves a mount of its own behind.
    let _ = Command::new("umount").arg(at.join("root/overlay")).stderr(Stdio::null()).status();
    run("umount", &[at.to_str().unwrap()]);
    cost
}

/// User and system time of all children waited for, in the kernel's ticks of 10 ms.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn make_layer(room: &Path) -> PathBuf {
    let script = format!(
        "cd / && find usr -xdev -size +12M -prune -o -print0 | sort -z | head -z -n {ENTRIES} \
         | tar --null --no-recursion --xattrs -T - -c | gzip -6"
    );
    let path = room.join("layer.tar.gz");
    let out = File::create(&path).unwrap();
    assert!(Command::new("sh").args(["-c", &script]).stdout(out).status().unwrap().success());
    path
}

/// An OCI image layout of one image of one layer.
fn write_layout(layer: &Path, layout: &Path) {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |media: &str, bytes: &[u8]| {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        let digest = hasher.finish();
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        format!(r#"{{"mediaType":"{media}","digest":"{digest}","size":{}}}"#, bytes.len())
    };
    let digest = hash(&mut File::open(layer).unwrap());
    let diff_id =
        hash(&mut flate2::bufread::MultiGzDecoder::new(BufReader::new(File::open(layer).unwrap())));
    let blob = blobs.join(digest.hex());
    if fs::hard_link(layer, &blob).is_err() {
        fs::copy(layer, &blob).unwrap();
    }
    let size = fs::metadata(layer).unwrap().len();
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#).as_bytes(),
    );
    let manifest = put(
        "application/vnd.oci.image.manifest.v1+json",
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{{"mediaType":"{LAYER}","digest":"{digest}","size":{size}}}]}}"#).as_bytes(),
    );
    let named = manifest.replace(
        "\"size\"",
        "\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"},\"size\"",
    );
    fs::write(layout.join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{named}]}}"#))
        .unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(layout.join("layer"), format!("{digest} {size} {diff_id}")).unwrap();
}

fn hash(from: &mut dyn Read) -> imgmgr::digest::Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => return hasher.finish(),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// One measured run of ours; prints its peak memory in KiB.
fn child(how: &str, layout: &Path, out: &Path) {
    let text = fs::read_to_string(layout.join("layer")).unwrap();
    let words: Vec<_> = text.split(' ').collect();
    let layer = LayerDescriptor {
        media_type: LAYER.to_owned(),
        digest: words[0].parse().unwrap(),
        size: words[1].parse().unwrap(),
        diff_id: Some(words[2].parse().unwrap()),
    };
    let source = File::open(layout.join("blobs/sha256").join(layer.digest.hex())).unwrap();
    fs::create_dir(out).unwrap();
    if how == "probe" {
        probe(source, out);
    } else {
        let options = UnpackOptions {
            form: if how == "flat" { LayerForm::Flat } else { LayerForm::Overlay },
            durability: if how == "no-sync" { Durability::NoSync } else { Durability::Durable },
            ..UnpackOptions::default()
        };
        let dir = File::open(out).unwrap();
        let cancel = Cancel::default();
        Unpacker::new(options).unpack(source, &layer, dir.as_fd(), &cancel).unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

/// Inflates, hashes and writes the same tree with the standard library, on one thread.
fn probe(source: File, out: &Path) {
    struct Hashed<R>(R, Hasher);
    impl<R: Read> Read for Hashed<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.read(buffer)?;
            self.1.update(&buffer[..n]);
            Ok(n)
        }
    }
    let compressed =
        BufReader::with_capacity(1 << 17, Hashed(source, Hasher::new(Algorithm::Sha256)));
    let tar =
        Hashed(flate2::bufread::MultiGzDecoder::new(compressed), Hasher::new(Algorithm::Sha256));
    let mut reader = TarReader::new(BufReader::with_capacity(1 << 18, tar), u64::MAX);
    while let Some(entry) = reader.next_entry().unwrap() {
        let path = out.join(String::from_utf8_lossy(&entry.path).trim_start_matches('/'));
        match entry.kind {
            EntryKind::Directory => fs::create_dir_all(&path).unwrap(),
            EntryKind::Symlink => {
                let target = String::from_utf8_lossy(&entry.link).into_owned();
                std::os::unix::fs::symlink(target, &path).unwrap();
            }
            EntryKind::Regular => {
                let mut file = File::create(&path).unwrap();
                loop {
                    let n = {
                        let run = reader.data().unwrap();
                        file.write_all(run).unwrap();
                        run.len()
                    };
                    if n == 0 {
                        break;
                    }
                    reader.consume(n);
                }
            }
            _ => {}
        }
    }
    reader.drain().unwrap();
}
