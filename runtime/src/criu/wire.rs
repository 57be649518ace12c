//! The messages of criu's RPC protocol, as far as they are spoken here: protobuf version 2, one
//! message a datagram. Field numbers are those of criu's `images/rpc.proto`.

/// What is asked for, or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
#[expect(missing_docs, reason = "criu's names")]
pub enum Kind {
    Empty = 0,
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
}

/// What criu does about control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
#[expect(missing_docs, reason = "criu's names")]
pub enum CgroupsMode {
    Ignore = 0,
    Soft = 3,
    Full = 4,
    Strict = 5,
    Default = 6,
}

/// To criu.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// What to do.
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub kind: i32,
    /// How.
    #[prost(message, optional, boxed, tag = "2")]
    pub options: Option<Box<Options>>,
    /// Answers a [`Notice`].
    #[prost(bool, optional, tag = "3")]
    pub notify_success: Option<bool>,
    /// Asked about by [`Kind::FeatureCheck`].
    #[prost(message, optional, tag = "5")]
    pub features: Option<Features>,
}

/// `criu_opts`.
#[derive(Clone, PartialEq, prost::Message)]
#[expect(missing_docs, reason = "criu's names")]
pub struct Options {
    /// A descriptor of the asking process.
    #[prost(int32, required, tag = "1")]
    pub images_dir_fd: i32,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub ext_unix_sk: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub evasive_devices: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub log_level: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub page_server: Option<PageServer>,
    #[prost(bool, optional, tag = "12")]
    pub notify_scripts: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub root: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub parent_img: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub track_mem: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub auto_dedup: Option<bool>,
    /// A descriptor of the asking process.
    #[prost(int32, optional, tag = "17")]
    pub work_dir_fd: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub link_remap: Option<bool>,
    #[prost(message, repeated, tag = "23")]
    pub ext_mnt: Vec<ExternalMount>,
    #[prost(bool, optional, tag = "24")]
    pub manage_cgroups: Option<bool>,
    #[prost(message, repeated, tag = "25")]
    pub cg_root: Vec<CgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub rst_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    pub inherit_fd: Vec<InheritFd>,
    #[prost(enumeration = "CgroupsMode", optional, tag = "34")]
    pub manage_cgroups_mode: Option<i32>,
    #[prost(string, repeated, tag = "37")]
    pub external: Vec<String>,
    /// `CLONE_NEW*`.
    #[prost(uint32, optional, tag = "38")]
    pub empty_ns: Option<u32>,
    #[prost(message, repeated, tag = "39")]
    pub join_ns: Vec<JoinNamespace>,
    #[prost(string, optional, tag = "44")]
    pub freeze_cgroup: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub lazy_pages: Option<bool>,
    #[prost(bool, optional, tag = "50")]
    pub orphan_pts_master: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub config_file: Option<String>,
    #[prost(string, optional, tag = "53")]
    pub lsm_profile: Option<String>,
    #[prost(string, optional, tag = "60")]
    pub cgroup_yard: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub lsm_mount_context: Option<String>,
}

/// Where memory pages go.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PageServer {
    /// Host name or address.
    #[prost(string, optional, tag = "1")]
    pub address: Option<String>,
    /// TCP.
    #[prost(int32, optional, tag = "2")]
    pub port: Option<i32>,
}

/// A mount that criu doesn't look into.
///
/// At dump the key is its place in the container and the value its name in the images; at
/// restore the key is that name and the value what the host mounts there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExternalMount {
    /// What criu has.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// What it is to take.
    #[prost(string, required, tag = "2")]
    pub value: String,
}

/// A namespace of the host to enter at restore.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JoinNamespace {
    /// As in `/proc/PID/ns`.
    #[prost(string, required, tag = "1")]
    pub kind: String,
    /// Its file.
    #[prost(string, required, tag = "2")]
    pub file: String,
}

/// A descriptor of criu's that stands for something from outside of the container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InheritFd {
    /// What the images call it.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// The descriptor.
    #[prost(int32, required, tag = "2")]
    pub fd: i32,
}

/// Where the groups of a hierarchy are restored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgroupRoot {
    /// As in `/proc/PID/cgroup`; empty for cgroup v2.
    #[prost(string, optional, tag = "1")]
    pub controllers: Option<String>,
    /// From the hierarchy's root.
    #[prost(string, required, tag = "2")]
    pub path: String,
}

/// What criu and the kernel can do.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Features {
    /// Finding the pages that were written to.
    #[prost(bool, optional, tag = "1")]
    pub mem_track: Option<bool>,
    /// Giving pages when they are touched.
    #[prost(bool, optional, tag = "2")]
    pub lazy_pages: Option<bool>,
}

/// From criu.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Response {
    /// Of the request, or [`Kind::Notify`].
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub kind: i32,
    /// Whether it was done.
    #[prost(bool, required, tag = "2")]
    pub success: bool,
    /// With [`Kind::Notify`].
    #[prost(message, optional, tag = "5")]
    pub notice: Option<Notice>,
    /// Of a failure.
    #[prost(int32, optional, tag = "7")]
    pub errno: Option<i32>,
    /// To [`Kind::FeatureCheck`].
    #[prost(message, optional, tag = "8")]
    pub features: Option<Features>,
    /// Of a failure: the first error.
    #[prost(string, optional, tag = "9")]
    pub message: Option<String>,
    /// To [`Kind::Version`].
    #[prost(message, optional, tag = "10")]
    pub version: Option<Version>,
}

/// Says how far criu is, and waits for an answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Notice {
    /// `post-dump`, `setup-namespaces`, `post-restore`, ...
    #[prost(string, optional, tag = "1")]
    pub script: Option<String>,
    /// Of the container's init.
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
}

/// Of criu.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Version {
    /// 3 of 3.17.1.
    #[prost(int32, required, tag = "1")]
    pub major: i32,
    /// 17 of 3.17.1.
    #[prost(int32, required, tag = "2")]
    pub minor: i32,
    /// 1 of 3.17.1.
    #[prost(int32, optional, tag = "4")]
    pub sublevel: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn a_request_is_encoded_as_rpc_proto_says() {
        let options = Options {
            images_dir_fd: 5,
            pid: Some(300),
            leave_running: Some(true),
            external: vec!["net[1]:k".into()],
            ..Options::default()
        };
        let request = Request {
            kind: Kind::Dump.into(),
            options: Some(Box::new(options)),
            ..Request::default()
        };
        let mut want = vec![0x08, 1, 0x12, 18, 0x08, 5, 0x10, 0xac, 0x02, 0x18, 1];
        // Field 37, a string of eight bytes.
        want.extend([0xaa, 0x02, 8]);
        want.extend(b"net[1]:k");
        assert_eq!(request.encode_to_vec(), want);
    }

    #[test]
    fn an_answer_with_unknown_fields_is_read() {
        // type 2, success, restore { pid 7 } (field 4, not ours), notice { script "x", pid 9 }.
        let bytes = [0x08, 6, 0x10, 1, 0x22, 2, 0x08, 7, 0x2a, 5, 0x0a, 1, b'x', 0x10, 9, 0x38, 11];
        let response = Response::decode(&bytes[..]).unwrap();
        assert_eq!(response.kind, i32::from(Kind::Notify));
        assert!(response.success);
        let notice = Notice { script: Some("x".into()), pid: Some(9) };
        assert_eq!((response.notice, response.errno), (Some(notice), Some(11)));
        assert!(Response::decode(&bytes[..12]).is_err());
    }
}
