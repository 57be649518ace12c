//! A registry in memory that takes uploads by the letter of the distribution-spec, and does with
//! one that is cut off what registries do.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use imgmgr::digest::Digest;

/// What becomes of a chunk that is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The part that came stays.
    Kept,
    /// The chunk is as if it never came.
    Dropped,
    /// The whole upload is gone.
    Forgotten,
}

#[derive(Default)]
struct State {
    blobs: HashMap<String, u64>,
    uploads: HashMap<String, Vec<u8>>,
    started: usize,
    /// Bodies that are being read.
    reading: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    read: Condvar,
}

/// A running server; it ends with the process.
pub(crate) struct Uploads {
    pub(crate) host: String,
    shared: Arc<Shared>,
}

impl Uploads {
    pub(crate) fn start(cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared: Arc<Shared> = Arc::default();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(stream, &shared, cut));
            }
        });
        Self { host, shared }
    }

    /// How many blobs it has.
    pub(crate) fn blobs(&self) -> usize {
        self.shared.state.lock().unwrap().blobs.len()
    }
}

fn serve(mut stream: TcpStream, shared: &Shared, cut: Cut) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    shared.state.lock().unwrap().reading += usize::from(length > 0);
    let mut body = Vec::new();
    let whole = reader.take(length).read_to_end(&mut body).is_ok() && body.len() as u64 == length;
    let mut state = shared.state.lock().unwrap();
    if method == "GET" {
        // Somebody asks who was cut off: first comes what was on its way.
        state = shared.read.wait_while(state, |state| state.reading > 0).unwrap();
    }
    let reply = reply(&mut state, &method, &target, body, whole, cut);
    state.reading -= usize::from(length > 0);
    drop(state);
    shared.read.notify_all();
    let _ = stream.write_all(reply.as_bytes()); // the client may be gone
    Some(())
}

fn reply(
    state: &mut State,
    method: &str,
    target: &str,
    mut body: Vec<u8>,
    whole: bool,
    cut: Cut,
) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let answer = |status: u16, headers: &str| {
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n")
    };
    let place = |name: &str, bytes: &Vec<u8>| {
        let range = format!("Range: 0-{}\r\n", bytes.len().saturating_sub(1));
        format!("Location: /v2/a/blobs/uploads/{name}\r\n{range}")
    };
    match method {
        "HEAD" if path.contains("/blobs/") => match state.blobs.get(&name) {
            Some(_) => answer(200, ""),
            None => answer(404, ""),
        },
        "POST" => {
            state.started += 1;
            let name = format!("u{}", state.started);
            let headers = place(&name, &Vec::new());
            state.uploads.insert(name, Vec::new());
            answer(202, &headers)
        }
        "PUT" if path.contains("/manifests/") => answer(201, ""),
        "GET" | "PATCH" | "PUT" => {
            let Some(upload) = state.uploads.get_mut(&name) else { return answer(404, "") };
            match (whole, cut) {
                (true, _) | (_, Cut::Kept) => upload.append(&mut body),
                (false, Cut::Dropped) => {}
                (false, Cut::Forgotten) => drop(state.uploads.remove(&name)),
            }
            if !whole {
                return answer(400, "");
            }
            let headers = place(&name, &state.uploads[&name]);
            match method {
                "GET" => answer(204, &headers),
                "PATCH" => answer(202, &headers),
                _ => {
                    let bytes = state.uploads.remove(&name).unwrap_or_default();
                    let digest = Digest::of(&bytes);
                    let wanted = query.replace("%3A", ":");
                    if wanted != format!("digest={digest}") {
                        return answer(400, "");
                    }
                    state.blobs.insert(digest.to_string(), bytes.len() as u64);
                    answer(201, "")
                }
            }
        }
        _ => answer(404, ""),
    }
}
