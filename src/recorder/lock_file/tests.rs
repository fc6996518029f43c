//! Locks held by several, and the line that the last holder left.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::{Heartbeat, LockFile, OpenError, TryLockError, boot_id, lock_path, take_lock};

fn heartbeat(time_ms: i64) -> Heartbeat {
    Heartbeat {
        time_ms,
        synced_length: 7,
        process: std::process::id(),
        boot: boot_id(),
        written_length: u64::MAX,
        synced_ms: time_ms - 1,
        live_ms: Some(i64::MAX >> 20),
        syncs: true,
    }
}

#[test]
fn the_next_holder_reads_what_the_last_one_proved() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("op1.csv");
    let (mut lock, left) = LockFile::take(&out, true).unwrap();
    assert_eq!(left, None);
    lock.write(heartbeat(1_700_000_000_000)).unwrap();
    let length = fs::metadata(lock_path(&out)).unwrap().len();
    let nothing = Heartbeat { process: std::process::id(), ..Heartbeat::default() };
    lock.write(nothing.clone()).unwrap();
    assert_eq!(fs::metadata(lock_path(&out)).unwrap().len(), length);
    let refused = LockFile::take(&out, true);
    assert!(matches!(refused, Err(OpenError::InUse(_, Some(pid))) if pid == std::process::id()));
    drop(lock);
    let (mut lock, left) = LockFile::take(&out, true).unwrap();
    assert_eq!(left, Some(Heartbeat { time_ms: 1_700_000_000_000, ..nothing }));
    assert_eq!(lock.last, Heartbeat { boot: boot_id(), syncs: true, ..nothing });
    lock.write(heartbeat(1_800_000_000_000)).unwrap();
    drop(lock);
    assert_eq!(LockFile::take(&out, true).unwrap().1, Some(heartbeat(1_800_000_000_000)));
}

/// The holder renews its heartbeat until the very moment that it lets go.
#[test]
fn what_was_proved_last_is_read_when_the_lock_is_ours() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("op1.csv");
    let take = |out: &Path| {
        loop {
            match LockFile::take(out, true) {
                Ok(taken) => return taken,
                Err(_) => std::thread::yield_now(),
            }
        }
    };
    let ended = AtomicBool::new(false);
    let last_written = AtomicI64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..100 {
                let (mut lock, _) = take(&out);
                for time_ms in round * 10..round * 10 + 10 {
                    lock.write(heartbeat(time_ms)).unwrap();
                    last_written.store(time_ms, Ordering::SeqCst);
                }
                drop(lock);
                std::thread::yield_now();
            }
            ended.store(true, Ordering::SeqCst);
        });
        while !ended.load(Ordering::SeqCst) {
            let (_lock, left) = take(&out);
            let time_ms = left.map_or(0, |heartbeat| heartbeat.time_ms);
            assert_eq!(time_ms, last_written.load(Ordering::SeqCst));
        }
    });
}

#[test]
fn who_only_looks_at_a_lock_refuses_no_start() {
    let (path, in_use) = (Path::new("op1.csv"), || OpenError::InUse("op1.csv".into(), None));
    let mut looks = 3;
    let free_later = || {
        looks -= 1;
        if looks > 0 { Err(TryLockError::WouldBlock) } else { Ok(()) }
    };
    assert!(take_lock(path, free_later, in_use).is_ok());
    let held = take_lock(path, || Err(TryLockError::WouldBlock), in_use);
    assert!(matches!(held, Err(OpenError::InUse(..))));
}

#[test]
fn a_lock_file_of_nonsense_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("op1.csv");
    for nonsense in ["", "x y z", "1 2 3", "\0\0\0", "1 2 3 4 5 6 7", "1 2 3 - 5 x - yes"] {
        fs::write(lock_path(&out), nonsense).unwrap();
        assert_eq!(LockFile::take(&out, true).unwrap().1, None, "{nonsense:?}");
    }
}
