//! `fastai serve`, over real sockets.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::small::small;
#[cfg(unix)]
use crate::started::ignores_hup;

/// A run whose model the tests share.
fn run() -> PathBuf {
    static SCRATCH: OnceLock<TempDir> = OnceLock::new();
    let scratch = SCRATCH.get_or_init(|| {
        let scratch = TempDir::new().unwrap();
        let recipe = small(&scratch);
        let run = scratch.path().join("run");
        fastai(&scratch)
            .args(["run", "-q", "--smoke", "--device", "cpu"])
            .arg(recipe)
            .arg("--out")
            .arg(run)
            .assert()
            .success();
        scratch
    });
    scratch.path().join("run")
}

fn chip(number: usize) -> Vec<u8> {
    fs::read(Path::new(ROOT).join(format!("examples/data/globe/train-jpg/train_{number}.jpg"))).unwrap()
}

/// A server that ends with the test.
pub struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

pub struct Answer {
    pub status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        Self::of(&run(), arguments)
    }

    pub fn of(run: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastai"));
        command.current_dir(ROOT).arg("serve").arg(run).args(["--device", "cpu", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_suffix('/').and_then(|line| line.split("http://").nth(1)).expect(&line);
        Server { child, address: address.parse().unwrap(), output }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends bytes and reads an answer.
    fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The server may answer, and close, before it has read everything.
        let _ = stream.write_all(request);
        read_answer(&mut BufReader::new(stream))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
    }

    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.raw(&[&head(path, kind, body.len()), body].concat())
    }

    fn predict(&self, body: &[u8]) -> Answer {
        self.post("/predict", "image/jpeg", body)
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Waits for the end; returns the exit code and what was printed after the address.
    fn ends(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn head(path: &str, kind: &str, length: usize) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> Answer {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {line:?}")).parse().unwrap();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_string());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Answer { status, headers, body }
}

/// A form with files.
pub fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!("--limit\r\ncontent-disposition: form-data; name=\"image\"; filename=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(b"--limit--\r\n");
    body
}

pub const FORM: &str = "multipart/form-data; boundary=limit";

/// A PNG of one colour: few bytes, many pixels.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes(), kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let row = vec![0; 1 + 3 * width as usize];
    (0..height).for_each(|_| packed.write_all(&row).unwrap());
    let size = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = packed.finish().unwrap();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &size), chunk(b"IDAT", &data), chunk(b"IEND", &[])].concat()
}

fn metric(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("{name}: {text}"));
    line.parse().unwrap()
}

/// Waits for what takes moments; for a deaf client, some seconds.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let patience = Instant::now();
    while !is_so() {
        assert!(patience.elapsed() < Duration::from_secs(20), "it never was so");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What `fastai predict` says of the first chips.
fn predicted(scratch: &TempDir, run: &Path) -> Vec<Value> {
    let files = (0..3).map(|n| format!("examples/data/globe/train-jpg/train_{n}.jpg"));
    let lines = stdout(fastai(scratch).args(["predict", "--jsonl", "-q", "--device", "cpu"]).arg(run).args(files));
    let without_file = |line: &str| {
        let mut answer: Value = serde_json::from_str(line).unwrap();
        answer.as_object_mut().unwrap().remove("file");
        answer
    };
    lines.lines().map(without_file).collect()
}

#[test]
fn an_ensemble_with_thresholds_of_its_own_is_served() {
    let scratch = TempDir::new().unwrap();
    let (recipe, run) = (small(&scratch), scratch.path().join("run"));
    fastai(&scratch)
        .args(["run", "-q", "--smoke", "--device", "cpu", "--set", "data.valid=folds(2)"])
        .args(["--set", "metrics=[f2(threshold = search_each)]"])
        .arg(recipe)
        .arg("--out")
        .arg(&run)
        .assert()
        .success();
    let server = Server::of(&run, &[]);
    for (n, wanted) in predicted(&scratch, &run).iter().enumerate() {
        assert_eq!(server.predict(&chip(n)).json(), *wanted);
    }
    let model = server.get("/model").json();
    let thresholds = model["threshold"].as_array().unwrap();
    assert_eq!(thresholds.len(), model["classes"].as_array().unwrap().len());
    assert!(thresholds.iter().all(|t| (0.0..1.0).contains(&t.as_f64().unwrap())), "{thresholds:?}");
}

#[test]
fn a_served_model_says_what_predict_says() {
    let server = Server::start(&[]);
    let wanted = predicted(&TempDir::new().unwrap(), &run());
    for (n, wanted) in wanted.iter().enumerate() {
        let answer = server.predict(&chip(n));
        assert_eq!((answer.status, &answer.json()), (200, wanted));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    // A form answers in order, with a reason in the place of what cannot be read.
    let answer = server.post("/predict", FORM, &form(&[("b.jpg", &chip(1)), ("<no>", b"x"), ("a.jpg", &chip(0))]));
    let images = answer.json()["images"].as_array().unwrap().clone();
    assert_eq!((answer.status, images.len()), (200, 3));
    assert_eq!((&images[0]["probabilities"], &images[0]["file"]), (&wanted[1]["probabilities"], &"b.jpg".into()));
    assert_eq!((&images[1]["file"], images[1]["error"].is_string()), (&"<no>".into(), true));
    assert_eq!(images[2]["said"], wanted[0]["said"]);
    // What a request asks for.
    let top = server.post("/predict?top=2&threshold=0", "application/octet-stream", &chip(0)).json();
    assert_eq!(top["top"].as_array().unwrap().len(), 2);
    assert_eq!(top["said"].as_array().unwrap().len(), wanted[0]["probabilities"].as_object().unwrap().len());

    let model = server.get("/model").json();
    assert_eq!(
        (&model["recipe"], &model["task"], &model["size"]),
        (&"Small".into(), &"multi_label".into(), &32.into())
    );
    assert_eq!(model["limits"]["bytes"], 20_000_000);
    let page = server.get("/");
    assert!(page.headers["content-type"].starts_with("text/html") && page.text().contains("Drop images here"));
    assert!(!page.text().contains("http"), "the page loads nothing");
    assert!(page.headers["content-security-policy"].starts_with("default-src 'none'"));
    assert_eq!(server.get("/health").json()["status"], "ok");
    assert_eq!(metric(&server, "fastai_images_total{result=\"answered\"}"), 6.0);
    assert_eq!(metric(&server, "fastai_images_total{result=\"unreadable\"}"), 1.0);
    assert_eq!(metric(&server, "fastai_requests_total{path=\"/predict\",status=\"200\"}"), 5.0);
    assert!(metric(&server, "process_resident_memory_bytes") > 1e6);
    // One connection takes many requests.
    let mut stream = BufReader::new(server.connect());
    for _ in 0..3 {
        let request = [head("/predict", "image/jpeg", chip(0).len()), chip(0)].concat();
        stream.get_mut().write_all(&request).unwrap();
        assert_eq!(read_answer(&mut stream).json(), wanted[0]);
    }
}

#[test]
fn hostile_requests_are_refused_and_the_next_is_answered() {
    let server = Server::start(&["--max-body", "1", "--max-images", "3", "--timeout", "20"]);
    let sound = chip(0);
    let wanted = server.predict(&sound).body;
    let jpeg = "image/jpeg";
    let refused = |request: &[u8], status: u16, part: &str| {
        let answer = server.raw(request);
        assert!(answer.status == status && answer.text().contains(part), "{}: {} {part}", answer.status, answer.text());
        assert_eq!(server.predict(&sound).body, wanted, "after {part}");
    };
    let post = |kind: &str, body: &[u8]| [head("/predict", kind, body.len()), body.to_vec()].concat();
    refused(&post(jpeg, b""), 422, "no body");
    refused(&post(jpeg, b"hello"), 422, "error");
    refused(&post(jpeg, &sound[..sound.len() / 2]), 422, "error");
    refused(&post("text/html", &sound), 415, "multipart/form-data");
    refused(&post("application/json", b"{}"), 415, "multipart/form-data");
    refused(&post("image/png", &bomb(8000, 8000)), 422, "at most 50 million");
    refused(&post("image/png", &bomb(20_000, 100)), 422, "too large");
    refused(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n", 413, "more than 1 MB");
    // Not invited to send it first.
    let expecting =
        b"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 999999999999\r\n\r\n";
    refused(expecting, 413, "more than 1 MB");
    refused(&post(jpeg, &vec![7; 1_000_001]), 413, "more than 1 MB");
    let mut chunked = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..20 {
        chunked.extend([b"10000\r\n".to_vec(), vec![0; 0x10000], b"\r\n".to_vec()].concat());
    }
    refused(&chunked, 413, "more than 1 MB");
    refused(&post("multipart/form-data", b"x"), 400, "boundary");
    refused(&post(FORM, b"nothing of a form"), 400, "form");
    refused(&post(FORM, b"--limit--\r\n"), 422, "no files");
    refused(&post(FORM, &form(&[("a", &sound)])[..300]), 400, "form");
    refused(&post(FORM, &form(&[("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4")])), 413, "more than 3 images");
    refused(&post(FORM, &form(&[("a", &vec![0; 600_000]), ("b", &vec![0; 600_000])])), 413, "more than 1 MB");
    refused(&post(FORM, &form(&[(&"n".repeat(256), &sound)])), 400, "the name of a file has 256 bytes, at most 255");
    assert_eq!(server.post("/predict", FORM, &form(&[(&"n".repeat(255), &sound)])).status, 200);
    for (query, part) in [
        ("top=0", "top=0: a whole number, at least 1, is wanted"),
        ("top=x", "top=x: a whole number, at least 1, is wanted"),
        ("top=1&top=2", "top is given twice"),
        ("threshold=2", "threshold=2: a number from 0 to 1 is wanted"),
        ("threshold=nan", "a number from 0 to 1 is wanted"),
        ("url=http%3A%2F%2Fx", "is not known; `top` and `threshold` are"),
    ] {
        refused(&[head(&format!("/predict?{query}"), jpeg, sound.len()), sound.clone()].concat(), 400, part);
    }
    refused(b"GET /predict HTTP/1.1\r\nhost: x\r\n\r\n", 405, "POST");
    refused(b"POST /model HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 405, "GET");
    refused(b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n", 404, "not here");
    refused(b"this is not HTTP\r\n\r\n", 400, "");
    refused(format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)).as_bytes(), 431, "");
    // Bodies that break off have nobody to answer.
    for length in [0, 1, sound.len() / 2, sound.len() - 1] {
        let mut stream = server.connect();
        stream.write_all(&[&head("/predict", jpeg, sound.len()), &sound[..length]].concat()).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    // Damaged files: an answer or a reason, never anything else.
    let mut state = 1_u64;
    for _ in 0..60 {
        let mut damaged = sound.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (state >> 33) as usize % damaged.len();
            damaged[place] = (state >> 20) as u8;
        }
        let answer = server.predict(&damaged);
        assert!(matches!(answer.status, 200 | 422), "{}: {}", answer.status, answer.text());
    }
    assert_eq!(server.predict(&sound).body, wanted);
    assert_eq!(server.get("/health").status, 200);
    // Broken-off requests leave nothing behind.
    wait_until(|| {
        metric(&server, "fastai_requests_in_progress") == 0.0 && metric(&server, "fastai_waiting_images") == 0.0
    });
}

/// Otherwise, the client would see a broken connection.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(&[]);
    let body = vec![0; 8_000_000];
    for (path, kind, status) in [
        ("/predict", "text/html", 415),
        ("/predict?top=0", "image/jpeg", 400),
        ("/model", "image/jpeg", 405),
        ("/nowhere", "image/jpeg", 404),
    ] {
        let mut stream = server.connect();
        stream.write_all(&[&head(path, kind, body.len()), &body[..]].concat()).unwrap();
        assert_eq!(read_answer(&mut BufReader::new(stream)).status, status, "{path}");
    }
}

#[test]
fn slow_clients_keep_nobody_away() {
    let server = Server::start(&["--timeout", "2"]);
    let sound = chip(0);
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(&head("/predict", "image/jpeg", sound.len())).unwrap();
            stream.write_all(&sound[..100]).unwrap();
            stream
        })
        .collect();
    let silent: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    // Asks without end and reads nothing.
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let question = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    while deaf.write_all(&question).is_ok() {}
    for _ in 0..20 {
        assert_eq!(server.predict(&sound).status, 200);
    }
    for stream in slow {
        let answer = read_answer(&mut BufReader::new(stream));
        assert_eq!((answer.status, answer.headers["connection"].as_str()), (408, "close"), "{}", answer.text());
    }
    // The one that asks for these numbers has a connection, too.
    wait_until(|| metric(&server, "fastai_connections") <= 1.0 + silent.len() as f64);
    for mut stream in silent {
        // Closed after ten seconds without a request, with or without a word.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    wait_until(|| metric(&server, "fastai_connections") == 1.0);
    assert_eq!(server.predict(&sound).status, 200);
}

#[test]
fn many_clients_get_their_own_answers() {
    let server = Server::start(&["--connections", "40"]);
    let alone: Vec<Vec<u8>> = (0..8).map(|n| server.predict(&chip(n)).body).collect();
    assert!(alone.windows(2).any(|two| two[0] != two[1]));
    std::thread::scope(|scope| {
        // More than the connections that are open at a time.
        for client in 0..80 {
            let (server, alone) = (&server, &alone);
            scope.spawn(move || {
                for n in 0..4 {
                    let n = (client + n) % alone.len();
                    assert!(server.predict(&chip(n)).body == alone[n], "client {client}, chip {n}");
                }
            });
        }
    });
    assert_eq!(metric(&server, "fastai_images_total{result=\"answered\"}"), 328.0);
    assert!(metric(&server, "fastai_pass_images_count") <= 328.0);
    assert_eq!(metric(&server, "fastai_waiting_images"), 0.0);
}

#[test]
fn requests_beyond_a_limit_are_told_to_come_again() {
    let server = Server::start(&["--concurrency", "1"]);
    let sound = chip(0);
    let mut first = server.connect();
    first.write_all(&[&head("/predict", "image/jpeg", sound.len()), &sound[..9]].concat()).unwrap();
    wait_until(|| metric(&server, "fastai_requests_in_progress") >= 1.0);
    let refused = server.predict(&sound);
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "1"), "{}", refused.text());
    assert_eq!(server.get("/health").status, 200);
    first.write_all(&sound[9..]).unwrap();
    assert_eq!(read_answer(&mut BufReader::new(first)).status, 200);
    assert_eq!(server.predict(&sound).status, 200);

    let full = Server::start(&["--buffer", "1", "--max-body", "1"]);
    let mut first = full.connect();
    first.write_all(&[&head("/predict", "image/jpeg", 990_000)[..], &vec![0; 980_000]].concat()).unwrap();
    wait_until(|| metric(&full, "fastai_buffer_bytes") >= 980_000.0);
    assert_eq!(full.post("/predict", "image/jpeg", &vec![0; 50_000]).status, 503);
    first.write_all(&vec![0; 10_000]).unwrap();
    assert_eq!(read_answer(&mut BufReader::new(first)).status, 422);
    assert_eq!(full.predict(&sound).status, 200);
    assert_eq!(metric(&full, "fastai_buffer_bytes"), 0.0);
    // What belongs to no file of a form counts as well.
    let mut unnamed = full.connect();
    unnamed
        .write_all(&[&head("/predict", FORM, 990_000)[..], b"--limit\r\nx: ", &vec![b'x'; 980_000]].concat())
        .unwrap();
    wait_until(|| metric(&full, "fastai_buffer_bytes") >= 980_000.0);
    drop(unnamed);

    let scratch = TempDir::new().unwrap();
    let taken = server.address.to_string();
    let message = stderr(fastai(&scratch).arg("serve").arg(run()).args(["--device", "cpu", "--listen", &taken]), 1);
    assert!(message.contains(&taken) && message.contains("--listen 127.0.0.1:0"), "{message}");
    let message = stderr(fastai(&scratch).args(["serve", "no/run", "--listen", "8377"]), 2);
    assert!(message.contains("an address in numbers and a port are wanted, such as 127.0.0.1:8377"), "{message}");
    let message = stderr(fastai(&scratch).arg("serve").arg(run()).args(["--buffer", "5"]), 2);
    assert!(message.contains("--buffer 5") && message.contains("--max-body 20"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_signal_lets_what_is_in_progress_end() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut server = Server::start(&[]);
        let (sound, idle) = (chip(0), server.connect());
        let mut begun = server.connect();
        begun.write_all(&[&head("/predict", "image/jpeg", sound.len()), &sound[..9]].concat()).unwrap();
        wait_until(|| metric(&server, "fastai_requests_in_progress") >= 1.0);
        server.signal(signal);
        if signal == "HUP" && ignores_hup() {
            std::thread::sleep(Duration::from_millis(500));
            assert_eq!(server.get("/health").status, 200, "`nohup` keeps a server");
            server.signal("TERM");
        }
        wait_until(|| TcpStream::connect(server.address).is_err());
        begun.write_all(&sound[9..]).unwrap();
        let answer = read_answer(&mut BufReader::new(begun));
        assert_eq!((answer.status, answer.headers["connection"].as_str()), (200, "close"), "{signal}");
        let (code, rest) = server.ends();
        assert!(code == Some(0) && rest.contains("stopped; "), "{signal}: {code:?} {rest}");
        drop(idle);
    }
    // A client that never ends is cut off, and that is said.
    let mut server = Server::start(&["--grace", "1"]);
    let mut begun = server.connect();
    begun.write_all(&head("/predict", "image/jpeg", 1000)).unwrap();
    wait_until(|| metric(&server, "fastai_requests_in_progress") >= 1.0);
    server.signal("TERM");
    assert_eq!(server.ends().0, Some(1));
}
