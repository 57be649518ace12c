//! tar-split: what a tar has besides the contents of its files, so that whoever has these can put
//! the tar together again. One JSON object a line, as `vbatts/tar-split` reads them.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::write::Packed;

/// A file, of which only name, size and checksum are told.
const FILE: u8 = 1;
/// Bytes as they are.
const SEGMENT: u8 = 2;
/// A multiple of three, so that what is encoded in parts is the same as in one.
const ENCODED_AT_ONCE: usize = 48 << 10;

/// Writes a tar's pieces in their order.
pub(super) struct Split {
    packed: Packed,
    position: u64,
}

impl Split {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { packed: Packed::new()?, position: 0 })
    }

    /// Adds bytes that are no file's.
    pub(super) fn segment(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let start = format!(r#"{{"type":{SEGMENT},"position":{},"payload":""#, self.position);
        self.packed.write(start.as_bytes())?;
        for part in bytes.chunks(ENCODED_AT_ONCE) {
            self.packed.write(STANDARD.encode(part).as_bytes())?;
        }
        self.position += 1;
        self.packed.write(b"\"}\n")
    }

    /// Adds an entry; `content` is there if it has bytes.
    pub(super) fn file(&mut self, name: &str, content: Option<(u64, Crc64)>) -> io::Result<()> {
        let (size, checksum) = match content {
            Some((size, crc)) => (size, json!(STANDARD.encode(crc.finish().to_be_bytes()))),
            None => (0, serde_json::Value::Null),
        };
        let position = self.position;
        self.position += 1;
        let entry = json!({
            "type": FILE, "name": name, "size": size, "payload": checksum, "position": position
        });
        self.packed.write(&serde_json::to_vec(&entry)?)?;
        self.packed.write(b"\n")
    }

    /// Returns what was written, compressed, and its length before.
    pub(super) fn finish(self) -> io::Result<(Vec<u8>, u64)> {
        self.packed.finish()
    }
}

/// CRC-64 of ISO 3309, as Go's `hash/crc64` has it.
pub(super) struct Crc64(u64);

impl Crc64 {
    pub(super) fn new() -> Self {
        Self(u64::MAX)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let index = (self.0 ^ u64::from(*byte)) & 0xff;
            self.0 = TABLE[index as usize] ^ (self.0 >> 8);
        }
    }

    fn finish(&self) -> u64 {
        !self.0
    }
}

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut value, mut bit) = (index as u64, 0);
        while bit < 8 {
            value = if value & 1 == 1 { 0xd800_0000_0000_0000 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_iso_3309() {
        let mut crc = Crc64::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.finish(), 0xb909_56c7_75a4_1001);
    }
}
