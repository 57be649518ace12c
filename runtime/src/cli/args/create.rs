//! `create` and `run`.

use std::path::PathBuf;

use clap::Args;

use super::super::Environment;
use super::super::request::{Request, UsageError};
use super::Resolve;
use super::path::{absolute_option, bundle};
use super::value::parse_preserve_fds;
use crate::container_id::ContainerId;
use crate::request::{CreateRequest, RunRequest};

/// What `create`, `run` and `restore` share.
#[derive(Args)]
pub(super) struct NewContainerArgs {
    /// Directory of the bundle [default: the working directory]
    #[arg(long, short, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// Unix socket that the master end of the terminal is sent to
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,

    /// File that the id of the init process is written to
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Move the root mount in the place of pivot_root, for a root file system on a ramdisk;
    /// weaker: the container could get out with CAP_SYS_CHROOT
    #[arg(long)]
    no_pivot: bool,

    /// A new name, unique on this host
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,
}

#[derive(Args)]
pub(super) struct InheritArgs {
    /// Unix socket that a pidfd of the init process is sent to
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,

    /// Stay in the caller's session keyring
    #[arg(long)]
    no_new_keyring: bool,

    /// Pass on N more descriptors, from 3 (after those of $LISTEN_FDS)
    #[arg(long, value_name = "N", default_value = "0", value_parser = parse_preserve_fds)]
    preserve_fds: u32,
}

#[derive(Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    container: NewContainerArgs,
    #[command(flatten)]
    inherit: InheritArgs,
}

#[derive(Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    container: NewContainerArgs,
    #[command(flatten)]
    inherit: InheritArgs,
    #[command(flatten)]
    supervise: SuperviseArgs,

    /// Keep the stopped container instead of deleting it
    #[arg(long)]
    keep: bool,
}

/// What `run` and `restore` share.
#[derive(Args)]
pub(super) struct SuperviseArgs {
    /// Return once the program runs
    #[arg(long, short)]
    detach: bool,

    /// Don't become the parent of processes the container leaves behind
    #[arg(long)]
    no_subreaper: bool,
}

impl NewContainerArgs {
    pub(super) fn resolve(self, environment: &Environment) -> CreateRequest {
        CreateRequest {
            id: self.id,
            bundle: bundle(self.bundle, environment),
            console_socket: absolute_option(self.console_socket, environment),
            pidfd_socket: None,
            pid_file: absolute_option(self.pid_file, environment),
            no_pivot: self.no_pivot,
            no_new_keyring: false,
            inherited: environment.inherited_fds(0),
            notify_socket: environment.notify_socket.clone(),
        }
    }
}

impl InheritArgs {
    fn resolve(self, create: CreateRequest, environment: &Environment) -> CreateRequest {
        CreateRequest {
            pidfd_socket: absolute_option(self.pidfd_socket, environment),
            no_new_keyring: self.no_new_keyring,
            inherited: environment.inherited_fds(self.preserve_fds),
            ..create
        }
    }
}

impl SuperviseArgs {
    pub(super) fn resolve(self, create: CreateRequest) -> RunRequest {
        let SuperviseArgs { detach, no_subreaper } = self;
        RunRequest { create, detach, keep: false, no_subreaper }
    }
}

impl Resolve for CreateArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let create = self.container.resolve(environment);
        Ok(Request::Create(Box::new(self.inherit.resolve(create, environment))))
    }
}

impl Resolve for RunArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let create = self.container.resolve(environment);
        let create = self.inherit.resolve(create, environment);
        let run = RunRequest { keep: self.keep, ..self.supervise.resolve(create) };
        Ok(Request::Run(Box::new(run)))
    }
}
