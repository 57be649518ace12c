//! The reproducible writer: ustar where it suffices, PAX records where not.

use std::io::{self, Write};

use super::{BLOCK, Entry, EntryKind, TarTime};

/// Writes entries to `output`; the same entries give the same bytes.
#[derive(Debug)]
pub struct TarWriter<W> {
    output: W,
    data_left: u64,
    padding: usize,
}

impl<W: Write> TarWriter<W> {
    /// Writes to `output`, which should be buffered.
    pub fn new(output: W) -> Self {
        Self { output, data_left: 0, padding: 0 }
    }

    /// Starts an entry. For [`EntryKind::Regular`] exactly `entry.size` bytes of
    /// [`TarWriter::data`] follow; sparse maps are written out as zeros by the caller.
    ///
    /// # Errors
    /// Those of the output; `InvalidInput` if the data of the previous entry is incomplete.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.end_data()?;
        let mut records = Vec::new();
        let header = encode_header(entry, &mut records);
        if !records.is_empty() {
            let mut extension = Entry {
                path: b"PaxHeaders/entry".to_vec(),
                size: u64::try_from(records.len()).unwrap_or(u64::MAX),
                mode: 0o644,
                ..Entry::default()
            };
            extension.kind = EntryKind::Regular;
            let mut none = Vec::new();
            let mut block = encode_header(&extension, &mut none);
            block[156] = b'x';
            set_checksum(&mut block);
            self.output.write_all(&block)?;
            self.output.write_all(&records)?;
            self.output.write_all(&[0; BLOCK][..padding(extension.size)])?;
        }
        self.output.write_all(&header)?;
        if entry.kind == EntryKind::Regular {
            self.data_left = entry.size;
            self.padding = padding(entry.size);
        }
        Ok(())
    }

    /// Appends data to the entry started last.
    ///
    /// # Errors
    /// Those of the output; `InvalidInput` if it is more than the entry's size.
    pub fn data(&mut self, data: &[u8]) -> io::Result<()> {
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let left = self.data_left.checked_sub(len);
        self.data_left = left.ok_or(io::ErrorKind::InvalidInput)?;
        self.output.write_all(data)
    }

    /// Ends the archive and returns the output.
    ///
    /// # Errors
    /// As [`TarWriter::entry`].
    pub fn finish(mut self) -> io::Result<W> {
        self.end_data()?;
        self.output.write_all(&[0; 2 * BLOCK])?;
        Ok(self.output)
    }

    fn end_data(&mut self) -> io::Result<()> {
        if self.data_left > 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let padding = std::mem::take(&mut self.padding);
        self.output.write_all(&[0; BLOCK][..padding])
    }
}

fn padding(size: u64) -> usize {
    let block = u64::try_from(BLOCK).unwrap_or(512);
    usize::try_from(size.wrapping_neg() % block).unwrap_or_default()
}

/// Returns the ustar header and appends the PAX records for what does not fit it.
fn encode_header(entry: &Entry, records: &mut Vec<u8>) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if !set_path(&mut block, &entry.path) {
        push_record(records, b"path", &entry.path);
        set_text(&mut block[0..100], &entry.path);
    }
    if entry.link.len() > 100 || !entry.link.is_ascii() {
        push_record(records, b"linkpath", &entry.link);
    }
    set_text(&mut block[157..257], &entry.link);
    set_octal(&mut block[100..108], u64::from(entry.mode & 0o7777));
    for (range, key, id) in [(108..116, &b"uid"[..], entry.uid), (116..124, b"gid", entry.gid)] {
        if !set_octal(&mut block[range], u64::from(id)) {
            push_record(records, key, id.to_string().as_bytes());
        }
    }
    let size = if entry.kind == EntryKind::Regular { entry.size } else { 0 };
    if !set_octal(&mut block[124..136], size) {
        push_record(records, b"size", size.to_string().as_bytes());
    }
    let whole = u64::try_from(entry.mtime.secs).ok().filter(|_| entry.mtime.nanos == 0);
    if !whole.is_some_and(|secs| set_octal(&mut block[136..148], secs)) {
        set_octal(
            &mut block[136..148],
            u64::try_from(entry.mtime.secs).unwrap_or(0) & 0o77_777_777_777,
        );
        push_record(records, b"mtime", format_time(entry.mtime).as_bytes());
    }
    if let Some(atime) = entry.atime {
        push_record(records, b"atime", format_time(atime).as_bytes());
    }
    for (range, key, number) in [
        (329..337, &b"SCHILY.devmajor"[..], entry.device.0),
        (337..345, b"SCHILY.devminor", entry.device.1),
    ] {
        if !set_octal(&mut block[range], u64::from(number)) {
            push_record(records, key, number.to_string().as_bytes());
        }
    }
    let mut xattrs: Vec<_> = entry.xattrs.iter().collect();
    xattrs.sort();
    for (name, value) in xattrs {
        push_record(records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    block[156] = match entry.kind {
        EntryKind::Regular => b'0',
        EntryKind::HardLink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    };
    block[257..265].copy_from_slice(b"ustar\x0000");
    set_checksum(&mut block);
    block
}

fn set_checksum(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
    set_octal(&mut block[148..155], sum);
}

/// Places a path in name and prefix; false if it needs a PAX record.
fn set_path(block: &mut [u8; BLOCK], path: &[u8]) -> bool {
    if !path.is_ascii() {
        return false;
    }
    if path.len() <= 100 {
        set_text(&mut block[0..100], path);
        return true;
    }
    let fits = |slash: &usize| {
        let name = path.len() - slash - 1;
        path[*slash] == b'/' && *slash > 0 && *slash <= 155 && (1..=100).contains(&name)
    };
    match (0..path.len()).find(fits) {
        Some(slash) => {
            set_text(&mut block[345..500], &path[..slash]);
            set_text(&mut block[0..100], &path[slash + 1..]);
            true
        }
        None => false,
    }
}

fn set_text(field: &mut [u8], text: &[u8]) {
    let n = text.len().min(field.len());
    field[..n].copy_from_slice(&text[..n]);
}

/// Writes octal digits and a NUL; false and zeros if `value` needs more digits.
fn set_octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    let fits = u32::try_from(digits * 3).is_ok_and(|bits| bits >= 64 || value >> bits == 0);
    let mut rest = if fits { value } else { 0 };
    for slot in field[..digits].iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest & 7).unwrap_or_default();
        rest >>= 3;
    }
    field[digits] = 0;
    fits
}

/// Appends `<length> <key>=<value>\n`, where the length counts itself.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    records.extend_from_slice(len.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn format_time(time: TarTime) -> String {
    match (time.secs, time.nanos) {
        (secs, 0) => secs.to_string(),
        (secs @ 0.., nanos) => trim_fraction(format!("{secs}.{nanos:09}")),
        (secs, nanos) => {
            let secs = (secs + 1).unsigned_abs();
            trim_fraction(format!("-{secs}.{:09}", 1_000_000_000 - nanos))
        }
    }
}

fn trim_fraction(text: String) -> String {
    text.trim_end_matches('0').to_owned()
}
