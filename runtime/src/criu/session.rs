//! One criu process and the conversation with it.

use super::CriuError;
use super::error::talk;
use super::mounts::RestoreMounts;
use super::wire::{Features, Kind, Notice, Request, Response, Version};
use kernel::process::{self, CloneFlags, Cloned, clone3};
use kernel::{Errno, file, unix_socket};
use prost::Message;
use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What this is tested with, and Debian's package: the oldest that is accepted.
const OLDEST: Version = Version { major: 3, minor: 17, sublevel: None };
/// Bytes of an answer.
const MAX_ANSWER: usize = 64 << 10;
/// Bytes of what criu prints that are reported.
const MAX_OUTPUT: usize = 2048;
/// Bytes of what goes wrong before criu runs.
const MAX_TROUBLE: usize = 4096;

/// How a criu process is started.
#[derive(Debug, Default)]
pub struct Launch<'a> {
    /// The cgroup it is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Descriptors that it has under the same numbers.
    pub kept: &'a [OwnedFd],
    /// For a restore: its mounts. It has the caller's standard streams then, for the container.
    pub mounts: Option<&'a RestoreMounts>,
    /// The name of its session keyring, which the processes that it restores get.
    pub keyring: Option<&'a str>,
    /// Directories that it opens for the caller: criu's working directory must be one of its own
    /// mount namespace.
    pub opens: &'a [&'a Path],
}

/// A criu process that has not been asked for anything yet.
#[derive(Debug)]
pub struct Session {
    /// Its process.
    pub pid: i32,
    pidfd: OwnedFd,
    socket: OwnedFd,
    trouble: OwnedFd,
    output: OwnedFd,
}

/// What the new process says before it is criu.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Word {
    /// All is set up; the descriptors of [`Launch::opens`] come with it.
    Ready = b'+',
    /// There is no criu.
    NotInstalled = b'?',
    /// Something else went wrong, as told after this.
    Trouble = b'-',
}

/// Why the new process could not become criu.
struct Trouble {
    word: Word,
    text: String,
}

impl Session {
    /// Makes the process, which waits for [`Session::execute`].
    ///
    /// # Errors
    /// [`CriuError::Spawn`].
    pub fn start(launch: &Launch<'_>) -> Result<Session, CriuError> {
        let failed = |errno: Errno| CriuError::Spawn(errno.into());
        let (socket, theirs) = unix_socket::message_pair().map_err(failed)?;
        let (trouble, tells) = unix_socket::message_pair().map_err(failed)?;
        let output = file::in_memory("criu", &[]).map_err(failed)?;
        let namespaces = match launch.mounts {
            Some(_) => CloneFlags::NEWNS,
            None => CloneFlags::empty(),
        };
        match clone3(namespaces, launch.cgroup).map_err(failed)? {
            Cloned::Child => {
                drop((socket, trouble));
                run_child(launch, &theirs, &tells, &output)
            }
            Cloned::Parent { pid, pidfd } => Ok(Session { pid, pidfd, socket, trouble, output }),
        }
    }

    /// Lets the process become criu. Result: the directories of [`Launch::opens`].
    ///
    /// # Errors
    /// [`CriuError::NotInstalled`], [`CriuError::Start`].
    pub fn execute(&self) -> Result<Vec<OwnedFd>, CriuError> {
        unix_socket::send(&self.trouble, &[0], &[]).map_err(talk)?;
        let mut buffer = vec![0u8; MAX_TROUBLE];
        let mut opened = Vec::new();
        loop {
            let (length, fds) = unix_socket::receive(&self.trouble, &mut buffer).map_err(talk)?;
            match buffer[..length].split_first() {
                None => return Ok(opened),
                Some((word, _)) if *word == Word::Ready as u8 => opened = fds,
                Some((word, _)) if *word == Word::NotInstalled as u8 => {
                    return Err(CriuError::NotInstalled);
                }
                Some((_, text)) => {
                    let reason = String::from_utf8_lossy(text).into_owned();
                    return Err(CriuError::Start { reason });
                }
            }
        }
    }

    /// Asks for something and answers what criu says meanwhile by `on_notice`, which gets the
    /// descriptors that came with it; an error of it ends the work and is what is returned.
    ///
    /// # Errors
    /// [`CriuError`], or that of `on_notice`.
    pub fn ask<E: From<CriuError>>(
        &self,
        request: &Request,
        mut on_notice: impl FnMut(&Notice, Vec<OwnedFd>) -> Result<(), E>,
    ) -> Result<Response, E> {
        let mut failure: Option<E> = None;
        let mut message = request.encode_to_vec();
        loop {
            let (response, fds) =
                self.exchange(&message).map_err(|e| failure.take().unwrap_or_else(|| e.into()))?;
            if response.kind != i32::from(Kind::Notify) || !response.success {
                return match failure {
                    Some(failure) => Err(failure),
                    None if response.success => Ok(response),
                    None => Err(failed(request, &response).into()),
                };
            }
            if let Some(notice) = &response.notice
                && let Err(error) = on_notice(notice, fds)
            {
                failure = Some(error);
            }
            let answer = Request {
                kind: Kind::Notify.into(),
                notify_success: Some(failure.is_none()),
                ..Request::default()
            };
            message = answer.encode_to_vec();
        }
    }

    fn exchange(&self, message: &[u8]) -> Result<(Response, Vec<OwnedFd>), CriuError> {
        match unix_socket::send(&self.socket, message, &[]) {
            Ok(()) | Err(Errno::PIPE) => {}
            Err(errno) => return Err(talk(errno)),
        }
        let mut buffer = vec![0u8; MAX_ANSWER];
        match unix_socket::receive(&self.socket, &mut buffer) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Err(CriuError::Silent { output: self.printed() }),
            Ok((length, fds)) => Ok((Response::decode(&buffer[..length])?, fds)),
            Err(errno) => Err(talk(errno)),
        }
    }

    fn printed(&self) -> String {
        let mut buffer = vec![0u8; MAX_OUTPUT];
        let read = file::rewind(&self.output)
            .and_then(|()| file::read_some(&self.output, &mut buffer))
            .unwrap_or(0);
        match String::from_utf8_lossy(&buffer[..read]).trim() {
            "" => String::new(),
            text => format!(": {text}"),
        }
    }

    /// Ends the conversation and waits for the process.
    ///
    /// # Errors
    /// [`CriuError::Talk`].
    pub fn finish(self) -> Result<process::Exit, CriuError> {
        drop(self.socket);
        process::wait_pidfd(self.pidfd.as_fd()).map_err(talk)
    }

    /// Ends the process at once.
    pub fn kill(self) {
        // It may have ended by itself.
        let _ = process::pidfd_send_signal(self.pidfd.as_fd(), 9);
        let _ = process::wait_pidfd(self.pidfd.as_fd());
    }
}

fn failed(request: &Request, response: &Response) -> CriuError {
    let deed = match Kind::try_from(request.kind) {
        Ok(Kind::Dump | Kind::PreDump) => "dump the container",
        Ok(Kind::Restore) => "restore the container",
        _ => "answer",
    };
    let mut reason = response.message.as_ref().map_or(String::new(), |m| format!(": {}", m.trim()));
    if let Some(errno) = response.errno {
        reason += &format!(": {}", kernel::error_text(Errno::from_raw_os_error(errno)));
    }
    CriuError::Failed { deed, reason }
}

fn run_child(launch: &Launch<'_>, socket: &OwnedFd, tells: &OwnedFd, output: &OwnedFd) -> ! {
    let Err(Trouble { word, text }) = become_criu(launch, socket, tells, output);
    let mut message = vec![word as u8];
    message.extend(text.bytes().take(MAX_TROUBLE - 1));
    // If nobody hears it, the maker is gone.
    let _ = unix_socket::send(tells, &message, &[]);
    process::exit_now(1)
}

fn become_criu(
    launch: &Launch<'_>,
    socket: &OwnedFd,
    tells: &OwnedFd,
    output: &OwnedFd,
) -> Result<Infallible, Trouble> {
    let trouble = |text: String| Trouble { word: Word::Trouble, text };
    let failed = |what: String| {
        move |errno: Errno| trouble(format!("{what}: {}", kernel::error_text(errno)))
    };
    let talk = || failed("cannot talk to the runtime".to_owned());
    if unix_socket::receive(tells, &mut [0; 1]).map_err(talk())?.0 == 0 {
        process::exit_now(1);
    }
    if let Some(name) = launch.keyring {
        crate::init::join_keyring(name)
            .map_err(failed("cannot make a session keyring".to_owned()))?;
    }
    if let Some(mounts) = launch.mounts {
        mounts.perform().map_err(trouble)?;
    }
    let open = |path: &&Path| {
        file::open_dir(file::CWD, *path)
            .map_err(failed(format!("cannot open `{}`", path.display())))
    };
    let opened = launch.opens.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let opened: Vec<BorrowedFd<'_>> = opened.iter().map(AsFd::as_fd).collect();
    unix_socket::send(tells, &[Word::Ready as u8], &opened).map_err(talk())?;
    for kept in launch.kept.iter().chain([socket]) {
        file::keep_across_exec(kept).map_err(failed("cannot keep a descriptor".to_owned()))?;
    }
    let mut command = Command::new("criu");
    command.arg("swrk").arg(socket.as_raw_fd().to_string());
    if launch.mounts.is_none() {
        let copy = || output.try_clone().map(Stdio::from);
        let copies = copy().and_then(|out| Ok((out, copy()?)));
        let (out, err) = copies.map_err(|error| trouble(error.to_string()))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
    }
    // It restores the signal mask, too.
    let error = command.exec();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Err(Trouble { word: Word::NotInstalled, text: String::new() })
        }
        _ => Err(trouble(error.to_string())),
    }
}

/// Asks a criu of its own a question that needs no container.
fn inquire(request: &Request) -> Result<Response, CriuError> {
    let session = Session::start(&Launch::default())?;
    let answer = session.execute().and_then(|_| session.ask(request, |_, _| Ok(())));
    match answer {
        Ok(answer) => session.finish().map(|_| answer),
        Err(error) => {
            session.kill();
            Err(error)
        }
    }
}

/// Makes sure that criu is there and new enough.
///
/// # Errors
/// [`CriuError::NotInstalled`], [`CriuError::TooOld`].
pub fn check_version() -> Result<(), CriuError> {
    let request = Request { kind: Kind::Version.into(), ..Request::default() };
    let found = inquire(&request)?.version.unwrap_or_default();
    if (found.major, found.minor) < (OLDEST.major, OLDEST.minor) {
        let text = |version: Version| format!("{}.{}", version.major, version.minor);
        return Err(CriuError::TooOld { found: text(found), wanted: text(OLDEST) });
    }
    Ok(())
}

/// Makes sure that criu and the kernel can do what `wanted` asks for.
///
/// # Errors
/// [`CriuError::MissingFeature`].
pub fn check_features(wanted: Features) -> Result<(), CriuError> {
    let request =
        Request { kind: Kind::FeatureCheck.into(), features: Some(wanted), ..Request::default() };
    let found = inquire(&request)?.features.unwrap_or_default();
    let pairs = [
        (wanted.mem_track, found.mem_track, "finding written pages (mem_dirty_track)"),
        (wanted.lazy_pages, found.lazy_pages, "lazy pages (uffd-noncoop)"),
    ];
    match pairs.into_iter().find(|(wanted, found, _)| *wanted == Some(true) && *found != Some(true))
    {
        Some((_, _, feature)) => Err(CriuError::MissingFeature { feature }),
        None => Ok(()),
    }
}
