//! The runtime specification of an image (image-spec conversion.md).

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use oci_spec::OciSpecError;
use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::{
    Capabilities, Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxIdMapping,
    LinuxIdMappingBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxResourcesBuilder,
    Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use crate::annotations;
use crate::defaults::{
    self, DEFAULT_ARGS, DEFAULT_CAPABILITIES, DEFAULT_PATH, MASKED_PATHS, READONLY_PATHS,
};
use crate::error::BundleError;
use crate::options::{BundleOptions, IdRange, RootAccess, Terminal, UserNamespace, holds};
use crate::user::{ResolvedUser, resolve_user};

/// The version of the runtime specification that the result follows.
const OCI_VERSION: &str = "1.2.0";

/// Makes the runtime specification of `image`, with `options` going before what it says.
///
/// Users and groups are looked up beneath `rootfs`. seccomp, resources and further mounts are
/// the caller's to add.
///
/// # Errors
/// [`BundleError`].
pub fn runtime_spec(
    image: &ImageConfiguration,
    rootfs: BorrowedFd<'_>,
    options: &BundleOptions,
) -> Result<Spec, BundleError> {
    let config = image.config().clone().unwrap_or_default();
    let name = options.user.clone().or(config.user().clone()).unwrap_or_default();
    let user = resolve_user(&name, rootfs)
        .map_err(|source| BundleError::User { user: name.clone(), source })?;
    check_mapped(&user, &options.user_namespace)?;
    let image_env = config.env().clone().unwrap_or_default();
    let env = environment(&image_env, options, &user)?;
    let image_args = (config.entrypoint().clone(), config.cmd().clone());
    let args = arguments(image_args, options);
    let cwd = options.working_dir.clone().or(config.working_dir().clone());
    let cwd = cwd.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    if !cwd.starts_with('/') {
        return Err(BundleError::WorkingDir { path: cwd });
    }
    let mut annotations = annotations::of_image(image);
    annotations.extend(options.annotations.clone());
    assemble(args, env, cwd, &user, annotations, options)
        .map_err(|source| BundleError::Spec { source })
}

/// Writes a specification as JSON with sorted keys: the same one gives the same bytes.
#[must_use]
pub fn to_json(spec: &Spec) -> Vec<u8> {
    let mut value = serde_json::to_value(spec).expect("the specification's maps have text keys");
    // The sets of capabilities come in an order of chance.
    let sets = value.pointer_mut("/process/capabilities").and_then(|sets| sets.as_object_mut());
    for set in sets.into_iter().flat_map(|sets| sets.values_mut()) {
        if let Some(names) = set.as_array_mut() {
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    let mut text = serde_json::to_vec_pretty(&value).expect("a value is always serialisable");
    text.push(b'\n');
    text
}

/// Refuses a user that no runtime could switch to.
fn check_mapped(user: &ResolvedUser, namespace: &UserNamespace) -> Result<(), BundleError> {
    let Some((uids, gids)) = namespace.ranges() else { return Ok(()) };
    let remedy = if namespace.is_rootless() {
        "`--user 0` runs it as root there, who is you on the host"
    } else {
        "map it by `--uid-map` and `--gid-map`, or choose another user by `--user`"
    };
    let check = |kind, id, ranges: &[IdRange]| {
        if holds(ranges, id) {
            return Ok(());
        }
        Err(BundleError::Unmapped { kind, id, has: listed(ranges), remedy })
    };
    check("user", user.uid, &uids)?;
    check("group", user.gid, &gids)?;
    let groups = if namespace.is_rootless() { &[] } else { user.additional_gids.as_slice() };
    groups.iter().try_for_each(|gid| check("group", *gid, &gids))
}

fn listed(ranges: &[IdRange]) -> String {
    let range = |r: &IdRange| match r.len {
        0 => "none".to_owned(),
        1 => r.container.to_string(),
        len => format!("{} to {}", r.container, u64::from(r.container) + u64::from(len) - 1),
    };
    if ranges.is_empty() {
        return "none".to_owned();
    }
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

/// A given entrypoint takes the image's command away, as Docker has it.
fn arguments(
    (entrypoint, cmd): (Option<Vec<String>>, Option<Vec<String>>),
    options: &BundleOptions,
) -> Vec<String> {
    let (entrypoint, cmd) = match &options.entrypoint {
        Some(given) => (Some(given.clone()), None),
        None => (entrypoint, cmd),
    };
    let cmd = options.command.clone().or(cmd);
    let mut args = entrypoint.unwrap_or_default();
    args.extend(cmd.unwrap_or_default());
    if args.is_empty() { DEFAULT_ARGS.map(str::to_owned).to_vec() } else { args }
}

/// The image's variables, then the given ones; then what every process expects.
fn environment(
    image: &[String],
    options: &BundleOptions,
    user: &ResolvedUser,
) -> Result<Vec<String>, BundleError> {
    let mut env: Vec<String> = Vec::new();
    for entry in image.iter().chain(&options.env) {
        let name = entry.split('=').next().unwrap_or_default();
        if name.is_empty() || entry.contains('\0') {
            return Err(BundleError::Environment { entry: entry.clone() });
        }
        let known = env.iter().position(|old| is_named(old, name));
        match (known, entry.contains('=')) {
            (Some(at), true) => env[at].clone_from(entry),
            (Some(at), false) => drop(env.remove(at)),
            (None, true) => env.push(entry.clone()),
            (None, false) => {}
        }
    }
    let mut default = |name: &str, value: &str| {
        if !env.iter().any(|entry| is_named(entry, name)) {
            env.push(format!("{name}={value}"));
        }
    };
    default("PATH", DEFAULT_PATH);
    default("HOME", &user.home);
    if options.terminal == Terminal::Yes {
        default("TERM", "xterm");
    }
    if let Some(hostname) = &options.hostname {
        default("HOSTNAME", hostname);
    }
    Ok(env)
}

fn is_named(entry: &str, name: &str) -> bool {
    entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
}

fn assemble(
    args: Vec<String>,
    env: Vec<String>,
    cwd: String,
    user: &ResolvedUser,
    annotations: std::collections::BTreeMap<String, String>,
    options: &BundleOptions,
) -> Result<Spec, OciSpecError> {
    let path = if options.root_path.is_empty() { "rootfs" } else { &options.root_path };
    let root = RootBuilder::default()
        .path(PathBuf::from(path))
        .readonly(options.root_access == RootAccess::ReadOnly)
        .build()?;
    let mut spec = SpecBuilder::default()
        .version(OCI_VERSION)
        .root(root)
        .process(process(args, env, cwd, user, options)?)
        .mounts(defaults::mounts(&options.user_namespace)?)
        .linux(linux(&options.user_namespace)?)
        .annotations(annotations.into_iter().collect::<std::collections::HashMap<_, _>>())
        .build()?;
    spec.set_hostname(options.hostname.clone());
    Ok(spec)
}

fn process(
    args: Vec<String>,
    env: Vec<String>,
    cwd: String,
    user: &ResolvedUser,
    options: &BundleOptions,
) -> Result<Process, OciSpecError> {
    let all: Capabilities = DEFAULT_CAPABILITIES.into_iter().collect();
    // Who is not root starts without; set-user-ID programs can still get them.
    let held = if user.uid == 0 { all.clone() } else { Capabilities::new() };
    let capabilities = LinuxCapabilitiesBuilder::default()
        .bounding(all)
        .effective(held.clone())
        .permitted(held)
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()?;
    // Whoever maps but their own group may not set any.
    let rootless = options.user_namespace.is_rootless();
    let groups = if rootless { Vec::new() } else { user.additional_gids.clone() };
    let identity =
        UserBuilder::default().uid(user.uid).gid(user.gid).additional_gids(groups).build()?;
    let mut process = ProcessBuilder::default()
        .terminal(options.terminal == Terminal::Yes)
        .user(identity)
        .args(args)
        .env(env)
        .cwd(PathBuf::from(cwd))
        .capabilities(capabilities)
        .no_new_privileges(false)
        .build()?;
    process.set_rlimits(None);
    Ok(process)
}

fn linux(namespace: &UserNamespace) -> Result<Linux, OciSpecError> {
    let mut kinds = vec![
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Network,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Cgroup,
    ];
    let mut linux = LinuxBuilder::default()
        .masked_paths(MASKED_PATHS.map(str::to_owned).to_vec())
        .readonly_paths(READONLY_PATHS.map(str::to_owned).to_vec());
    if let Some((uids, gids)) = namespace.ranges() {
        kinds.push(LinuxNamespaceType::User);
        linux = linux.uid_mappings(mappings(&uids)?).gid_mappings(mappings(&gids)?);
    }
    if namespace.is_rootless() {
        kinds.retain(|kind| *kind != LinuxNamespaceType::Network);
    }
    let rules = LinuxResourcesBuilder::default().devices(defaults::device_rules()?);
    let namespaces: Result<Vec<_>, _> =
        kinds.into_iter().map(|kind| LinuxNamespaceBuilder::default().typ(kind).build()).collect();
    let mut linux = linux.namespaces(namespaces?).resources(rules.build()?).build()?;
    if namespace.is_rootless() {
        linux.set_resources(None);
    }
    Ok(linux)
}

fn mappings(ranges: &[IdRange]) -> Result<Vec<LinuxIdMapping>, OciSpecError> {
    let mapping = |range: &IdRange| {
        LinuxIdMappingBuilder::default()
            .container_id(range.container)
            .host_id(range.host)
            .size(range.len)
            .build()
    };
    ranges.iter().map(mapping).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    fn image(config: &str) -> ImageConfiguration {
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","author":"me","created":"2020-01-02T03:04:05Z",
                "config":{config},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn spec(config: &str, options: &BundleOptions) -> Result<Spec, BundleError> {
        let rootfs = tempfile::tempdir().unwrap();
        runtime_spec(&image(config), File::open(rootfs.path()).unwrap().as_fd(), options)
    }

    fn args(config: &str, options: &BundleOptions) -> Vec<String> {
        spec(config, options).unwrap().process().clone().unwrap().args().clone().unwrap()
    }

    #[test]
    fn entrypoint_and_command_combine_as_in_docker() {
        let both = r#"{"Entrypoint":["/init","-v"],"Cmd":["serve"]}"#;
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let none = BundleOptions::default();
        assert_eq!(args(both, &none), ["/init", "-v", "serve"]);
        let command = BundleOptions { command: Some(words("a b")), ..none.clone() };
        assert_eq!(args(both, &command), ["/init", "-v", "a", "b"]);
        let entrypoint = BundleOptions { entrypoint: Some(words("sh")), ..none.clone() };
        assert_eq!(args(both, &entrypoint), ["sh"]);
        let removed = BundleOptions { entrypoint: Some(Vec::new()), ..none.clone() };
        assert_eq!(args(both, &removed), ["sh"]);
        assert_eq!(args("{}", &none), ["sh"]);
    }

    #[test]
    fn the_environment_is_the_images_changed_by_the_given() {
        let config = r#"{"Cmd":["x"],"Env":["A=1","B=2","C="]}"#;
        let env = ["B=3", "A", "NEW=x=y", "GONE"].map(str::to_owned).to_vec();
        let options = BundleOptions { env, terminal: Terminal::Yes, ..BundleOptions::default() };
        let process = spec(config, &options).unwrap().process().clone().unwrap();
        let path = format!("PATH={DEFAULT_PATH}");
        let expected = ["B=3", "C=", "NEW=x=y", path.as_str(), "HOME=/", "TERM=xterm"];
        assert_eq!(process.env().clone().unwrap(), expected);
        let options = BundleOptions { env: vec!["=x".to_owned()], ..BundleOptions::default() };
        assert!(matches!(spec(config, &options), Err(BundleError::Environment { .. })));
    }

    #[test]
    fn labels_and_fields_become_annotations() {
        let config = r#"{"Cmd":["x"],"StopSignal":"SIGINT","ExposedPorts":{"80/tcp":{},"443/tcp":{}},
            "Labels":{"a":"b","org.opencontainers.image.author":"label"}}"#;
        let annotations = [("a".to_owned(), "mine".to_owned())].into();
        let options = BundleOptions { annotations, ..BundleOptions::default() };
        let got = spec(config, &options).unwrap().annotations().clone().unwrap();
        let get = |name: &str| got[&format!("org.opencontainers.image.{name}")].as_str();
        assert_eq!(got["a"], "mine");
        assert_eq!((get("os"), get("architecture")), ("linux", "amd64"));
        assert_eq!((get("author"), get("stopSignal")), ("label", "SIGINT"));
        assert_eq!(get("exposedPorts"), "443/tcp,80/tcp");
        assert_eq!(get("created"), "2020-01-02T03:04:05Z");
    }

    #[test]
    fn a_label_makes_no_runtime_do_anything() {
        for name in ["org.systemd.property.Slice", "org.criu.config", "run.oci.hooks.stdout", ""] {
            let config = format!(r#"{{"Cmd":["x"],"Labels":{{"{name}":"v"}}}}"#);
            let got = spec(&config, &BundleOptions::default()).unwrap();
            assert!(!got.annotations().clone().unwrap().contains_key(name), "{name}");
            let annotations = [(name.to_owned(), "mine".to_owned())].into();
            let options = BundleOptions { annotations, ..BundleOptions::default() };
            let got = spec(&config, &options).unwrap().annotations().clone().unwrap();
            assert_eq!(got[name], "mine", "who makes the container may");
        }
    }

    #[test]
    fn who_is_not_root_holds_no_capability() {
        let process = |user: &str| {
            let config = format!(r#"{{"Cmd":["x"],"User":"{user}"}}"#);
            spec(&config, &BundleOptions::default()).unwrap().process().clone().unwrap()
        };
        let held = |user: &str| {
            let caps = process(user).capabilities().clone().unwrap();
            (caps.effective().clone().unwrap().len(), caps.bounding().clone().unwrap().len())
        };
        assert_eq!(held("0"), (14, 14));
        assert_eq!(held("1000:1000"), (0, 14));
        assert_eq!((process("1000:7").user().uid(), process("1000:7").user().gid()), (1000, 7));
    }

    #[test]
    fn a_user_namespace_is_told_with_what_it_takes() {
        let value = |user_namespace| {
            let options = BundleOptions { user_namespace, ..BundleOptions::default() };
            serde_json::to_value(spec("{}", &options).unwrap()).unwrap()
        };
        let kinds = |spec: &serde_json::Value| {
            let list = spec["linux"]["namespaces"].as_array().unwrap().clone();
            list.iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let host = value(UserNamespace::Host);
        assert!(!kinds(&host).contains(&"user".to_owned()));
        assert!(host.to_string().contains("gid=5") && host["linux"]["uidMappings"].is_null());
        let range = |host, len| IdRange { container: 0, host, len };
        let (uids, gids) = (vec![range(100_000, 65_536)], vec![range(200_000, 65_536)]);
        let mapped = value(UserNamespace::Mapped { uids, gids });
        let map = |host: u32, size: u32| serde_json::json!([{"containerID": 0, "hostID": host, "size": size}]);
        assert!(
            ["user", "network"].iter().all(|kind| kinds(&mapped).contains(&(*kind).to_owned()))
        );
        assert_eq!(mapped["linux"]["uidMappings"], map(100_000, 65_536));
        assert_eq!(mapped["linux"]["gidMappings"], map(200_000, 65_536));
        assert!(mapped.to_string().contains("gid=5"));
        let rootless = value(UserNamespace::Rootless { uid: 1000, gid: 100 });
        assert_eq!(kinds(&rootless), ["pid", "ipc", "uts", "mount", "cgroup", "user"]);
        assert_eq!(rootless["linux"]["uidMappings"], map(1000, 1));
        assert_eq!(rootless["linux"]["gidMappings"], map(100, 1));
        assert!(rootless["linux"].get("resources").is_none(), "{rootless}");
        assert!(!rootless.to_string().contains("gid=5"));
        let sys = &rootless["mounts"][3];
        assert_eq!((sys["type"].as_str(), sys["source"].as_str()), (Some("none"), Some("/sys")));
        assert_eq!(sys["options"][0], "rbind");
    }

    #[test]
    fn a_user_that_the_namespace_lacks_is_refused_by_name() {
        let told = |user: &str, user_namespace: UserNamespace| {
            let config = format!(r#"{{"Cmd":["x"],"User":"{user}"}}"#);
            let options = BundleOptions { user_namespace, ..BundleOptions::default() };
            spec(&config, &options).err().map(|error| error.to_string())
        };
        let rootless = UserNamespace::Rootless { uid: 1000, gid: 100 };
        let lacks = |what: &str, has: &str, remedy: &str| {
            Some(format!(
                "{what} is not in the container's user namespace, which has {has}; {remedy}"
            ))
        };
        let remedy = "`--user 0` runs it as root there, who is you on the host";
        assert_eq!(told("1000", rootless.clone()), lacks("user id 1000", "0", remedy));
        assert_eq!(told("0:5", rootless.clone()), lacks("group id 5", "0", remedy));
        assert_eq!(told("0", rootless), None);
        let range = |container, len| IdRange { container, host: 100_000, len };
        let (uids, gids) = (vec![range(0, 10), range(1000, 1)], vec![range(0, 10)]);
        let mapped = UserNamespace::Mapped { uids, gids };
        let remedy = "map it by `--uid-map` and `--gid-map`, or choose another user by `--user`";
        assert_eq!(told("10:0", mapped.clone()), lacks("user id 10", "0 to 9, 1000", remedy));
        assert_eq!(told("9:10", mapped.clone()), lacks("group id 10", "0 to 9", remedy));
        assert_eq!(told("1000:9", mapped), None);
        assert_eq!(told("1000:1000", UserNamespace::Host), None);
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        let config = r#"{"Cmd":["x"],"Labels":{"a":"1","b":"2","c":"3","d":"4"}}"#;
        let json = || to_json(&spec(config, &BundleOptions::default()).unwrap());
        assert_eq!(json(), json());
        assert!(matches!(
            spec(r#"{"Cmd":["x"],"WorkingDir":"relative"}"#, &BundleOptions::default()),
            Err(BundleError::WorkingDir { .. })
        ));
    }
}
