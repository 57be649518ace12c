//! `checkpoint` and `restore`.

use std::path::PathBuf;

use clap::Args;

use super::super::Environment;
use super::super::request::{Request, UsageError};
use super::Resolve;
use super::create::{NewContainerArgs, SuperviseArgs};
use super::path::{absolute, absolute_option};
use crate::container_id::ContainerId;
use crate::request::{CheckpointRequest, CriuCgroupsMode, CriuOptions, PageServer, RestoreRequest};

/// What both commands tell criu.
#[derive(Args)]
struct CriuArgs {
    /// Directory of criu's images [default: checkpoint]
    #[arg(long, value_name = "DIR")]
    image_path: Option<PathBuf>,

    /// Directory of criu's logs and work files
    #[arg(long, value_name = "DIR")]
    work_path: Option<PathBuf>,

    /// Allow open TCP connections
    #[arg(long)]
    tcp_established: bool,

    /// Allow unix sockets to processes outside
    #[arg(long)]
    ext_unix_sk: bool,

    /// Allow a program on the caller's terminal
    #[arg(long)]
    shell_job: bool,

    /// Allow file locks
    #[arg(long)]
    file_locks: bool,

    /// Load memory pages when they are touched
    #[arg(long)]
    lazy_pages: bool,

    /// Deduplicate memory images
    #[arg(long)]
    auto_dedup: bool,

    /// Make this namespace but don't restore what it held (network)
    #[arg(long, value_name = "NAMESPACE")]
    empty_ns: Vec<String>,

    /// Control groups: soft, full, strict or ignore [default: soft]
    #[arg(long, value_name = "MODE")]
    manage_cgroups_mode: Option<String>,
}

#[derive(Args)]
pub(super) struct CheckpointArgs {
    #[command(flatten)]
    criu: CriuArgs,

    /// Images of an earlier pre-dump, relative to the image directory
    #[arg(long, value_name = "DIR")]
    parent_path: Option<PathBuf>,

    /// Let the container go on
    #[arg(long)]
    leave_running: bool,

    /// Skip TCP connections that are being made
    #[arg(long)]
    tcp_skip_in_flight: bool,

    /// Link deleted files back where possible
    #[arg(long)]
    link_remap: bool,

    /// Descriptor that criu writes a NUL byte to when it is ready to serve pages
    #[arg(long, value_name = "FD", default_value = "-1", allow_hyphen_values = true)]
    status_fd: i32,

    /// Page server
    #[arg(long, value_name = "ADDRESS:PORT")]
    page_server: Option<String>,

    /// Save memory only and let the container go on
    #[arg(long)]
    pre_dump: bool,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    container: NewContainerArgs,
    #[command(flatten)]
    supervise: SuperviseArgs,
    #[command(flatten)]
    criu: CriuArgs,

    /// Profile of a security module, as TYPE:NAME
    #[arg(long, value_name = "TYPE:NAME")]
    lsm_profile: Option<String>,

    /// Mount context of a security module
    #[arg(long, value_name = "CONTEXT")]
    lsm_mount_context: Option<String>,
}

impl Resolve for CheckpointArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let parent_path = self.parent_path.filter(|path| !path.as_os_str().is_empty());
        if parent_path.as_ref().is_some_and(|path| path.is_absolute()) {
            return Err(UsageError::ParentPathAbsolute);
        }
        let criu = self.criu.resolve(environment)?;
        let page_server = self.page_server.filter(|text| !text.is_empty());
        Ok(Request::Checkpoint(Box::new(CheckpointRequest {
            id: self.id,
            criu,
            parent_path,
            leave_running: self.leave_running,
            pre_dump: self.pre_dump,
            tcp_skip_in_flight: self.tcp_skip_in_flight,
            link_remap: self.link_remap,
            status_fd: u32::try_from(self.status_fd).ok(),
            page_server: page_server.as_deref().map(parse_page_server).transpose()?,
        })))
    }
}

impl Resolve for RestoreArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let non_empty = |text: &String| !text.is_empty();
        Ok(Request::Restore(Box::new(RestoreRequest {
            run: self.supervise.resolve(self.container.resolve(environment)),
            criu: self.criu.resolve(environment)?,
            lsm_profile: self.lsm_profile.filter(non_empty),
            lsm_mount_context: self.lsm_mount_context.filter(non_empty),
        })))
    }
}

impl CriuArgs {
    fn resolve(self, environment: &Environment) -> Result<CriuOptions, UsageError> {
        let image_path = absolute_option(self.image_path, environment)
            .unwrap_or_else(|| absolute("checkpoint".as_ref(), environment));
        if let Some(other) = self.empty_ns.iter().find(|name| *name != "network") {
            return Err(UsageError::EmptyNamespace { given: other.clone() });
        }
        Ok(CriuOptions {
            image_path,
            work_path: absolute_option(self.work_path, environment),
            tcp_established: self.tcp_established,
            ext_unix_sk: self.ext_unix_sk,
            shell_job: self.shell_job,
            file_locks: self.file_locks,
            lazy_pages: self.lazy_pages,
            auto_dedup: self.auto_dedup,
            empty_network_namespace: !self.empty_ns.is_empty(),
            cgroups_mode: parse_cgroups_mode(self.manage_cgroups_mode.as_deref().unwrap_or(""))?,
        })
    }
}

fn parse_cgroups_mode(given: &str) -> Result<CriuCgroupsMode, UsageError> {
    match given {
        "" | "soft" => Ok(CriuCgroupsMode::Soft),
        "full" => Ok(CriuCgroupsMode::Full),
        "strict" => Ok(CriuCgroupsMode::Strict),
        "ignore" => Ok(CriuCgroupsMode::Ignore),
        _ => Err(UsageError::CgroupsMode { given: given.to_owned() }),
    }
}

/// `ADDRESS:PORT`, an IPv6 address in brackets.
fn parse_page_server(given: &str) -> Result<PageServer, UsageError> {
    let bad = || UsageError::PageServer { given: given.to_owned() };
    let (address, port) = given.rsplit_once(':').ok_or_else(bad)?;
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner,
        None if address.contains(':') => return Err(bad()),
        None => address,
    };
    if address.is_empty() {
        return Err(bad());
    }
    Ok(PageServer { address: address.to_owned(), port: port.parse().map_err(|_| bad())? })
}
