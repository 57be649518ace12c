//! Pulls from a registry that cuts, stalls, lies and misleads: a clear error or a resume, and the
//! store intact.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use imgmgr::digest::Digest;
use imgmgr::image::{Descriptor, Index, MAX_CONFIG_BYTES, media};
use imgmgr::pull::{PullError, PullOptions, Pulled, pull};
use imgmgr::reference::{Reference, Repository};
use imgmgr::registry::{
    Client, ClientOptions, Credential, CredentialSource, Endpoint, EndpointSource, FailureKind,
    NoCredentials, RetryPolicy, Scheme,
};
use imgmgr::store::{Durability, Store};
use server::{Reply, Server};

/// Everything is plain HTTP at the registry itself.
#[derive(Debug)]
struct Plain;

impl EndpointSource for Plain {
    fn endpoints(&self, repository: &Repository) -> Result<Vec<Endpoint>, String> {
        Ok(vec![Endpoint::origin(repository, Scheme::Http)])
    }
}

#[derive(Debug)]
struct User;

impl CredentialSource for User {
    fn credential(&self, _: &str, _: &str) -> Result<Option<Credential>, String> {
        let (username, password) = ("u".to_owned(), "p".to_owned());
        Ok(Some(Credential::Password { username, password }))
    }
}

struct Case {
    _directory: tempfile::TempDir,
    store: Store,
    attempts: u32,
    stall_timeout: Duration,
    credentials: fn() -> Box<dyn CredentialSource>,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_real(&directory.path().join("s"), Durability::NoSync).unwrap();
        Self {
            _directory: directory,
            store,
            attempts: 3,
            stall_timeout: Duration::from_secs(60),
            credentials: || Box::new(NoCredentials),
        }
    }

    fn client(&self) -> Client {
        let retry = RetryPolicy {
            attempts: self.attempts,
            first_pause: Duration::from_millis(1),
            longest_retry_after: Duration::from_secs(5),
            ..RetryPolicy::default()
        };
        let options =
            ClientOptions { retry, stall_timeout: self.stall_timeout, ..ClientOptions::default() };
        Client::new(options, Box::new(Plain), (self.credentials)())
    }

    fn pull(&self, server: &Server) -> Result<Pulled, PullError> {
        let reference = Reference::parse(&format!("{}/a:1", server.host)).unwrap();
        let remote = self.client().remote(reference.repository());
        let (name, options) = (reference.to_string(), PullOptions::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(pull(
            &remote,
            &reference,
            &self.store,
            &name,
            &options,
            Arc::new(()),
            None,
        ))
    }

    /// Pulls, expects a failure that tells `words`, and a store without traces of it.
    #[track_caller]
    fn fails(&self, server: &Server, words: &str) -> PullError {
        let error = self.pull(server).unwrap_err();
        let mut text = error.to_string();
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        assert!(text.contains(words), "`{text}` should tell `{words}`");
        self.intact();
        assert!(self.store.list().unwrap().is_empty());
        error
    }

    #[track_caller]
    fn intact(&self) {
        assert_eq!(self.store.fsck().unwrap(), []);
    }

    #[track_caller]
    fn nothing_in_ingest(&self) {
        let left = std::fs::read_dir(self.store.root().join("x-imgmgr/ingest")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Bytes without a pattern that a wrong offset could hide in.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn is_blob_get(request: &server::Request) -> bool {
    request.method == "GET" && request.path.contains("/blobs/")
}

#[test]
fn an_honest_registry_serves_and_a_second_pull_asks_once() {
    let server = Server::honest();
    server.put_image(&[b"one", b"two"]);
    let case = Case::new();
    assert!(!case.pull(&server).unwrap().up_to_date);
    let before = server.requests("").len();
    assert!(case.pull(&server).unwrap().up_to_date);
    assert_eq!(server.requests("").len() - before, 1);
    case.intact();
    case.nothing_in_ingest();
}

#[test]
fn a_cut_layer_is_resumed_where_it_broke_off() {
    let layer = noise(3 << 20);
    let digest = Digest::of(&layer).to_string();
    let body = layer.clone();
    let server = Server::start(move |request, before| {
        (is_blob_get(request) && request.path.contains(&digest) && before == 0).then(|| {
            Reply::Cut {
                status: 200,
                headers: Vec::new(),
                length: body.len(),
                sent: body[..2_500_000].to_vec(),
            }
        })
    });
    let manifest = server.put_image(&[&layer]);
    let case = Case::new();
    case.pull(&server).unwrap();
    let asked = server.requests(&manifest.layers[0].digest.to_string());
    assert_eq!(asked.len(), 2);
    // hyper may drop a part of what came just before the cut, never more than a read's worth.
    let (start, end) = asked[1].range().unwrap();
    assert!((2_000_000..=2_500_000).contains(&start), "{start}");
    assert_eq!(end, layer.len());
    case.intact();
}

#[test]
fn a_stalled_layer_is_resumed() {
    let layer = noise(1 << 20);
    let digest = Digest::of(&layer).to_string();
    let body = layer.clone();
    let server = Server::start(move |request, before| {
        (is_blob_get(request) && request.path.contains(&digest) && before == 0).then(|| {
            let (length, sent) = (body.len(), body[..600_000].to_vec());
            Reply::Stall { status: 200, headers: Vec::new(), length, sent }
        })
    });
    server.put_image(&[&layer]);
    let mut case = Case::new();
    // Whatever else is slow on a busy machine is asked for again as well.
    (case.stall_timeout, case.attempts) = (Duration::from_millis(500), 20);
    case.pull(&server).unwrap();
    case.intact();
}

#[test]
fn another_process_goes_on_where_the_last_one_died() {
    let layer = noise(8 << 20);
    let cut_at = layer.len() * 9 / 10;
    let digest = Digest::of(&layer).to_string();
    let body = layer.clone();
    let server = Server::start(move |request, before| {
        (is_blob_get(request) && request.path.contains(&digest) && before == 0).then(|| {
            let (length, sent) = (body.len(), body[..cut_at].to_vec());
            Reply::Cut { status: 200, headers: Vec::new(), length, sent }
        })
    });
    let manifest = server.put_image(&[&layer]);
    let mut case = Case::new();
    case.attempts = 1;
    case.pull(&server).unwrap_err();
    case.pull(&server).unwrap();
    let asked = server.requests(&manifest.layers[0].digest.to_string());
    let (start, end) = asked.last().unwrap().range().unwrap();
    assert!((end - start) * 1000 <= layer.len() * 140, "moved {} again", end - start);
    case.intact();
    case.nothing_in_ingest();
}

#[test]
fn a_large_layer_comes_in_ranges() {
    let layer = noise(40 << 20);
    let server = Server::honest();
    let manifest = server.put_image(&[&layer]);
    let case = Case::new();
    case.pull(&server).unwrap();
    let asked = server.requests(&manifest.layers[0].digest.to_string());
    assert!(asked.len() >= 3 && asked.iter().all(|request| request.range().is_some()));
    case.intact();
}

#[test]
fn a_server_without_ranges_is_read_whole() {
    let layer = noise(40 << 20);
    let (digest, body) = (Digest::of(&layer).to_string(), layer.clone());
    let server = Server::start(move |request, _| {
        (is_blob_get(request) && request.path.contains(&digest))
            .then(|| Reply::Full(200, Vec::new(), body.clone()))
    });
    let manifest = server.put_image(&[&layer]);
    let case = Case::new();
    case.pull(&server).unwrap();
    assert_eq!(server.requests(&manifest.layers[0].digest.to_string()).len(), 1);
    case.intact();
}

#[test]
fn a_layer_of_other_bytes_is_refused_and_forgotten() {
    let layer = noise(1 << 20);
    let digest = Digest::of(&layer).to_string();
    let server = Server::start(move |request, _| {
        (is_blob_get(request) && request.path.contains(&digest))
            .then(|| Reply::Full(200, Vec::new(), vec![0; 1 << 20]))
    });
    server.put_image(&[&layer]);
    let case = Case::new();
    case.fails(&server, "hashes to");
    case.nothing_in_ingest();
}

#[test]
fn a_layer_of_another_length_is_refused() {
    for wrong in [10, 0, 2 << 20] {
        let layer = noise(1 << 20);
        let digest = Digest::of(&layer).to_string();
        let server = Server::start(move |request, _| {
            (is_blob_get(request) && request.path.contains(&digest))
                .then(|| Reply::Full(200, Vec::new(), vec![1; wrong]))
        });
        server.put_image(&[&layer]);
        Case::new().fails(&server, "bytes long, not");
    }
}

#[test]
fn endless_answers_are_cut_short() {
    for what in ["/manifests/", "/blobs/"] {
        let server =
            Server::start(move |request, _| request.path.contains(what).then_some(Reply::Endless));
        server.put_image(&[b"x"]);
        Case::new().fails(&server, "longer than");
    }
    let layer = noise(1 << 20);
    let digest = Digest::of(&layer).to_string();
    let server =
        Server::start(move |request, _| request.path.contains(&digest).then_some(Reply::Endless));
    server.put_image(&[&layer]);
    Case::new().fails(&server, "something else");
}

#[test]
fn a_wrong_range_is_not_written() {
    let layer = noise(40 << 20);
    let (digest, body) = (Digest::of(&layer).to_string(), layer.clone());
    let server = Server::start(move |request, _| {
        let (start, end) = request.range().filter(|_| request.path.contains(&digest))?;
        let headers = vec![("Content-Range".to_owned(), format!("bytes 0-{}/*", end - start - 1))];
        Some(Reply::Full(206, headers, body[..end - start].to_vec()))
    });
    server.put_image(&[&layer]);
    Case::new().fails(&server, "asked for");
}

#[test]
fn refusals_are_not_retried_and_tell_their_kind() {
    for (status, kind) in [
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Denied),
        (404, FailureKind::NotFound),
        (418, FailureKind::Other),
    ] {
        let server = Server::start(move |_, _| Some(Reply::status(status)));
        match Case::new().fails(&server, &status.to_string()) {
            PullError::Registry(error) => assert_eq!(error.kind(), kind),
            other => panic!("{other}"),
        }
        assert_eq!(server.requests("").len(), 1);
    }
}

#[test]
fn what_may_pass_is_retried() {
    for status in [429, 500, 502, 503, 504] {
        let server = Server::start(move |_, before| {
            let headers = vec![("Retry-After".to_owned(), "0".to_owned())];
            (before < 2).then(|| Reply::Full(status, headers, Vec::new()))
        });
        server.put_image(&[b"one"]);
        Case::new().pull(&server).unwrap();
    }
}

#[test]
fn what_does_not_pass_ends() {
    let server = Server::start(|_, _| Some(Reply::status(503)));
    Case::new().fails(&server, "503");
    assert_eq!(server.requests("").len(), 3);
    let server = Server::start(|_, _| {
        Some(Reply::Full(429, vec![("Retry-After".to_owned(), "9999".to_owned())], Vec::new()))
    });
    Case::new().fails(&server, "429");
    assert_eq!(server.requests("").len(), 1, "a pause beyond the limit is not waited for");
}

#[test]
fn html_and_garbage_are_no_manifests() {
    for body in ["<html>sign in</html>", "", "{", "null", r#"{"schemaVersion":1}"#] {
        let server = Server::start(move |_, _| {
            let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
            Some(Reply::Full(200, headers, body.as_bytes().to_vec()))
        });
        Case::new().fails(&server, "manifest");
    }
}

#[test]
fn the_stated_digest_must_be_the_bytes_own() {
    let server = Server::start(|request, _| {
        let headers = vec![("Docker-Content-Digest".to_owned(), Digest::of(b"other").to_string())];
        let body = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
        request.path.contains("/manifests/").then_some(Reply::Full(200, headers, body))
    });
    Case::new().fails(&server, "something else");
}

#[test]
fn redirects_in_a_circle_end() {
    let server = Server::start(|request, _| Some(Reply::redirect(&request.path)));
    Case::new().fails(&server, "redirects more than 10 times");
    for bad in ["file:///etc/passwd", "http://"] {
        let server = Server::start(move |_, _| Some(Reply::redirect(bad)));
        Case::new().fails(&server, "redirect");
    }
}

#[test]
fn credentials_stay_with_their_host() {
    let elsewhere = Server::honest();
    let manifest = elsewhere.put_image(&[b"layer"]);
    let there = elsewhere.host.clone();
    let server = Server::start(move |request, _| {
        if request.header("authorization") != Some("Basic dTpw") {
            let headers = vec![("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned())];
            return Some(Reply::Full(401, headers, Vec::new()));
        }
        is_blob_get(request).then(|| Reply::redirect(&format!("http://{there}{}", request.path)))
    });
    server.put_image(&[b"layer"]);
    let mut case = Case::new();
    case.credentials = || Box::new(User);
    case.pull(&server).unwrap();
    let redirected = elsewhere.requests(&manifest.layers[0].digest.to_string());
    assert_eq!(redirected.len(), 1);
    assert!(elsewhere.requests("").iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_bearer_token_is_fetched_once_and_renewed_when_refused() {
    let tokens = Server::start(|_, before| {
        let body = format!(r#"{{"token":"t{before}","expires_in":300}}"#);
        Some(Reply::Full(200, Vec::new(), body.into_bytes()))
    });
    let realm = format!("http://{}/token", tokens.host);
    let server = Server::start(move |request, _| {
        // The first token is revoked once the manifest was read.
        let wanted = if is_blob_get(request) { "Bearer t1" } else { "Bearer t0" };
        (request.header("authorization") != Some(wanted)).then(|| {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"x\"");
            Reply::Full(401, vec![("WWW-Authenticate".to_owned(), challenge)], Vec::new())
        })
    });
    server.put_image(&[b"a"]);
    let mut case = Case::new();
    case.credentials = || Box::new(User);
    case.pull(&server).unwrap();
    let asked = tokens.requests("/token");
    assert_eq!(asked.len(), 2);
    assert!(asked[0].path.contains("service=s") && asked[0].path.contains("repository%3Aa%3Apull"));
    assert_eq!(asked[0].header("authorization"), Some("Basic dTpw"));
}

#[test]
fn useless_token_servers_are_errors() {
    for body in ["", "<html>", "{}", r#"{"token":"a b"}"#, r#"{"token":"a\nb"}"#] {
        let tokens =
            Server::start(move |_, _| Some(Reply::Full(200, Vec::new(), body.as_bytes().to_vec())));
        let challenge = format!("Bearer realm=\"http://{}/token\"", tokens.host);
        let server = Server::start(move |_, _| {
            let headers = vec![("WWW-Authenticate".to_owned(), challenge.clone())];
            Some(Reply::Full(401, headers, Vec::new()))
        });
        Case::new().fails(&server, "cannot get a token");
    }
}

#[test]
fn indexes_end_somewhere() {
    // A digest can't be its own content, so a circle shows as a mismatch ...
    let server = Server::honest();
    let entry = |descriptor: Descriptor| Index::of(vec![descriptor]);
    let own = Descriptor::new(media::OCI_INDEX, Digest::of(b"me"), 300);
    let bytes = serde_json::to_vec(&entry(own)).unwrap();
    server.put_manifest("1", media::OCI_INDEX, &bytes);
    let path = format!("/v2/a/manifests/{}", Digest::of(b"me"));
    server.put(&path, media::OCI_INDEX, &bytes);
    Case::new().fails(&server, "something else");
    // ... and a long chain as too deep.
    let server = Server::honest();
    let mut at =
        server.put_manifest("0", media::OCI_INDEX, br#"{"schemaVersion":2,"manifests":[]}"#);
    for _ in 0..20 {
        at = server.put_manifest("1", media::OCI_INDEX, &serde_json::to_vec(&entry(at)).unwrap());
    }
    Case::new().fails(&server, "nests indexes deeper than 8");
}

#[test]
fn a_hundred_gigabyte_configuration_is_not_asked_for() {
    let server = Server::honest();
    let mut manifest = server.put_image(&[b"x"]);
    manifest.config.size = 100 << 30;
    server.put_manifest("1", media::OCI_MANIFEST, &manifest.to_bytes());
    Case::new().fails(&server, &format!("longer than {MAX_CONFIG_BYTES} bytes"));
    assert_eq!(server.requests("/blobs/").len(), 0);
}

#[test]
fn more_diff_ids_than_layers_are_refused() {
    let server = Server::honest();
    let mut manifest = server.put_image(&[b"x", b"y"]);
    manifest.layers.pop();
    server.put_manifest("1", media::OCI_MANIFEST, &manifest.to_bytes());
    let error = Case::new().pull(&server).unwrap_err();
    assert!(matches!(error, PullError::Config { .. }), "{error}");
}

#[test]
fn ten_pulls_of_overlapping_images_fetch_each_layer_once() {
    let shared: Vec<Vec<u8>> = (0..4).map(|n| noise((300 << 10) + n)).collect();
    let server = Server::honest();
    let layers: Vec<&[u8]> = shared.iter().map(Vec::as_slice).collect();
    let manifest = server.put_image(&layers);
    let case = Case::new();
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            for _ in 0..20 {
                case.store.gc(imgmgr::store::GcRequest::default()).unwrap();
            }
        });
        let pulls: Vec<_> = (0..10).map(|_| scope.spawn(|| case.pull(&server).unwrap())).collect();
        pulls.into_iter().for_each(|pull| drop(pull.join().unwrap()));
        collector.join().unwrap();
    });
    for layer in &manifest.layers {
        assert_eq!(server.requests(&layer.digest.to_string()).len(), 1);
    }
    case.intact();
    case.nothing_in_ingest();
}
