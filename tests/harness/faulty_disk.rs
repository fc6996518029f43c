//! A disk, or a file system, whose calls fail for the program alone: a library that stands between it
//! and the C library. Linux only; compiled once by `cc`, which links every Rust program there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::Run;

/// What fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// A directory cannot be forced to the disk (`EINVAL`), as on an old network share.
    NoDirectorySync,
    /// There are no locks (`ENOLCK`), as on a share without a lock server.
    NoLocks,
    /// No file can be cut (`EPERM`), as after `chattr +a`.
    AppendOnly,
    /// Everything that was open for writing when this was set gives `EIO`: the disk under it is
    /// gone, and perhaps another one is there.
    Replaced,
    /// With [`Fault::Replaced`]: it gives `ESTALE`, also when asked what it is.
    Stale,
    /// Forcing a file to the disk takes almost half a second, as on a busy disk.
    SlowSync,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::NoDirectorySync => "no-directory-sync",
            Self::NoLocks => "no-locks",
            Self::AppendOnly => "append-only",
            Self::Replaced => "replaced",
            Self::Stale => "stale",
            Self::SlowSync => "slow-sync",
        }
    }
}

/// Says what fails, at any time.
pub(crate) struct FaultyDisk(TempDir);

impl FaultyDisk {
    /// A disk with these faults from the start on.
    pub(crate) fn with(faults: &[Fault]) -> Self {
        let disk = Self(tempfile::tempdir().expect("a temporary directory"));
        for fault in faults {
            disk.set(*fault);
        }
        disk
    }

    /// From now on this fails.
    pub(crate) fn set(&self, fault: Fault) {
        fs::write(self.0.path().join(fault.name()), "").expect("a fault");
    }

    /// The program will be started on this disk.
    pub(crate) fn under(&self, run: Run) -> Run {
        run.env("LD_PRELOAD", library()).env("DISK_FAULTS", self.0.path())
    }
}

/// Where the library is.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/faulty_disk.c");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Other test processes may be doing the same.
        let new = tempfile::NamedTempFile::new_in(directory).expect("a file");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-o"]).arg(new.path()).arg(source);
        assert!(compile.arg("-ldl").status().expect("cc").success(), "the library is compiled");
        let library = directory.join("faulty_disk.so");
        new.persist(&library).expect("the library");
        library
    })
}
