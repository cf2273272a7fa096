//! The properties of the machine that influence the figures, without names and paths.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::{Result, cargo};

/// The hardware, the kind of the file system of `folder`, and the system.
pub fn facts(folder: &Path) -> Vec<String> {
    let mut facts = vec![hardware()];
    facts.extend(file_system(folder).map(|kind| format!("database files on {kind}")));
    facts.push(format!(
        "{} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ));
    facts
}

/// Cores and memory.
pub fn hardware() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processor = processor().unwrap_or("unknown".into());
    let memory = memory().map(|gigabytes| format!("; {gigabytes} GiB of memory"));
    format!("{cores} cores ({processor}){}", memory.unwrap_or_default())
}

/// Today, in UTC.
pub fn date() -> Result<String> {
    let date = cargo::run(Command::new("date").args(["-u", "+%F"]))?;
    Ok(date.trim().to_owned())
}

/// The measured commit.
pub fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        cargo::run(git.current_dir(cargo::folder()).args(arguments)).ok()
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let with = if changes.is_empty() {
        ""
    } else {
        " with changes"
    };
    Some(format!("{}{with}", commit.trim()))
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes.div_ceil(1 << 20))
}

/// The kind of the folder's mount: the one with the longest path that contains the folder.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let leading = fields.filter(|field| field.len() > 2 && folder.starts_with(field[1]));
    leading
        .max_by_key(|field| field[1].len())
        .map(|field| field[2].to_owned())
}
