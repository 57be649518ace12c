//! `user[:group]` to numbers, by the image's own user database.
//!
//! The database is read beneath the root file system's descriptor, so that a link in the image
//! never leads to the host's. A number is always an id and never a name; what is no valid id is
//! an error and never 0.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use crate::error::UserError;

/// Most bytes of `/etc/passwd` or `/etc/group` that are read.
const MAX_DATABASE_BYTES: u64 = 8 << 20;

/// Who a process is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedUser {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Further groups, sorted: those that list the user, unless a group was named.
    pub additional_gids: Vec<u32>,
    /// Home directory; `/` if the database doesn't know the user.
    pub home: String,
}

/// A line of `/etc/passwd`.
struct Account<'t> {
    name: &'t str,
    uid: u32,
    gid: u32,
    home: &'t str,
}

/// Resolves `user[:group]`, as [`resolve_user_in`], by the database beneath `rootfs`.
///
/// # Errors
/// [`UserError`].
pub fn resolve_user(text: &str, rootfs: BorrowedFd<'_>) -> Result<ResolvedUser, UserError> {
    resolve_user_in(text, &read(rootfs, "/etc/passwd")?, &read(rootfs, "/etc/group")?)
}

/// Resolves `user[:group]` by the text of `/etc/passwd` and `/etc/group`; an empty text is root.
///
/// # Errors
/// [`UserError`].
pub fn resolve_user_in(text: &str, passwd: &str, groups: &str) -> Result<ResolvedUser, UserError> {
    let (user, group) = match text.split_once(':') {
        Some((_, group)) if group.contains(':') || group.is_empty() => return Err(UserError::Form),
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let mut accounts = passwd.lines().filter_map(parse_account);
    let user = if user.is_empty() { "0" } else { user };
    let (uid, account) = match parse_id(user)? {
        Some(uid) => (uid, accounts.find(|account| account.uid == uid)),
        None => {
            let account = accounts.find(|account| account.name == user);
            let account =
                account.ok_or_else(|| UserError::UnknownUser { name: user.to_owned() })?;
            (account.uid, Some(account))
        }
    };
    let home = account.as_ref().map_or("", |account| account.home);
    let home = if home.starts_with('/') { home } else { "/" }.to_owned();
    let mut groups = groups.lines().filter_map(parse_group);
    if let Some(group) = group {
        let gid = match parse_id(group)? {
            Some(gid) => gid,
            None => groups
                .find(|(name, ..)| *name == group)
                .map(|(_, gid, _)| gid)
                .ok_or_else(|| UserError::UnknownGroup { name: group.to_owned() })?,
        };
        return Ok(ResolvedUser { uid, gid, additional_gids: Vec::new(), home });
    }
    let Some(account) = account else {
        return Ok(ResolvedUser { uid, gid: 0, additional_gids: Vec::new(), home });
    };
    let lists_user = |members: &str| members.split(',').any(|name| name == account.name);
    let listed = groups.filter(|(_, gid, members)| *gid != account.gid && lists_user(members));
    let mut additional_gids: Vec<u32> = listed.map(|(_, gid, _)| gid).collect();
    additional_gids.sort_unstable();
    additional_gids.dedup();
    Ok(ResolvedUser { uid, gid: account.gid, additional_gids, home })
}

/// `None` for a name; an error for what looks like a number and is no id.
fn parse_id(text: &str) -> Result<Option<u32>, UserError> {
    let invalid = || UserError::Id { text: text.to_owned() };
    if text.starts_with(['+', '-']) {
        return Err(invalid());
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        // `0x10`, `1e3`, `7zip`: as a name it may exist, as a number it must not be guessed.
        return if text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'x' || b == b'X') {
            Err(invalid())
        } else {
            Ok(None)
        };
    }
    // The largest number means "no id" to the kernel.
    match text.parse::<u32>() {
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        _ => Err(invalid()),
    }
}

/// `None` for a line that is no account, or one with an invalid id.
fn parse_account(line: &str) -> Option<Account<'_>> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let uid = parse_id(fields.next()?).ok()??;
    let gid = parse_id(fields.next()?).ok()??;
    let (_comment, home) = (fields.next()?, fields.next()?);
    (!name.is_empty()).then_some(Account { name, uid, gid, home })
}

/// Name, id and members.
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let gid = parse_id(fields.next()?).ok()??;
    (!name.is_empty()).then_some((name, gid, fields.next().unwrap_or("")))
}

/// Reads a database; one that isn't there is empty.
fn read(rootfs: BorrowedFd<'_>, path: &'static str) -> Result<String, UserError> {
    let failed = |source| UserError::Read { path, source };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file: OwnedFd = match openat2(rootfs, path, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(e) => return Err(failed(e)),
    };
    let stat = fstat(&file).map_err(failed)?;
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_file || size > MAX_DATABASE_BYTES {
        return Err(UserError::Database { path, limit: MAX_DATABASE_BYTES });
    }
    let mut bytes = Vec::new();
    let mut limited = std::io::Read::take(std::fs::File::from(file), MAX_DATABASE_BYTES);
    std::io::Read::read_to_end(&mut limited, &mut bytes)
        .map_err(|e| failed(Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        # not an account\n\
        web:x:33:33:web:/var/www:/bin/false\n\
        broken:x:-1:0::/:/bin/sh\n\
        big:x:4294967295:0::/:/bin/sh\n\
        7zip:x:77:78::relative:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nweb:x:33:\nlog:x:4:sys,web\nssl:x:40:web\nbad:x:0x4:web\n";

    fn resolve(text: &str) -> Result<ResolvedUser, UserError> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/passwd"), PASSWD).unwrap();
        fs::write(dir.path().join("etc/group"), GROUP).unwrap();
        resolve_user(text, fs::File::open(dir.path()).unwrap().as_fd())
    }

    fn user(uid: u32, gid: u32, additional_gids: &[u32], home: &str) -> ResolvedUser {
        ResolvedUser { uid, gid, additional_gids: additional_gids.to_vec(), home: home.to_owned() }
    }

    #[test]
    fn names_and_numbers() {
        for (text, expected) in [
            ("", user(0, 0, &[], "/root")),
            ("root", user(0, 0, &[], "/root")),
            ("web", user(33, 33, &[4, 40], "/var/www")),
            ("33", user(33, 33, &[4, 40], "/var/www")),
            ("web:log", user(33, 4, &[], "/var/www")),
            ("web:7", user(33, 7, &[], "/var/www")),
            ("1000", user(1000, 0, &[], "/")),
            ("1000:1001", user(1000, 1001, &[], "/")),
            ("4294967294", user(4_294_967_294, 0, &[], "/")),
            ("7zip", user(77, 78, &[], "/")),
        ] {
            assert_eq!(resolve(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_user_is_never_root() {
        for text in [
            "-1",
            "+0",
            "0x0",
            "0x10",
            "4294967295",
            "4294967296",
            "99999999999999999999",
            "nobody",
            "broken",
            "big",
            "web:",
            "web:x",
            "web:-1",
            "web:0x4",
            "web:bad",
            "a:b:c",
            "1:2:3",
            " 0",
            "0 ",
        ] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_to_the_hosts_database_is_not_followed_there() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::write(outside.path(), "evil:x:5:5::/:/bin/sh\n").unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("etc/passwd")).unwrap();
        let rootfs = fs::File::open(dir.path()).unwrap();
        assert!(matches!(resolve_user("evil", rootfs.as_fd()), Err(UserError::UnknownUser { .. })));
    }

    #[test]
    fn a_pipe_in_place_of_the_database_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let rootfs = fs::File::open(dir.path()).unwrap();
        let kind = FileType::Fifo;
        rustix::fs::mknodat(&rootfs, "etc/passwd", kind, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(matches!(resolve_user("root", rootfs.as_fd()), Err(UserError::Database { .. })));
    }
}
