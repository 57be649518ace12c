//! The option strings of a mount (config.md#linux-mount-options) and what each means.
//!
//! Options are read in listed order and a later one overrules an earlier one it contradicts.
//! A string that isn't in [`TABLE`] belongs to the file system.

use crate::spec::{
    FilesystemOption, MountAttributes, Propagation, PropagationKind, SuperblockFlags,
};

/// `MOUNT_ATTR_*` of mount_setattr(2).
mod attr {
    pub(super) const RDONLY: u64 = 0x01;
    pub(super) const NOSUID: u64 = 0x02;
    pub(super) const NODEV: u64 = 0x04;
    pub(super) const NOEXEC: u64 = 0x08;
    pub(super) const ATIME: u64 = 0x70;
    pub(super) const RELATIME: u64 = 0x00;
    pub(super) const NOATIME: u64 = 0x10;
    pub(super) const STRICTATIME: u64 = 0x20;
    pub(super) const NODIRATIME: u64 = 0x80;
    pub(super) const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// `MS_*` of mount(2) that belong to the superblock.
mod ms {
    pub(super) const RDONLY: u64 = 1;
    pub(super) const SYNCHRONOUS: u64 = 1 << 4;
    pub(super) const MANDLOCK: u64 = 1 << 6;
    pub(super) const DIRSYNC: u64 = 1 << 7;
    pub(super) const SILENT: u64 = 1 << 15;
    pub(super) const I_VERSION: u64 = 1 << 23;
    pub(super) const LAZYTIME: u64 = 1 << 25;
}

/// What one option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// `bind`, `rbind`.
    Bind {
        recursive: bool,
    },
    Remount,
    /// `ro`, `rw`: attribute and superblock flag.
    ReadOnly(bool),
    Set(u64),
    Clear(u64),
    /// An access time mode on or off: the bits of [`attr::ATIME`].
    Atime(u64),
    NotAtime(u64),
    Nodiratime(bool),
    SetAll(u64),
    ClearAll(u64),
    AtimeAll(u64),
    NotAtimeAll(u64),
    SetSuper(u64),
    ClearSuper(u64),
    Propagate(PropagationKind, bool),
    Idmap {
        recursive: bool,
    },
    CopyUp,
    SourceNofollow,
    DestinationNofollow,
}

use Effect::{
    Atime, AtimeAll, Bind, Clear, ClearAll, ClearSuper, Idmap, Nodiratime, NotAtime, NotAtimeAll,
    Nothing, Propagate, ReadOnly, Set, SetAll, SetSuper,
};
use PropagationKind::{Private, Shared, Slave, Unbindable};

/// Every option this runtime gives a meaning, in the order of the alphabet.
const TABLE: &[(&str, Effect)] = &[
    ("async", ClearSuper(ms::SYNCHRONOUS)),
    ("atime", NotAtime(attr::NOATIME)),
    ("bind", Bind { recursive: false }),
    ("defaults", Nothing),
    ("dest-nofollow", Effect::DestinationNofollow),
    ("dev", Clear(attr::NODEV)),
    ("diratime", Nodiratime(false)),
    ("dirsync", SetSuper(ms::DIRSYNC)),
    ("exec", Clear(attr::NOEXEC)),
    ("idmap", Idmap { recursive: false }),
    ("iversion", SetSuper(ms::I_VERSION)),
    ("lazytime", SetSuper(ms::LAZYTIME)),
    ("loud", ClearSuper(ms::SILENT)),
    ("mand", SetSuper(ms::MANDLOCK)),
    ("noatime", Atime(attr::NOATIME)),
    ("nodev", Set(attr::NODEV)),
    ("nodiratime", Nodiratime(true)),
    ("noexec", Set(attr::NOEXEC)),
    ("noiversion", ClearSuper(ms::I_VERSION)),
    ("nolazytime", ClearSuper(ms::LAZYTIME)),
    ("nomand", ClearSuper(ms::MANDLOCK)),
    ("norelatime", NotAtime(attr::RELATIME)),
    ("nostrictatime", NotAtime(attr::STRICTATIME)),
    ("nosuid", Set(attr::NOSUID)),
    ("nosymfollow", Set(attr::NOSYMFOLLOW)),
    ("private", Propagate(Private, false)),
    ("ratime", NotAtimeAll(attr::NOATIME)),
    ("rbind", Bind { recursive: true }),
    ("rdev", ClearAll(attr::NODEV)),
    ("rdiratime", ClearAll(attr::NODIRATIME)),
    ("relatime", Atime(attr::RELATIME)),
    ("remount", Effect::Remount),
    ("rexec", ClearAll(attr::NOEXEC)),
    ("ridmap", Idmap { recursive: true }),
    ("rnoatime", AtimeAll(attr::NOATIME)),
    ("rnodev", SetAll(attr::NODEV)),
    ("rnodiratime", SetAll(attr::NODIRATIME)),
    ("rnoexec", SetAll(attr::NOEXEC)),
    ("rnorelatime", NotAtimeAll(attr::RELATIME)),
    ("rnostrictatime", NotAtimeAll(attr::STRICTATIME)),
    ("rnosuid", SetAll(attr::NOSUID)),
    ("rnosymfollow", SetAll(attr::NOSYMFOLLOW)),
    ("ro", ReadOnly(true)),
    ("rprivate", Propagate(Private, true)),
    ("rrelatime", AtimeAll(attr::RELATIME)),
    ("rro", SetAll(attr::RDONLY)),
    ("rrw", ClearAll(attr::RDONLY)),
    ("rshared", Propagate(Shared, true)),
    ("rslave", Propagate(Slave, true)),
    ("rstrictatime", AtimeAll(attr::STRICTATIME)),
    ("rsuid", ClearAll(attr::NOSUID)),
    ("rsymfollow", ClearAll(attr::NOSYMFOLLOW)),
    ("runbindable", Propagate(Unbindable, true)),
    ("rw", ReadOnly(false)),
    ("shared", Propagate(Shared, false)),
    ("silent", SetSuper(ms::SILENT)),
    ("slave", Propagate(Slave, false)),
    ("src-nofollow", Effect::SourceNofollow),
    ("strictatime", Atime(attr::STRICTATIME)),
    ("suid", Clear(attr::NOSUID)),
    ("symfollow", Clear(attr::NOSYMFOLLOW)),
    ("sync", SetSuper(ms::SYNCHRONOUS)),
    ("tmpcopyup", Effect::CopyUp),
    ("unbindable", Propagate(Unbindable, false)),
];

/// The options this runtime gives a meaning, sorted: what `features` lists.
pub fn known_mount_options() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// A propagation type by its name; `None` if it isn't one.
pub(super) fn propagation(name: &str) -> Option<Propagation> {
    match lookup(name)? {
        Propagate(kind, recursive) => Some(Propagation { kind, recursive }),
        _ => None,
    }
}

fn lookup(name: &str) -> Option<Effect> {
    let index = TABLE.binary_search_by(|(word, _)| (*word).cmp(name)).ok()?;
    Some(TABLE[index].1)
}

/// The options of one mount, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MountOptions {
    /// `Some(recursive)` for `bind` and `rbind`.
    pub(super) bind: Option<bool>,
    pub(super) remount: bool,
    pub(super) attributes: MountAttributes,
    pub(super) recursive_attributes: MountAttributes,
    pub(super) superblock: SuperblockFlags,
    pub(super) propagation: Vec<Propagation>,
    /// `Some(recursive)` for `idmap` and `ridmap`.
    pub(super) idmap: Option<bool>,
    /// What stands after `idmap=` or `ridmap=`, with its place in the list.
    pub(super) id_map: Option<(usize, String)>,
    pub(super) copy_up: bool,
    pub(super) source_nofollow: bool,
    pub(super) destination_nofollow: bool,
    /// What is left for the file system, with its place in the list.
    pub(super) data: Vec<(usize, FilesystemOption)>,
    /// What is for mount(8) alone, by its place in the list.
    pub(super) for_mount8: Vec<usize>,
    /// Superblock flags that change more than the kernel's log, by their place in the list.
    pub(super) superblock_at: Vec<usize>,
}

/// The access time mode while options are read.
#[derive(Clone, Copy, Default)]
struct AtimeChoice {
    mode: Option<u64>,
    nodiratime: Option<bool>,
}

/// Decodes `options`, all of which are free of NUL bytes.
pub(super) fn parse_mount_options<'a>(options: impl Iterator<Item = &'a str>) -> MountOptions {
    let mut read = MountOptions::default();
    let mut atime = AtimeChoice::default();
    let mut atime_all = None;
    for (index, option) in options.enumerate() {
        let (name, id_map) = match option.split_once('=') {
            Some((name @ ("idmap" | "ridmap"), map)) => (name, Some(map)),
            _ => (option, None),
        };
        read.id_map = id_map.map(|map| (index, map.to_owned())).or(read.id_map);
        match lookup(name) {
            Some(effect) => read.apply(effect, index, &mut atime, &mut atime_all),
            None if is_for_mount8(option) => read.for_mount8.push(index),
            None => read.data.push((index, filesystem_option(option))),
        }
    }
    read.attributes.apply_atime(atime);
    if let Some(mode) = atime_all {
        read.recursive_attributes.set |= mode;
        read.recursive_attributes.clear |= attr::ATIME;
    }
    read
}

impl MountOptions {
    fn apply(
        &mut self,
        effect: Effect,
        index: usize,
        atime: &mut AtimeChoice,
        atime_all: &mut Option<u64>,
    ) {
        match effect {
            Nothing => {}
            Bind { recursive } => self.bind = Some(recursive),
            Effect::Remount => self.remount = true,
            ReadOnly(true) => {
                self.attributes.put(attr::RDONLY);
                self.superblock.put(ms::RDONLY);
            }
            ReadOnly(false) => {
                self.attributes.take(attr::RDONLY);
                self.superblock.take(ms::RDONLY);
            }
            Set(bits) => self.attributes.put(bits),
            Clear(bits) => self.attributes.take(bits),
            Atime(mode) => atime.mode = Some(mode),
            NotAtime(mode) => atime.mode = atime.mode.filter(|chosen| *chosen != mode),
            Nodiratime(on) => atime.nodiratime = Some(on),
            SetAll(bits) => self.recursive_attributes.put(bits),
            ClearAll(bits) => self.recursive_attributes.take(bits),
            AtimeAll(mode) => *atime_all = Some(mode),
            // Off means back to the kernel's own choice, relatime, unless another mode was asked
            // for before.
            NotAtimeAll(mode) => {
                *atime_all = atime_all.filter(|chosen| *chosen != mode).or(Some(attr::RELATIME));
            }
            SetSuper(bits) => {
                self.superblock.put(bits);
                if bits != ms::SILENT {
                    self.superblock_at.push(index);
                }
            }
            ClearSuper(bits) => self.superblock.take(bits),
            Propagate(kind, recursive) => self.propagation.push(Propagation { kind, recursive }),
            Idmap { recursive } => self.idmap = Some(recursive),
            Effect::CopyUp => self.copy_up = true,
            Effect::SourceNofollow => self.source_nofollow = true,
            Effect::DestinationNofollow => self.destination_nofollow = true,
        }
    }
}

impl MountAttributes {
    fn put(&mut self, bits: u64) {
        self.set |= bits;
        self.clear &= !bits;
    }

    fn take(&mut self, bits: u64) {
        self.clear |= bits;
        self.set &= !bits;
    }

    /// As mount(2) reads its flags: any of `noatime`, `relatime`, `strictatime` and `nodiratime`
    /// replaces what the mount had, and the mode is then relatime unless one was chosen. Taking
    /// a mode back (`atime`, `diratime`) without having chosen one leaves the mount as it is.
    fn apply_atime(&mut self, AtimeChoice { mode, nodiratime }: AtimeChoice) {
        if mode.is_some() || nodiratime == Some(true) {
            self.set |= mode.unwrap_or(attr::RELATIME);
            self.clear |= attr::ATIME;
        }
        match nodiratime {
            Some(true) => self.put(attr::NODIRATIME),
            Some(false) | None if mode.is_some() => self.take(attr::NODIRATIME),
            Some(false) | None => {}
        }
    }
}

impl SuperblockFlags {
    fn put(&mut self, bits: u64) {
        self.set |= bits;
        self.clear &= !bits;
    }

    fn take(&mut self, bits: u64) {
        self.clear |= bits;
        self.set &= !bits;
    }
}

fn filesystem_option(option: &str) -> FilesystemOption {
    match option.split_once('=') {
        Some((key, value)) => {
            FilesystemOption { key: key.to_owned(), value: Some(value.to_owned()) }
        }
        None => FilesystemOption { key: option.to_owned(), value: None },
    }
}

/// Options mount(8) keeps to itself.
fn is_for_mount8(option: &str) -> bool {
    let prefixes = ["x-", "X-", "comment="];
    let words = ["_netdev", "auto", "noauto"];
    prefixes.iter().any(|prefix| option.starts_with(prefix)) || words.contains(&option)
}
