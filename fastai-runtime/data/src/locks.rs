//! Locks between processes, of files and of folders that several processes write into.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::atomic::{FileError, sweep};

/// The file in a folder that those lock who [`enter`] it.
pub const LOCK: &str = ".lock";

/// Creates `folder`, which several processes may write into, and removes what killed ones left, unless another process
/// writes there now. Writers keep the lock that this returns until they are done; `None` on file systems without locks.
pub fn enter(folder: &Path) -> Result<Option<File>, FileError> {
    enter_with(folder, &[])
}

/// Like [`enter`], for a folder whose lock covers further folders.
pub(crate) fn enter_with(folder: &Path, further: &[PathBuf]) -> Result<Option<File>, FileError> {
    std::fs::create_dir_all(folder).map_err(|e| FileError::new("create", folder, e))?;
    let path = folder.join(LOCK);
    let lock = open_lock(&path).map_err(|e| FileError::new("create", &path, e))?;
    if lock.try_lock().is_ok() {
        sweep(folder);
        further.iter().for_each(|folder| sweep(folder));
        // Others may sweep before the lock is shared: this process has written nothing yet.
        let _ = lock.unlock();
    }
    Ok(lock.lock_shared().is_ok().then_some(lock))
}

/// Takes part in the lock of a folder that others [`enter`], for one who only reads there and may be unable to write; `None` in
/// a folder without a lock, and on file systems without locks.
pub fn enter_to_read(folder: &Path) -> Option<File> {
    File::open(folder.join(LOCK)).ok().filter(|lock| lock.lock_shared().is_ok())
}

/// Locks a folder against all who [`enter`] it, so that its files can be removed. `None` while one of them is there, and where
/// that cannot be known.
pub fn enter_alone(folder: &Path) -> Option<File> {
    let lock = open_lock(&folder.join(LOCK)).ok()?;
    locked(&lock).ok().map(|()| lock)
}

/// Opens the file of a lock, and creates it if necessary.
pub fn open_lock(path: &Path) -> io::Result<File> {
    File::options().create(true).write(true).truncate(false).open(path)
}

/// Locks a file for this process, unless another one has locked it.
///
/// A process that another thread starts holds copies of all open files until it runs its program, so a lock that this process
/// has given up may outlive it by a moment; that moment is waited for.
///
/// # Errors
/// [`TryLockError::WouldBlock`] if another process has locked the file, and the system's errors.
pub fn locked(file: &File) -> Result<(), TryLockError> {
    const ATTEMPTS: u32 = 10;
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    file.try_lock()
}

/// Whether another process has [`locked`] the file; `false` if there is none, and on file systems without locks.
pub fn is_locked(path: &Path) -> bool {
    let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    // Opening a pipe would wait for its writer.
    path.is_file() && File::open(path).is_ok_and(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_may_outlive_its_owner_by_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let open = || open_lock(&folder.path().join("lock")).unwrap();
        let (owner, other) = (open(), open());
        locked(&owner).unwrap();
        assert!(matches!(locked(&other), Err(TryLockError::WouldBlock)));
        assert!(is_locked(&folder.path().join("lock")) && !is_locked(&folder.path().join("absent")));
        let copy = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(owner);
        });
        locked(&other).unwrap();
        copy.join().unwrap();
        drop(other);
        assert!(!is_locked(&folder.path().join("lock")));
    }

    #[test]
    fn only_a_folder_that_nobody_writes_into_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("cache");
        let first = enter(&folder).unwrap().unwrap();
        std::fs::write(folder.join(".a.x.tmp"), b"x").unwrap();
        let second = enter(&folder).unwrap().unwrap();
        let left = || folder.join(".a.x.tmp").exists();
        assert!(left());
        drop((first, second));
        enter(&folder).unwrap().unwrap();
        assert!(!left() && folder.join(LOCK).exists());
    }

    #[test]
    fn one_is_alone_in_a_folder_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("cache");
        assert!(enter_to_read(&folder).is_none() && enter_alone(&folder).is_none(), "there is no folder");
        let writer = enter(&folder).unwrap().unwrap();
        let reader = enter_to_read(&folder).unwrap();
        drop(writer);
        assert!(enter_alone(&folder).is_none());
        drop(reader);
        assert!(enter_alone(&folder).is_some());
    }
}
