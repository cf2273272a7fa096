//! A disk that loses unsynced writes: see `tests/crash/powerloss.c`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use tempfile::TempDir;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

pub struct Disk {
    directory: TempDir,
    shim: PathBuf,
}

impl Disk {
    /// Compiles the shim. `None`, with a word about it, where there is no C compiler.
    pub fn new() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let shim = directory.path().join("powerloss.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crash/powerloss.c");
        let mut compile = Command::new(&compiler);
        compile
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&shim)
            .arg(source);
        match compile.status() {
            Ok(status) => assert!(status.success(), "{} failed: {status}", compiler.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let missing = format!("no C compiler `{}`: loss of power", compiler.display());
                let required =
                    std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
                assert!(
                    !required,
                    "{missing} cannot be tested, and CQRS_REQUIRE_SERVICES is 1"
                );
                eprintln!("{missing} was not tested");
                return None;
            }
            Err(error) => panic!("{} cannot be run: {error}", compiler.display()),
        }
        for part in ["data", "synced"] {
            fs::create_dir(directory.path().join(part)).expect("a directory can be made");
        }
        Some(Self { directory, shim })
    }

    /// Where the files are, as processes see them.
    fn data(&self) -> PathBuf {
        // The shim compares with what the kernel says, which knows no symbolic links.
        self.directory
            .path()
            .canonicalize()
            .expect("it exists")
            .join("data")
    }

    fn synced(&self) -> PathBuf {
        self.directory.path().join("synced")
    }

    pub fn database(&self) -> PathBuf {
        self.data().join("log.db")
    }

    /// Makes a process use this disk.
    pub fn attach<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.shim)
            .env("POWERLOSS_DIR", self.data())
            .env("POWERLOSS_SHADOW", self.synced())
    }

    /// Deletes all files.
    pub fn clear(&self) {
        for directory in [self.data(), self.synced()] {
            for file in fs::read_dir(directory).expect("the directory can be read") {
                let path = file.expect("the directory can be read").path();
                fs::remove_file(path).expect("the file can be deleted");
            }
        }
    }

    /// Everything that is there now is synced.
    pub fn settle(&self) {
        copy_all(&self.data(), &self.synced());
    }

    /// How often a process has synced a file.
    pub fn syncs(&self) -> u64 {
        fs::metadata(self.synced().join(".syncs")).map_or(0, |file| file.len())
    }

    /// Fails the power, once every process is dead. Each unsynced sector survives with this
    /// probability.
    pub fn lose_power(&self, keep: f64, random: &mut Rng) {
        let files = fs::read_dir(self.data()).expect("the directory can be read");
        for file in files {
            let file = file.expect("the directory can be read");
            let (real, synced) = (file.path(), self.synced().join(file.file_name()));
            if file.file_name().to_string_lossy().ends_with("-shm") || !synced.exists() {
                fs::remove_file(&real).expect("the file can be deleted");
                continue;
            }
            let written = fs::read(&real).expect("the file can be read");
            let mut kept = fs::read(&synced).expect("the file can be read");
            for (number, sector) in written.chunks(SECTOR).enumerate() {
                let at = number * SECTOR;
                let end = at + sector.len();
                let same = kept.get(at..end) == Some(sector);
                if !same && random.f64() < keep {
                    kept.resize(kept.len().max(end), 0);
                    kept[at..end].copy_from_slice(sector);
                }
            }
            fs::write(&real, kept).expect("the file can be written");
        }
        for file in fs::read_dir(self.synced()).expect("the directory can be read") {
            let file = file.expect("the directory can be read");
            let (name, real) = (file.file_name(), self.data().join(file.file_name()));
            if !name.to_string_lossy().starts_with('.') && !real.exists() {
                // Deleted, but the directory was not synced.
                fs::copy(file.path(), real).expect("the file can be copied");
            }
        }
    }
}

fn copy_all(from: &Path, to: &Path) {
    for file in fs::read_dir(to).expect("the directory can be read") {
        let path = file.expect("the directory can be read").path();
        fs::remove_file(path).expect("the file can be deleted");
    }
    for file in fs::read_dir(from).expect("the directory can be read") {
        let file = file.expect("the directory can be read");
        fs::copy(file.path(), to.join(file.file_name())).expect("the file can be copied");
    }
}
