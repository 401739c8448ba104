//! The lock of an execution, which the kernel releases when the process of the owner dies, for whatever
//! reason.
//!
//! There are two implementations, both tied to the open file rather than the process, so that two launches in
//! one process exclude each other just as two processes do. The database file itself is never opened here:
//! closing any handle of it would drop the locks that `SQLite` holds on it.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::definition::ExecutionId;
use crate::locked_file::LockedFile;
use crate::repository::work_queue::WorkerId;
use crate::repository::{ExecutionLock, HeldLock};

/// A lock, named after its holder: while the lock is held, the holder is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// The owner of an execution.
    Execution(ExecutionId),
    /// A worker.
    Worker(WorkerId),
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execution(id) => write!(f, "execution {id}"),
            Self::Worker(id) => write!(f, "worker {id}"),
        }
    }
}

impl Lock {
    /// The name of its file, if every lock has a file of its own.
    fn file(self) -> String {
        match self {
            Self::Execution(id) => id.to_string(),
            Self::Worker(id) => format!("worker-{id}"),
        }
    }

    fn of_file(name: &str) -> Option<Self> {
        match name.strip_prefix("worker-") {
            Some(id) => id.parse().ok().map(WorkerId).map(Self::Worker),
            None => name.parse().ok().map(ExecutionId).map(Self::Execution),
        }
    }
}

/// The location of the locks.
#[derive(Debug, Clone)]
pub(super) enum Locks {
    /// One file with one byte per execution and per worker.
    #[cfg(target_os = "linux")]
    Bytes(PathBuf),
    /// A folder with one file per execution and per worker.
    #[cfg_attr(
        all(target_os = "linux", not(test)),
        expect(dead_code, reason = "only tests build it where bytes can be locked")
    )]
    Files(PathBuf),
}

impl Locks {
    /// The implementation for this system, next to the repository.
    #[cfg(target_os = "linux")]
    pub(super) fn beside(repository: &Path) -> Self {
        Self::Bytes(with_suffix(repository, ".lock"))
    }

    /// The implementation for this system, next to the repository.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn beside(repository: &Path) -> Self {
        Self::files_beside(repository)
    }

    /// The implementation with one file per execution and per worker.
    #[cfg(any(test, not(target_os = "linux")))]
    pub(super) fn files_beside(repository: &Path) -> Self {
        Self::Files(with_suffix(repository, ".locks"))
    }

    /// Takes a lock; `None` if somebody holds it. Call it inside a write transaction, so that nobody else takes, tests or
    /// sweeps locks at the same time.
    pub(super) fn acquire(&self, lock: Lock) -> io::Result<Option<ExecutionLock>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Bytes(path) => bytes::acquire(path, lock),
            Self::Files(folder) => {
                std::fs::create_dir_all(folder)?;
                let file = open(&folder.join(lock.file()))?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Box::new(LockedFile(file)))),
                    Err(TryLockError::WouldBlock) => Ok(None),
                    Err(TryLockError::Error(error)) => Err(error),
                }
            }
        }
    }

    /// Returns whether somebody holds a lock, without taking it and without write access. Returns `None` if only an
    /// attempt to take the lock would tell.
    pub(super) fn is_held(&self, lock: Lock) -> io::Result<Option<bool>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Bytes(path) => bytes::is_held(path, lock).map(Some),
            Self::Files(_) => Ok(None),
        }
    }

    /// Removes the locks of ended executions and workers. Call it inside a write transaction.
    pub(super) fn sweep(&self, runs: impl Fn(ExecutionId) -> bool) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Bytes(_) => {}
            Self::Files(folder) => {
                let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
                for file in files {
                    let lock = file.file_name().to_str().and_then(Lock::of_file);
                    let is_over = |lock: &Lock| !matches!(lock, Lock::Execution(id) if runs(*id));
                    let Some(lock) = lock.filter(is_over) else { continue };
                    // The lock is held during the removal, so nobody else can hold a lock on a removed file.
                    if let Ok(Some(_held)) = self.acquire(lock) {
                        let _ = std::fs::remove_file(file.path());
                    }
                }
            }
        }
    }

    /// Removes all locks of a removed repository.
    pub(super) fn remove(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Bytes(path) => drop(std::fs::remove_file(path)),
            Self::Files(folder) => drop(std::fs::remove_dir_all(folder)),
        }
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> &Path {
        match self {
            #[cfg(target_os = "linux")]
            Self::Bytes(path) => path,
            Self::Files(path) => path,
        }
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

impl HeldLock for LockedFile {}

#[cfg(target_os = "linux")]
mod bytes {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    use super::{ExecutionLock, File, HeldLock, Lock, Path, io, open};

    /// The byte of worker 0, after those of all executions.
    const WORKERS: i64 = 1 << 62;

    fn byte_of(lock: Lock) -> libc::flock {
        let byte = match lock {
            Lock::Execution(id) => id.0,
            Lock::Worker(id) => WORKERS + id.0,
        };
        range(libc::F_WRLCK, byte, 1)
    }

    /// A length of 0 reaches to the end of any file.
    #[expect(clippy::cast_possible_truncation, reason = "the constants are 0, 1 and 2")]
    fn range(kind: libc::c_int, start: i64, length: i64) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: length,
            l_pid: 0,
        }
    }

    /// The lock of one byte, released before the file is closed as that of a [`LockedFile`](super::LockedFile) is.
    #[derive(Debug)]
    struct LockedByte(File);

    impl HeldLock for LockedByte {}

    impl Drop for LockedByte {
        fn drop(&mut self) {
            let every_byte = range(libc::F_UNLCK, 0, 0);
            // Closing the file releases it otherwise.
            let _ = fcntl(&self.0, FcntlArg::F_OFD_SETLK(&every_byte));
        }
    }

    /// Asks the kernel whether another lock is in the way.
    pub(super) fn is_held(path: &Path, lock: Lock) -> io::Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let mut byte = byte_of(lock);
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut byte))?;
        Ok(i32::from(byte.l_type) != libc::F_UNLCK)
    }

    pub(super) fn acquire(path: &Path, lock: Lock) -> io::Result<Option<ExecutionLock>> {
        // Every lock needs its own open file: locks of one open file do not exclude each other.
        let file = open(path)?;
        let byte = byte_of(lock);
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&byte)) {
            Ok(_) => Ok(Some(Box::new(LockedByte(file)))),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("batch-lock-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    fn both(test: impl Fn(&Locks)) {
        let folder = folder();
        let repository = folder.join("batch.db");
        test(&Locks::beside(&repository));
        test(&Locks::files_beside(&repository));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_lock_held_in_this_process_counts_as_held() {
        both(|locks| {
            let held = locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().expect("free");
            assert!(locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().is_none());
            std::thread::scope(|scope| {
                scope.spawn(|| assert!(locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().is_none()));
            });
            drop(held);
            assert!(locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().is_some());
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_is_tested_without_taking_it() {
        let folder = folder();
        let locks = Locks::beside(&folder.join("batch.db"));
        assert_eq!(
            locks.is_held(Lock::Execution(ExecutionId(1))).unwrap(),
            Some(false),
            "no lock was ever taken"
        );
        let held = locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().expect("free");
        assert_eq!(locks.is_held(Lock::Execution(ExecutionId(1))).unwrap(), Some(true));
        assert_eq!(locks.is_held(Lock::Execution(ExecutionId(2))).unwrap(), Some(false));
        drop(held);
        assert_eq!(locks.is_held(Lock::Execution(ExecutionId(1))).unwrap(), Some(false));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_released_lock_is_free_while_other_threads_start_processes() {
        both(|locks| {
            std::thread::scope(|scope| {
                let starting = scope.spawn(|| {
                    for _ in 0..200 {
                        std::process::Command::new("true").status().unwrap();
                    }
                });
                while !starting.is_finished() {
                    assert!(locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().is_some());
                }
            });
        });
    }

    #[test]
    fn executions_do_not_lock_each_other() {
        both(|locks| {
            let first = locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().expect("free");
            let second = locks.acquire(Lock::Execution(ExecutionId(2))).unwrap().expect("free");
            // Another lock of the same file is closed meanwhile.
            drop(second);
            assert!(locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().is_none());
            drop(first);
        });
    }

    #[test]
    fn an_execution_and_a_worker_of_the_same_number_do_not_lock_each_other() {
        both(|locks| {
            let execution = locks.acquire(Lock::Execution(ExecutionId(1))).unwrap().expect("free");
            let worker = locks.acquire(Lock::Worker(WorkerId(1))).unwrap().expect("free");
            drop(execution);
            assert!(locks.acquire(Lock::Worker(WorkerId(1))).unwrap().is_none());
            drop(worker);
        });
    }

    #[test]
    fn of_many_threads_one_gets_the_lock() {
        both(|locks| {
            let barrier = std::sync::Barrier::new(8);
            let winners: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            locks.acquire(Lock::Execution(ExecutionId(3))).unwrap()
                        })
                    })
                    .collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(winners.len(), 1);
        });
    }

    #[test]
    fn only_files_that_nobody_needs_are_swept() {
        let folder = folder();
        let locks = Locks::files_beside(&folder.join("batch.db"));
        let held = locks.acquire(Lock::Execution(ExecutionId(1))).unwrap();
        drop(locks.acquire(Lock::Execution(ExecutionId(2))).unwrap());
        drop(locks.acquire(Lock::Execution(ExecutionId(3))).unwrap());
        let worker = locks.acquire(Lock::Worker(WorkerId(1))).unwrap();
        drop(locks.acquire(Lock::Worker(WorkerId(2))).unwrap());
        locks.sweep(|id| id == ExecutionId(3));
        let mut left: Vec<_> =
            std::fs::read_dir(locks.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["1", "3", "worker-1"]);
        drop((held, worker));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
