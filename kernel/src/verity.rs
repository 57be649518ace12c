//! fs-verity: a file that can't change any more, whose reads fail where the disk says something else.
//!
//! Kernel: Linux 5.4 on ext4 and f2fs with the feature `verity`, Linux 5.15 on btrfs.

use std::os::fd::{AsFd, AsRawFd};

use crate::{Errno, Result, check};

/// `FS_IOC_ENABLE_VERITY`: `_IOW('f', 133, struct fsverity_enable_arg)`.
const ENABLE: libc::c_ulong = 0x4080_6685;
/// `FS_IOC_MEASURE_VERITY`: `_IOWR('f', 134, struct fsverity_digest)`.
const MEASURE: libc::c_ulong = 0xc004_6686;
/// `FS_VERITY_HASH_ALG_SHA256`.
const SHA256: u32 = 1;
const BLOCK_BYTES: u32 = 4096;

/// A digest by fs-verity: SHA-256 over blocks of 4,096 bytes, no salt. Not that of the content.
pub type Digest = [u8; 32];

/// `struct fsverity_enable_arg`.
#[repr(C)]
struct EnableArg {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    salt_size: u32,
    salt_ptr: u64,
    sig_size: u32,
    reserved1: u32,
    sig_ptr: u64,
    reserved2: [u64; 11],
}

/// `struct fsverity_digest` with room for SHA-256.
#[repr(C)]
struct MeasureArg {
    algorithm: u16,
    size: u16,
    digest: Digest,
}

/// Makes `file`, which is open for reading only, unchangeable for ever; it can still be removed.
/// One that is so already stays.
///
/// # Errors
/// `EOPNOTSUPP` or `ENOTTY` where the file system or the kernel can't, `EINVAL` where the file
/// system has blocks of less than 4,096 bytes, `ETXTBSY` if somebody has
/// it open for writing; else what the ioctl says.
#[expect(unsafe_code, reason = "neither nix nor rustix has this call")]
pub fn enable(file: impl AsFd) -> Result<()> {
    let arg = EnableArg {
        version: 1,
        hash_algorithm: SHA256,
        block_size: BLOCK_BYTES,
        salt_size: 0,
        salt_ptr: 0,
        sig_size: 0,
        reserved1: 0,
        sig_ptr: 0,
        reserved2: [0; 11],
    };
    // SAFETY: the request reads one `fsverity_enable_arg`, which `arg` is: both sizes beside null
    // pointers are 0. The descriptor is borrowed, so it is open for the duration of the call.
    let ret = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), ENABLE as _, &raw const arg) };
    match check(ret.into()) {
        Ok(_) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The digest of `file`; `None` if it has none, or one of another kind.
///
/// # Errors
/// As [`enable`].
#[expect(unsafe_code, reason = "neither nix nor rustix has this call")]
pub fn measure(file: impl AsFd) -> Result<Option<Digest>> {
    let mut arg = MeasureArg { algorithm: 0, size: 32, digest: [0; 32] };
    // SAFETY: the request writes one `fsverity_digest` and as many bytes after it as `size` says,
    // which `arg` has room for. The descriptor is borrowed, so it is open for the call.
    let ret = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), MEASURE as _, &raw mut arg) };
    match check(ret.into()) {
        Ok(_) if u32::from(arg.algorithm) == SHA256 && arg.size == 32 => Ok(Some(arg.digest)),
        Ok(_) | Err(Errno::NODATA | Errno::OVERFLOW) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Whether [`enable`] failed because there is no fs-verity where the file is, or none with blocks of
/// 4,096 bytes.
#[must_use]
pub fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sealed_says_so() {
        let file = crate::file::in_memory("verity", b"content").unwrap();
        let error = enable(&file).unwrap_err();
        assert!(is_missing(error), "{error}");
        assert!(is_missing(measure(&file).unwrap_err()));
    }
}
