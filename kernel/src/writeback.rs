//! Write-back of file data before anyone waits for it.

use std::os::fd::{AsFd, AsRawFd};

use crate::{Errno, Result, check};

/// Starts writing the dirty pages of `len` bytes from `offset` to the disk; does not wait.
///
/// Kernel: `sync_file_range(2)` with `SYNC_FILE_RANGE_WRITE`, Linux 2.6.17. It promises nothing
/// about durability: that takes an `fsync` or `syncfs` later, which then has less to do.
///
/// # Errors
/// `EINVAL` if a number exceeds the kernel's; `ESPIPE` for what is no file.
#[expect(unsafe_code, reason = "neither nix nor rustix has this call")]
pub fn start_writeback(fd: impl AsFd, offset: u64, len: u64) -> Result<()> {
    let offset = i64::try_from(offset).map_err(|_| Errno::INVAL)?;
    let len = i64::try_from(len).map_err(|_| Errno::INVAL)?;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: four integers go in and no memory of ours is touched; `fd` is borrowed, so it is
    // open for the duration of the call.
    let ret = unsafe { libc::sync_file_range(fd, offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    check(ret.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_accepted_and_a_pipe_is_not() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(start_writeback(&file, 0, 4096), Ok(()));
        assert_eq!(start_writeback(&file, u64::MAX, 1), Err(Errno::INVAL));
        let (read, _write) = std::io::pipe().unwrap();
        assert_eq!(start_writeback(&read, 0, 1), Err(Errno::SPIPE));
    }
}
