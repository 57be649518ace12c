//! Proxies, as the environment names them.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::certificates::Authority;
use super::registry::Registry;
use super::support::{Place, layout, refuses, succeeds, tar};

/// A proxy for which every name means the same server; it ends with the process.
struct Proxy {
    host: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (server, kept) = (server.to_owned(), Arc::clone(&heads));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, kept) = (server.clone(), Arc::clone(&kept));
                std::thread::spawn(move || serve(client, &server, &kept));
            }
        });
        Self { host, heads }
    }

    /// What it was asked since the last time.
    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

/// One connection: a tunnel, whether by `CONNECT` or by a server that takes absolute URLs.
fn serve(client: TcpStream, server: &str, kept: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    kept.lock().unwrap().push(head.clone());
    let mut there = TcpStream::connect(server).ok()?;
    let mut back = client;
    if head.starts_with("CONNECT ") {
        back.write_all(b"HTTP/1.1 200 X\r\n\r\n").ok()?;
    } else {
        there.write_all(head.as_bytes()).ok()?;
    }
    let mut from_server = there.try_clone().ok()?;
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut reader, &mut there);
    let _ = there.shutdown(Shutdown::Both);
    Some(())
}

fn push(place: &Place, to: &str) -> Command {
    let from = format!("oci:{}:v1", place.path("in").display());
    place.command(&["--attempts", "1", "copy", &from, &format!("docker://{to}/app:1")])
}

fn place() -> Place {
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 1000)]);
    place
}

#[test]
fn http_proxy_and_no_proxy() {
    let Some(registry) = Registry::open() else { return };
    let (proxy, place) = (Proxy::to(&registry.host), place());
    let through = |name: &str, to: &str, more: &[(&str, &str)]| {
        let mut command = push(&place, to);
        command.args(["--insecure-registry", to]).env(name, format!("http://{}", proxy.host));
        command.envs(more.iter().copied());
        command
    };
    // A name that nobody but the proxy knows.
    succeeds(&mut through("HTTP_PROXY", "registry.test:5000", &[]));
    let heads = proxy.heads();
    let first = heads.iter().find(|head| !head.starts_with("CONNECT ")).unwrap();
    assert!(first.contains(" http://registry.test:5000/v2/"), "{first}");
    succeeds(&mut through("http_proxy", "registry.test:5000", &[]));
    assert!(!proxy.heads().is_empty());
    for exempt in ["127.0.0.1", "127.0.0.0/8", "other.test,127.0.0.1"] {
        succeeds(&mut through("HTTP_PROXY", &registry.host, &[("NO_PROXY", exempt)]));
        assert_eq!(proxy.heads(), [""; 0], "{exempt}");
    }
    refuses(1, &mut through("HTTP_PROXY", "registry.test:5000", &[("NO_PROXY", ".test")]));
    assert_eq!(proxy.heads(), [""; 0]);
}

#[test]
fn https_goes_through_a_tunnel_and_is_verified_to_its_end() {
    let Some(authority) = Authority::new() else { return };
    let Some(registry) = authority.registry(None) else { return };
    let (proxy, place) = (Proxy::to(&registry.host), place());
    let through = || {
        let mut command = push(&place, "registry.test:5000");
        command.env("HTTPS_PROXY", format!("http://me:pw@{}", proxy.host));
        command
    };
    refuses(1, &mut through());
    succeeds(through().arg("--ca-file").arg(authority.path("ca.crt")));
    let heads = proxy.heads();
    assert!(heads.iter().all(|head| head.starts_with("CONNECT registry.test:5000 ")));
    let authorization = "proxy-authorization: basic bwu6chc=";
    assert!(heads.iter().all(|head| head.to_lowercase().contains(authorization)), "{heads:?}");
}
