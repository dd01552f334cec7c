//! Atomic file writes.

use std::ffi::OsString;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file or folder that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {error}", path.display())]
pub struct FileError {
    /// `write`, `read`, `create`.
    pub action: &'static str,
    /// Which file.
    pub path: PathBuf,
    /// The error of the system. It is part of the message and therefore not a `source`.
    pub error: io::Error,
}

impl FileError {
    /// Adds the file and the operation to an error of the system.
    pub fn new(action: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        FileError { action, path: path.into(), error }
    }
}

/// Writes `path` atomically: a reader sees the old content or the new one, never a part, even if the process is killed at
/// any instant.
///
/// `content` writes to a temporary file in the same folder, which is then synced and renamed. On any failure (a full disk,
/// a read-only folder, an error of `content`) the temporary file is removed, the old file stays, and the error names
/// `path`. The folder must exist.
///
/// What exists already keeps its kind. A regular file keeps its permissions, owner and group; a symbolic link stays, and
/// the file that it leads to is written, atomically and beside that file. `content` goes straight into a pipe, a terminal
/// or another character device, and is appended to an open file behind `/proc/self/fd` or `/dev/stdout`. Folders, block
/// devices and sockets are errors, whoever the user is.
pub fn write_atomic(
    path: impl AsRef<Path>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    write(path.as_ref(), Whose::User, content)
}

/// Writes a file of the program's own, in the folder of a run, a sweep or a cache, like [`write_atomic`]. Users who share such a
/// folder may go on with each other's work, so where this process may not keep the owner, the group or the permissions of the
/// earlier file, the file gets those of a new one; a group that the earlier file did not have may do only what everybody may.
pub fn write_own(
    path: impl AsRef<Path>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    write(path.as_ref(), Whose::Program, content)
}

/// Who named a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The user, whose file may not pass to another owner unasked.
    User,
    /// The program, in a folder of its own.
    Program,
}

fn write(path: &Path, whose: Whose, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FileError> {
    let write = || match WriteTarget::of(path)? {
        WriteTarget::New(path) => replace(&path, None, content),
        WriteTarget::Regular(path, old) => replace(&path, Some((&old, whose)), content),
        WriteTarget::Stream { append } => stream(path, append, content),
    };
    write().map_err(|e| FileError::new("write", path, e))
}

/// The prefix and the suffix of the temporary names that files have while they are written: `.NAME.xxxxxx.tmp`.
const TEMPORARY: (&str, &str) = (".", ".tmp");

/// Removes the temporary files that killed processes left in `folder`. The caller makes sure that no process writes there
/// now. What cannot be removed only costs space.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let temporary = name.to_str().is_some_and(|n| n.starts_with(TEMPORARY.0) && n.ends_with(TEMPORARY.1));
        if temporary && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What is at a path that is to be written.
enum WriteTarget {
    /// Nothing; links lead here.
    New(PathBuf),
    /// A regular file; links lead here.
    Regular(PathBuf, Metadata),
    /// What takes bytes in order.
    Stream { append: bool },
}

impl WriteTarget {
    fn of(path: &Path) -> io::Result<Self> {
        let found = match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(WriteTarget::New(follow(path)?)),
            found => found?,
        };
        if found.is_file() {
            let end = std::fs::canonicalize(path).and_then(|end| Ok((open_elsewhere(path)?, end)));
            return Ok(match end {
                Ok((false, end)) => WriteTarget::Regular(end, found),
                // The name behind a descriptor may be gone; the file is still open.
                _ => WriteTarget::Stream { append: true },
            });
        }
        let refused = |what: &str| Err(io::Error::other(format!("this is {what}; name a file")));
        if found.is_dir() {
            return refused("a folder");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            let kind = found.file_type();
            if kind.is_block_device() {
                return refused("a block device");
            }
            if kind.is_socket() {
                return refused("a socket");
            }
        }
        Ok(WriteTarget::Stream { append: false })
    }
}

/// The most links on the way to a file, as on Linux.
const MAX_LINKS: usize = 40;

/// Where a link leads that leads to nothing yet; other paths stay as they are.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether the path leads through the descriptors of a process: replacing the file behind one would leave the process with
/// the old file.
fn open_elsewhere(path: &Path) -> io::Result<bool> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..MAX_LINKS {
        let folder = path.parent().map(std::fs::canonicalize).transpose()?.unwrap_or_default();
        if folder.starts_with("/proc") {
            return Ok(true);
        }
        match std::fs::read_link(&path) {
            Ok(next) => path = folder.join(next),
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

/// Streams that are being written.
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// Whether this process writes into a pipe or a terminal. That may wait for ever for a reader and holds nothing that could
/// be kept, so a request to stop may end the process at once.
pub fn is_streaming() -> bool {
    STREAMS.load(Ordering::SeqCst) > 0
}

/// Counts a stream as long as it lives.
struct Streaming;

impl Streaming {
    fn begin() -> Self {
        STREAMS.fetch_add(1, Ordering::SeqCst);
        Streaming
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::SeqCst);
    }
}

fn stream(path: &Path, append: bool, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let _streaming = Streaming::begin();
    let file = std::fs::OpenOptions::new().write(true).append(append).open(path)?;
    let mut buffered = BufWriter::new(file);
    content(&mut buffered)?;
    buffered.flush()
}

fn replace(
    path: &Path,
    old: Option<(&Metadata, Whose)>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not the name of a file"));
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut prefix = OsString::from(TEMPORARY.0);
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(TEMPORARY.1);
    // tempfile's own files are private, where results get the user's usual permissions, and its errors name the temporary file.
    let create = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
    let mut file = builder.make_in(folder, create).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), format!("there is no folder {}", folder.display())),
        _ => error,
    })?;
    if let Some((old, whose)) = old {
        match keep_owner(file.as_file(), old) {
            Err(error) if whose == Whose::User => return Err(error),
            _ => keep_permissions(file.as_file(), old, whose)?,
        }
    }
    let mut buffered = BufWriter::new(file.as_file_mut());
    content(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    if_synced(file.as_file().sync_all())?;
    put(file, path)?;
    sync_folder(folder);
    Ok(())
}

/// Renames a temporary file. On failure it is removed.
#[cfg(unix)]
fn put(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    // Through the C library, where `tools/fault.c` can let it fail; tempfile makes the system call itself.
    std::fs::rename(file.path(), path)?;
    // Nothing has the temporary name any more.
    let _ = file.into_temp_path().keep();
    Ok(())
}

#[cfg(not(unix))]
fn put(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map(drop).map_err(|e| e.error)
}

/// Makes the names in a folder durable: a rename is only after that. Some file systems cannot sync a folder; what is in it is
/// complete anyway.
pub fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Creates a folder and those above it, so that a loss of power does not lose them with what is written into them.
///
/// # Errors
/// If it does not exist and cannot be created.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.is_dir()).collect();
    std::fs::create_dir_all(folder).map_err(|e| FileError::new("create", folder, e))?;
    for created in missing {
        let above = created.parent().filter(|above| !above.as_os_str().is_empty());
        sync_folder(above.unwrap_or(Path::new(".")));
    }
    Ok(())
}

/// The result of a sync on a file system that may have none: what it cannot do is no error of the file.
///
/// # Errors
/// If the system lost what was written, or has no room for it.
pub fn if_synced(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() {
        // EINVAL; ENOSYS and ENOTSUP.
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    })
}

/// Gives the new file the permissions of the old one. If it has another group, that may do only what everybody may.
fn keep_permissions(file: &File, old: &Metadata, whose: Whose) -> io::Result<()> {
    let new = file.metadata()?;
    let permissions = permissions_for(&new, old);
    // Some mounts refuse every change, even to what already is.
    if new.permissions() == permissions {
        return Ok(());
    }
    file.set_permissions(permissions).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported if whose == Whose::Program => Ok(()),
        _ => Err(error),
    })
}

#[cfg(unix)]
fn permissions_for(new: &Metadata, old: &Metadata) -> Permissions {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    Permissions::from_mode(if new.gid() == old.gid() { old.mode() } else { mode_for_another_group(old.mode()) })
}

#[cfg(unix)]
fn mode_for_another_group(mode: u32) -> u32 {
    (mode & !0o070) | ((mode & 0o007) << 3)
}

#[cfg(not(unix))]
fn permissions_for(_: &Metadata, old: &Metadata) -> Permissions {
    old.permissions()
}

/// Gives the new file the owner and the group of the old one; or else the group, through which others may share it.
///
/// # Errors
/// If the file does not get both.
#[cfg(unix)]
fn keep_owner(file: &std::fs::File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    let kept = fchown(file, Some(old.uid()), Some(old.gid()));
    kept.map_err(|_| {
        let _ = fchown(file, None, Some(old.gid()));
        let (uid, gid) = (old.uid(), old.gid());
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it belongs to user {uid} and group {gid}, which a new file cannot; remove it or name another"),
        )
    })
}

#[cfg(not(unix))]
fn keep_owner(_: &std::fs::File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_whole_files_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |w| w.write_all(b"one")).unwrap();
        write_atomic(&path, |w| w.write_all(b"two")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failing_writer_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |w| w.write_all(b"old")).unwrap();
        let error = write_atomic(&path, |w| {
            w.write_all(&[b'x'; 100_000])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err()
        .to_string();
        assert!(error.starts_with("cannot write ") && error.contains("a.txt: "), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("a.txt");
        let error = write_atomic(&path, |w| w.write_all(b"x")).unwrap_err().to_string();
        let absent = folder.path().join("absent").display().to_string();
        assert_eq!(error, format!("cannot write {}: there is no folder {absent}", path.display()));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_cannot_be_replaced_and_the_temporary_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::create_dir(&path).unwrap();
        let error = write_atomic(&path, |w| w.write_all(b"x")).unwrap_err().to_string();
        assert!(error.contains("a.txt"), "{error}");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_reported_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let error = write_atomic(&path, |_| {
            let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
            full.write_all(b"x")
        })
        .unwrap_err();
        assert_eq!(error.error.kind(), io::ErrorKind::StorageFull);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_not_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, b"x").unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |w| w.write_all(b"x")).unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept_and_set_only_if_they_differ() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for whose in [Whose::User, Whose::Program] {
            for mode in [0o600, 0o664, 0o644] {
                std::fs::write(&path, b"old").unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
                write(&path, whose, |out| out.write_all(b"new")).unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), b"new");
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            }
        }
        assert_eq!([0o600, 0o640, 0o664, 0o666].map(mode_for_another_group), [0o600, 0o600, 0o644, 0o666]);
        // A change of the permissions, even to the same, changes the time of the inode.
        let file = File::create(folder.path().join("b.txt")).unwrap();
        let before = file.metadata().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        keep_permissions(&file, &before, Whose::User).unwrap();
        let time = |found: &Metadata| (found.ctime(), found.ctime_nsec());
        assert_eq!(time(&file.metadata().unwrap()), time(&before));
        file.set_permissions(before.permissions()).unwrap();
        assert_ne!(time(&file.metadata().unwrap()), time(&before), "the test can see a change");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_errors_of_file_systems_that_cannot_sync_are_tolerated() {
        // EINVAL, ENOSYS, ENOTSUP; EIO, ENOSPC.
        let tolerated = |number| if_synced(Err(io::Error::from_raw_os_error(number))).is_ok();
        assert_eq!([22, 38, 95, 5, 28].map(tolerated), [true, true, true, false, false]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_target_is_written() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep");
        std::fs::create_dir(&deep).unwrap();
        let (real, link, second) = (deep.join("real.csv"), folder.path().join("link.csv"), folder.path().join("2.csv"));
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        let owner = std::fs::metadata(&real).unwrap().uid();
        symlink("deep/real.csv", &link).unwrap();
        symlink("link.csv", &second).unwrap();
        write_atomic(&second, |w| w.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&real).unwrap(), b"new");
        assert!(link.is_symlink() && second.is_symlink());
        assert_eq!(names(&deep), ["real.csv"]);
        let found = std::fs::metadata(&real).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (0o640, owner));
        // A link to nothing creates the file that it names; a circle is an error.
        let (dangling, circle) = (folder.path().join("dangling"), folder.path().join("circle"));
        symlink("deep/later", &dangling).unwrap();
        symlink("circle", &circle).unwrap();
        write_atomic(&dangling, |w| w.write_all(b"x")).unwrap();
        assert_eq!(names(&deep), ["later", "real.csv"]);
        assert!(write_atomic(&circle, |w| w.write_all(b"x")).is_err() && circle.is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_written_into_or_refused() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        write_atomic(&pipe, |w| w.write_all(b"through")).unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        let socket = folder.path().join("socket");
        let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = write_atomic(&socket, |w| w.write_all(b"x")).unwrap_err().to_string();
        assert!(error.contains("socket: this is a socket"), "{error}");
        assert!(std::fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
        assert_eq!(names(folder.path()), ["pipe", "socket"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_open_file_is_appended_to() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(folder.path().join("out")).unwrap();
        file.write_all(b"first\n").unwrap();
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        write_atomic(&name, |w| w.write_all(b"second\n")).unwrap();
        assert_eq!(std::fs::read(folder.path().join("out")).unwrap(), b"first\nsecond\n");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn a_sweep_takes_temporary_files_only() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.features.Xy12.tmp", "a.tmp", ".hidden", "a.features"] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        sweep(folder.path());
        assert_eq!(names(folder.path()), [".hidden", "a.features", "a.tmp"]);
    }
}
