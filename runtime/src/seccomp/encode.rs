//! A compiled filter as bytes, for the container's state directory.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `runtbpf` and the version, 1 |
//! | 8 | flags of seccomp(2) |
//! | 4 | number of instructions |
//! | 4 | number of skipped names |
//! | 8 each | instructions: code (2), jt (1), jf (1), k (4) |
//! | 2 + n each | skipped names: length, UTF-8 |
//! | 4 | CRC-32 (IEEE) of all before it |

use kernel::seccomp::{FilterFlags, MAX_INSTRUCTIONS, SockFilter};

use super::interpret::{self, ProgramError};
use super::program::Program;

const MAGIC: [u8; 7] = *b"runtbpf";
const VERSION: u8 = 1;

/// More names than any configuration that fits its own limit has.
const MAX_NAMES: usize = 1 << 20;

/// Why bytes are not a stored filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramBytesError {
    /// Something else.
    #[error("not a stored seccomp filter")]
    Magic,
    /// Written by a later release.
    #[error("stored seccomp filter of version {0}, this program reads version {VERSION}")]
    Version(u8),
    /// Cut off, too long, or a length in it is wrong.
    #[error("stored seccomp filter is cut off or has a wrong length")]
    Length,
    /// Changed since it was written.
    #[error("stored seccomp filter does not match its checksum")]
    Checksum,
    /// Names are UTF-8.
    #[error("stored seccomp filter has a name that is not UTF-8")]
    Name,
    /// Intact, but no filter.
    #[error("stored seccomp filter is not one the kernel takes")]
    Program(#[from] ProgramError),
}

impl Program {
    /// Returns the filter as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + 8 * self.instructions.len());
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        bytes.extend(self.flags.bits().to_le_bytes());
        bytes.extend(count(self.instructions.len()).to_le_bytes());
        bytes.extend(count(self.skipped_names.len()).to_le_bytes());
        for SockFilter { code, jt, jf, k } in &self.instructions {
            bytes.extend(code.to_le_bytes());
            bytes.extend([*jt, *jf]);
            bytes.extend(k.to_le_bytes());
        }
        for name in &self.skipped_names {
            let name = name.get(..name.floor_char_boundary(u16::MAX.into())).unwrap_or_default();
            let length = u16::try_from(name.len()).expect("cut to fit");
            bytes.extend(length.to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        bytes.extend(crc32(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a filter that [`Program::to_bytes`] wrote.
    ///
    /// # Errors
    /// If it isn't exactly that, or the kernel wouldn't take the program.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramBytesError> {
        let mut reader = Reader(bytes);
        if reader.array::<7>() != Ok(MAGIC) {
            return Err(ProgramBytesError::Magic);
        }
        match reader.array()? {
            [VERSION] => {}
            [version] => return Err(ProgramBytesError::Version(version)),
        }
        let (body, sum) = bytes.split_last_chunk().ok_or(ProgramBytesError::Length)?;
        if crc32(body) != u32::from_le_bytes(*sum) {
            return Err(ProgramBytesError::Checksum);
        }
        let flags = FilterFlags::from_bits_retain(u64::from_le_bytes(reader.array()?));
        let instructions = reader.count(MAX_INSTRUCTIONS)?;
        let names = reader.count(MAX_NAMES)?;
        let instructions =
            (0..instructions).map(|_| reader.instruction()).collect::<Result<_, _>>()?;
        let skipped_names = (0..names).map(|_| reader.name()).collect::<Result<_, _>>()?;
        if reader.0.len() != sum.len() {
            return Err(ProgramBytesError::Length);
        }
        let uses_notify = flags.contains(FilterFlags::NEW_LISTENER);
        let program = Self { instructions, flags, uses_notify, skipped_names };
        interpret::check(&program.instructions)?;
        Ok(program)
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).expect("a profile fits its own limit")
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProgramBytesError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(ProgramBytesError::Length)?;
        self.0 = rest;
        Ok(*array)
    }

    fn count(&mut self, limit: usize) -> Result<usize, ProgramBytesError> {
        let count = usize::try_from(u32::from_le_bytes(self.array()?));
        count.ok().filter(|count| *count <= limit).ok_or(ProgramBytesError::Length)
    }

    fn instruction(&mut self) -> Result<SockFilter, ProgramBytesError> {
        let code = u16::from_le_bytes(self.array()?);
        let [jt, jf] = self.array()?;
        let k = u32::from_le_bytes(self.array()?);
        Ok(SockFilter { code, jt, jf, k })
    }

    fn name(&mut self) -> Result<String, ProgramBytesError> {
        let length = u16::from_le_bytes(self.array()?);
        let (name, rest) =
            self.0.split_at_checked(length.into()).ok_or(ProgramBytesError::Length)?;
        self.0 = rest;
        let name = str::from_utf8(name).map_err(|_| ProgramBytesError::Name)?;
        Ok(name.to_owned())
    }
}

/// CRC-32 as in zlib, bit by bit: a filter is a few kilobytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    })
}
