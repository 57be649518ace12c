//! Images of real files: an OCI layout with one in gzip, one in zstd, and a sibling that has
//! another last layer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// How large an image is made.
pub(crate) struct Size {
    pub(crate) layers: usize,
    pub(crate) entries_per_layer: usize,
    /// Room for everything that any tool makes of it.
    pub(crate) disk_bytes: u64,
}

impl Size {
    pub(crate) const SMALL: Self = Self { layers: 10, entries_per_layer: 800, disk_bytes: 4 << 30 };
    pub(crate) const BIG: Self = Self { layers: 30, entries_per_layer: 2676, disk_bytes: 16 << 30 };
}

/// The names of the images in the layout.
pub(crate) const NAMES: [&str; 3] = ["gzip", "sibling", "zstd"];

struct Layer {
    diff_id: String,
    gzip: Value,
    zstd: Option<Value>,
}

/// What the layout has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    /// Layers of the gzip image.
    pub(crate) bytes: u64,
    /// The layer that only its sibling has.
    pub(crate) sibling_bytes: u64,
    pub(crate) has_zstd: bool,
}

/// Makes the layout.
pub(crate) fn make(layout: &Path, size: &Size) -> Result<Made> {
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    let count = (size.layers + 1) * size.entries_per_layer;
    let find = format!(
        "cd / && find usr -xdev \\( -type f -size -2048k -o -type l \\) -print0 | sort -z \
         | head -z -n {count} | split -t '\\0' -l {} -d -a 3 - {}",
        size.entries_per_layer,
        layout.join("list-").display()
    );
    shell(&find)?;
    let lists = (0..=size.layers).map(|n| layout.join(format!("list-{n:03}")));
    let layers = lists.filter(|list| list.exists()).map(|list| make_layer(layout, &list));
    let mut layers = layers.collect::<Result<Vec<Layer>>>()?;
    ensure!(layers.len() > 2, "`/usr` has too few files");
    let last = layers.len() - 1;
    let mut manifests = vec![manifest(layout, NAMES[0], &layers[..last], |layer| &layer.gzip)?];
    let has_zstd = layers.iter().all(|layer| layer.zstd.is_some());
    if has_zstd {
        manifests.push(manifest(layout, NAMES[2], &layers[..last], |layer| {
            layer.zstd.as_ref().unwrap_or(&layer.gzip)
        })?);
    }
    let bytes_of = |layer: &Layer| layer.gzip["size"].as_u64().unwrap_or(0);
    let bytes = layers[..last].iter().map(bytes_of).sum();
    let sibling_bytes = bytes_of(&layers[last]);
    layers.swap_remove(last - 1);
    manifests.push(manifest(layout, NAMES[1], &layers, |layer| &layer.gzip)?);
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(Made { bytes, sibling_bytes, has_zstd })
}

fn make_layer(layout: &Path, list: &Path) -> Result<Layer> {
    let tar = list.with_extension("tar");
    let (list_text, tar_text) = (list.display(), tar.display());
    shell(&format!(
        "cd / && tar --null --no-recursion --xattrs -T {list_text} -cf {tar_text} && gzip -6 -k -n {tar_text}"
    ))?;
    let zstd = Command::new("zstd").args(["-q", "-3", "-k"]).arg(&tar).status();
    let zstd = match zstd {
        Ok(status) if status.success() => {
            let path = PathBuf::from(format!("{}.zst", tar.display()));
            Some(blob(layout, &path, "application/vnd.oci.image.layer.v1.tar+zstd")?)
        }
        _ => None,
    };
    let diff_id = sha256(&tar)?;
    let gzip = PathBuf::from(format!("{}.gz", tar.display()));
    let gzip = blob(layout, &gzip, "application/vnd.oci.image.layer.v1.tar+gzip")?;
    fs::remove_file(&tar)?;
    fs::remove_file(list)?;
    Ok(Layer { diff_id, gzip, zstd })
}

fn manifest<'l>(
    layout: &Path,
    name: &str,
    layers: &'l [Layer],
    form: impl Fn(&'l Layer) -> &'l Value,
) -> Result<Value> {
    let diff_ids: Vec<String> =
        layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/bin/sh"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let scratch = layout.join("scratch");
    fs::write(&scratch, config.to_string())?;
    let config = blob(layout, &scratch, "application/vnd.oci.image.config.v1+json")?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let layers: Vec<&Value> = layers.iter().map(form).collect();
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers });
    fs::write(&scratch, manifest.to_string())?;
    let mut descriptor = blob(layout, &scratch, kind)?;
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    Ok(descriptor)
}

/// Moves a file to where its digest says, and returns what points at it.
fn blob(layout: &Path, file: &Path, kind: &str) -> Result<Value> {
    let (hex, size) = (sha256(file)?, fs::metadata(file)?.len());
    fs::rename(file, layout.join("blobs/sha256").join(&hex))?;
    Ok(json!({ "mediaType": kind, "digest": format!("sha256:{hex}"), "size": size }))
}

fn sha256(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").stdin(Stdio::from(File::open(file)?)).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

fn shell(script: &str) -> Result<()> {
    let output = Command::new("bash").args(["-c", script]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
