//! A registry that answers as a test wants: honest by default, hostile where told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use imgmgr::digest::Digest;
use imgmgr::image::{Descriptor, ImageManifest, media};

/// What a client sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The bytes that a `Range` header asks for.
    pub(crate) fn range(&self) -> Option<(usize, usize)> {
        let (start, end) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse().ok()?, end.parse::<usize>().ok()? + 1))
    }
}

/// What the server does then.
pub(crate) enum Reply {
    /// Answers.
    Full(u16, Vec<(String, String)>, Vec<u8>),
    /// Announces `length` bytes, sends fewer, and closes the connection.
    Cut { status: u16, headers: Vec<(String, String)>, length: usize, sent: Vec<u8> },
    /// As `Cut`, but keeps the connection open and silent until the client leaves.
    Stall { status: u16, headers: Vec<(String, String)>, length: usize, sent: Vec<u8> },
    /// Sends chunks until the client leaves.
    Endless,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Full(status, Vec::new(), Vec::new())
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::Full(307, vec![("Location".to_owned(), to.to_owned())], Vec::new())
    }
}

type Trick = Box<dyn Fn(&Request, usize) -> Option<Reply> + Send + Sync>;

struct Shared {
    contents: Mutex<HashMap<String, (String, Vec<u8>)>>,
    requests: Mutex<Vec<Request>>,
    trick: Trick,
}

/// A running server; it ends with the process.
pub(crate) struct Server {
    pub(crate) host: String,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn honest() -> Self {
        Self::start(|_, _| None)
    }

    /// Starts a server that asks `trick` first; it is given how many requests for the same
    /// method and path came before.
    pub(crate) fn start(
        trick: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (contents, requests) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { contents, requests, trick: Box::new(trick) });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { host, shared }
    }

    /// Serves `bytes` at `path`.
    pub(crate) fn put(&self, path: &str, kind: &str, bytes: &[u8]) {
        let content = (kind.to_owned(), bytes.to_vec());
        self.shared.contents.lock().unwrap().insert(path.to_owned(), content);
    }

    pub(crate) fn put_blob(&self, kind: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(kind, bytes);
        let path = format!("/v2/a/blobs/{}", descriptor.digest);
        self.put(&path, "application/octet-stream", bytes);
        descriptor
    }

    pub(crate) fn put_manifest(&self, tag: &str, kind: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(kind, bytes);
        self.put(&format!("/v2/a/manifests/{tag}"), kind, bytes);
        self.put(&format!("/v2/a/manifests/{}", descriptor.digest), kind, bytes);
        descriptor
    }

    /// Serves an image `a:1` with these layers, and returns its manifest.
    pub(crate) fn put_image(&self, layers: &[&[u8]]) -> ImageManifest {
        let diff_ids: Vec<String> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: self.put_blob(media::OCI_CONFIG, config.to_string().as_bytes()),
            layers: layers.iter().map(|layer| self.put_blob(media::OCI_LAYER, layer)).collect(),
            subject: None,
            annotations: None,
        };
        self.put_manifest("1", media::OCI_MANIFEST, &manifest.to_bytes());
        manifest
    }

    /// Every request so far whose path contains `part`.
    pub(crate) fn requests(&self, part: &str) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| request.path.contains(part)).cloned().collect()
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let request = Request { method, path, headers };
    let before = {
        let mut requests = shared.requests.lock().unwrap();
        let same = |r: &&Request| r.path == request.path && r.method == request.method;
        let before = requests.iter().filter(same).count();
        requests.push(request.clone());
        before
    };
    let reply = (shared.trick)(&request, before).unwrap_or_else(|| honest(&request, shared));
    let _ = answer(stream, &request, reply); // a client may leave at any time
}

fn honest(request: &Request, shared: &Shared) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let contents = shared.contents.lock().unwrap();
    let Some((kind, bytes)) = contents.get(path) else { return Reply::status(404) };
    let mut headers = vec![("Content-Type".to_owned(), kind.clone())];
    if path.contains("/manifests/") {
        headers.push(("Docker-Content-Digest".to_owned(), Digest::of(bytes).to_string()));
    }
    match request.range() {
        Some((start, end)) if end <= bytes.len() => {
            let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
            headers.push(("Content-Range".to_owned(), range));
            Reply::Full(206, headers, bytes[start..end].to_vec())
        }
        _ => Reply::Full(200, headers, bytes.clone()),
    }
}

fn answer(mut stream: TcpStream, request: &Request, reply: Reply) -> std::io::Result<()> {
    let head = |status: u16, headers: &[(String, String)], length: usize| {
        let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        format!("{text}Content-Length: {length}\r\n\r\n")
    };
    match reply {
        Reply::Full(status, headers, body) => {
            stream.write_all(head(status, &headers, body.len()).as_bytes())?;
            if request.method != "HEAD" {
                stream.write_all(&body)?;
            }
        }
        Reply::Cut { status, headers, length, sent } => {
            stream.write_all(head(status, &headers, length).as_bytes())?;
            stream.write_all(&sent)?;
        }
        Reply::Stall { status, headers, length, sent } => {
            stream.write_all(head(status, &headers, length).as_bytes())?;
            stream.write_all(&sent)?;
            while stream.read(&mut [0; 64])? > 0 {}
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = vec![b'x'; 0x10000];
            loop {
                stream.write_all(b"10000\r\n")?;
                stream.write_all(&chunk)?;
                stream.write_all(b"\r\n")?;
            }
        }
    }
    Ok(())
}
