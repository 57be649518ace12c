//! What the environment and the options of every command say, resolved once.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imgmgr::config::{ConfigPaths, DockerConfig, EndpointBook, Insecure};
use imgmgr::copy::{CopyContext, Digests, Referrers};
use imgmgr::image::Platform;
use imgmgr::layer::UnpackOptions;
use imgmgr::layer::store::LayerStore;
use imgmgr::pull::{Platforms, PullOptions};
use imgmgr::reference::Reference;
use imgmgr::registry::{
    Client, ClientOptions, Credential, CredentialSource, NoCredentials, RegistryError, RetryPolicy,
    TlsOptions,
};
use imgmgr::snapshot::{Snapshots, layer_options};
use imgmgr::store::{Disk, Durability, RealDisk, Store, Wanted};
use imgmgr::trust::Policy;
use imgmgr::upkeep::Upkeep;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{GlobalArgs, PlatformArgs, PlatformsArgs};
use super::config_paths::{
    Named, config_paths, directory, named, readable_directory, readable_file,
};
use super::output::{CommandError, Done};
use super::progress::Display;
use super::worker::Started;

/// Resolved options.
pub(crate) struct Context {
    pub(crate) global: GlobalArgs,
    root: PathBuf,
    paths: ConfigPaths,
    named: Named,
    /// One for blobs and layers: what syncs ahead does so for both.
    disk: Arc<dyn Disk>,
    /// Whose worker this is.
    pub(crate) started: Option<Started>,
}

/// How a certificate begins in PEM.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// `--creds`: the same for every registry.
#[derive(Debug)]
struct Given(Credential);

impl CredentialSource for Given {
    fn credential(&self, _: &str, _: &str) -> Result<Option<Credential>, String> {
        Ok(Some(self.0.clone()))
    }
}

impl GlobalArgs {
    fn durability(&self) -> Durability {
        if self.no_sync { Durability::NoSync } else { Durability::Sync }
    }
}

impl Context {
    pub(crate) fn new(global: GlobalArgs) -> Done<Self> {
        let root = match &global.root {
            Some(root) => root.clone(),
            None => default_root()?,
        };
        let (paths, named) = (config_paths(&global), named(&global));
        let disk = Arc::new(RealDisk::new(global.durability()));
        Ok(Self { global, root, paths, named, disk, started: None })
    }

    pub(crate) fn durability(&self) -> Durability {
        self.global.durability()
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.root.join("images")
    }

    pub(crate) fn store(&self) -> Done<Store> {
        Ok(Store::open(&self.store_path(), Arc::clone(&self.disk))?)
    }

    /// Options of every unpack.
    pub(crate) fn unpack_options(&self) -> UnpackOptions {
        let durability = match self.durability() {
            Durability::Sync => imgmgr::layer::Durability::Durable,
            Durability::NoSync => imgmgr::layer::Durability::NoSync,
        };
        UnpackOptions { durability, ..UnpackOptions::default() }
    }

    /// The unpacked layers, beside the blobs.
    pub(crate) fn layers(&self) -> Done<LayerStore> {
        let root = self.store_path().join("x-imgmgr/layers");
        let options = layer_options(self.unpack_options());
        LayerStore::open_on(root, options, Arc::clone(&self.disk)).map_err(CommandError::run)
    }

    pub(crate) fn snapshots(&self) -> Done<Snapshots> {
        self.snapshots_with(self.durability())
    }

    /// For those that end with the boot at the latest.
    pub(crate) fn passing_snapshots(&self) -> Done<Snapshots> {
        self.snapshots_with(Durability::NoSync)
    }

    fn snapshots_with(&self, durability: Durability) -> Done<Snapshots> {
        Snapshots::open(self.root.join("snapshots"), durability).map_err(CommandError::run)
    }

    pub(crate) fn upkeep(&self) -> Done<Upkeep> {
        let (store, layers, snapshots) = (self.store()?, self.layers()?, self.snapshots()?);
        Ok(Upkeep { store, layers, snapshots })
    }

    pub(crate) fn logins(&self) -> DockerConfig {
        DockerConfig::new(self.paths.auth_files.clone())
    }

    /// Completes `--creds` where it is a user name alone.
    pub(crate) fn ask_for_password(&mut self) -> Done {
        if let Some(text) = &mut self.global.creds
            && !text.is_empty()
        {
            *text = with_password(text)?;
        }
        Ok(())
    }

    pub(crate) fn client(&self) -> Done<Client> {
        let credentials: Box<dyn CredentialSource> = match &self.global.creds {
            Some(text) if text.is_empty() => Box::new(NoCredentials),
            Some(text) => Box::new(Given(parse_creds(text)?)),
            None => {
                self.named.logins.iter().try_for_each(readable_file)?;
                Box::new(self.logins())
            }
        };
        self.client_with(credentials)
    }

    pub(crate) fn client_with(&self, credentials: Box<dyn CredentialSource>) -> Done<Client> {
        self.named.files.iter().try_for_each(readable_file)?;
        self.named.directories.iter().try_for_each(readable_directory)?;
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| CommandError::file("read", path, source))
        };
        let authorities = |path: &PathBuf| {
            let bytes = read(path)?;
            if bytes.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE) {
                return Ok(bytes);
            }
            Err(CommandError::run(format!("`{}` holds no certificate (PEM)", path.display())))
        };
        let tls = TlsOptions {
            authorities: self.global.ca_file.iter().map(authorities).collect::<Done<_>>()?,
            identity: self.global.client_cert.as_ref().map(read).transpose()?,
        };
        let insecure = match self.global.tls_verify {
            Some(false) => Insecure::All,
            _ if self.global.insecure.is_empty() => Insecure::Nobody,
            _ => Insecure::Hosts(self.global.insecure.clone()),
        };
        let book = EndpointBook::load(&self.paths, insecure, tls).map_err(CommandError::run)?;
        let options = ClientOptions {
            retry: RetryPolicy { attempts: self.global.attempts, ..RetryPolicy::default() },
            stall_timeout: Duration::from_secs(self.global.stall_timeout.max(1)),
            ..ClientOptions::default()
        };
        Ok(Client::new(options, Box::new(book), credentials))
    }

    /// Which images may come in.
    pub(crate) fn policy(&self) -> Done<Arc<Policy>> {
        if self.global.insecure_policy {
            return Ok(Arc::default());
        }
        let home = directory("HOME").map(|home| home.join(".config/containers/policy.json"));
        let system = Some(PathBuf::from("/etc/containers/policy.json"));
        let found = [home, system].into_iter().flatten().find(|path| path.exists());
        match self.global.policy.clone().or(found) {
            Some(path) => Ok(Arc::new(Policy::load(&path).map_err(CommandError::run)?)),
            None => Ok(Arc::default()),
        }
    }

    /// Runs a future to its end.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = Done<T>>) -> Done<T> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let result = runtime.block_on(work);
        // Nobody waits for threads that wait for locks.
        runtime.shutdown_background();
        result
    }

    /// Runs a future that may be cut off anywhere. SIGINT and SIGTERM end the process by what they do
    /// to any other, once what the future holds is gone: a place for what is on its way.
    pub(crate) fn wait_or_end<T>(&self, work: impl Future<Output = Done<T>>) -> Done<T> {
        let ended = self.wait(async {
            tokio::select! {
                // Nothing is begun before a signal would be heard.
                biased;
                number = told(SignalKind::interrupt()) => Ok(Err(number?)),
                number = told(SignalKind::terminate()) => Ok(Err(number?)),
                result = work => result.map(Ok),
            }
        })?;
        ended.map_err(|number| {
            kernel::signal::set_default(number);
            let lives = kernel::signal::raise(number);
            CommandError::run(format!("signal {number} did not end the process: {lives:?}"))
        })
    }

    /// Runs a future that sends with `client`. The first SIGINT or SIGTERM, a SIGHUP and the end of
    /// the process that was started let what is under way end where it can be resumed, if something
    /// moves; the second SIGINT or SIGTERM does not.
    pub(crate) fn wait_or_interrupt<T>(
        &self,
        client: &Client,
        work: impl Future<Output = Done<T>>,
    ) -> Done<T> {
        self.wait(async {
            let mut work = std::pin::pin!(work);
            let mut interrupts = signal(SignalKind::interrupt())?;
            let mut terminations = signal(SignalKind::terminate())?;
            tokio::select! {
                result = &mut work => return result,
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
                ended = self.hang_up() => ended?,
            }
            client.interrupt();
            let stalled = client.stalls();
            tokio::select! {
                result = &mut work => result,
                _ = interrupts.recv() => Err(RegistryError::Interrupted.into()),
                _ = terminations.recv() => Err(RegistryError::Interrupted.into()),
                () = stalled => Err(RegistryError::Interrupted.into()),
            }
        })
    }

    /// Returns once there is nobody left for whom this is done.
    async fn hang_up(&self) -> Done {
        let hang_up = SignalKind::hangup();
        // nohup(1)
        let mut told = match kernel::signal::is_ignored(hang_up.as_raw_value()) {
            true => None,
            false => Some(signal(hang_up)?),
        };
        let open = self.started.as_ref().map(|started| started.0.try_clone());
        let ended = open.transpose()?.map(Receiver::from_owned_fd).transpose()?;
        let told = async {
            match &mut told {
                Some(told) => told.recv().await,
                None => std::future::pending().await,
            }
        };
        let ended = async {
            match &ended {
                Some(ended) => ended.readable().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = told => Ok(()),
            ended = ended => Ok(ended?),
        }
    }

    pub(crate) fn copying(
        &self,
        store: Option<Store>,
        platforms: Platforms,
        referrers: Referrers,
        display: &Display,
    ) -> Done<CopyContext> {
        Ok(CopyContext {
            client: self.client()?,
            store,
            scratch: env::temp_dir(),
            pull: PullOptions { platforms, policy: self.policy()?, ..PullOptions::default() },
            referrers,
            digests: Digests::MayChange,
            durability: self.durability(),
            progress: display.progress(),
        })
    }
}

/// Returns the number of a signal once it came; one that the process ignores never does.
async fn told(kind: SignalKind) -> Done<i32> {
    let number = kind.as_raw_value();
    if kernel::signal::is_ignored(number) {
        return std::future::pending().await;
    }
    signal(kind)?.recv().await;
    Ok(number)
}

/// A reference to a registry, with or without skopeo's `docker://`.
pub(crate) fn registry_reference(text: &str) -> Done<Reference> {
    Reference::parse(text.strip_prefix("docker://").unwrap_or(text)).map_err(CommandError::usage)
}

pub(crate) fn platforms(args: &PlatformsArgs) -> Done<Platforms> {
    Ok(match args.all {
        true => Platforms::All,
        false => Platforms::One(platform(&args.one)?),
    })
}

pub(crate) fn platform(args: &PlatformArgs) -> Done<Wanted> {
    match &args.platform {
        Some(text) => Ok(Wanted::Named(text.parse().map_err(CommandError::usage)?)),
        None => Ok(Wanted::Host(Platform::host())),
    }
}

fn parse_creds(text: &str) -> Done<Credential> {
    let text = with_password(text)?;
    let (username, password) = text.split_once(':').unwrap_or((&text, ""));
    Ok(Credential::Password { username: username.to_owned(), password: password.to_owned() })
}

/// `USER:PASSWORD`, the password asked for where there is none.
fn with_password(text: &str) -> Done<String> {
    if text.contains(':') {
        return Ok(text.to_owned());
    }
    Ok(format!("{text}:{}", super::remote::ask_password()?))
}

fn default_root() -> Done<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/tug"));
    }
    let data = directory("XDG_DATA_HOME").or_else(|| Some(directory("HOME")?.join(".local/share")));
    data.map(|data| data.join("tug"))
        .ok_or_else(|| CommandError::usage("neither --root nor $XDG_DATA_HOME nor $HOME is set"))
}

/// Shares a display's progress with a library call.
pub(crate) type SharedProgress = Arc<dyn imgmgr::progress::Progress>;
