//! Finds an installed PostgreSQL.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of PostgreSQL's programs: the one in `CQRS_POSTGRES_BIN`, and no other if that is
/// set; else the first one with a server among those of `PATH`, of `pg_config`, and of Debian, which
/// are not in `PATH`, with the highest version first.
pub fn binaries() -> Option<PathBuf> {
    match std::env::var_os("CQRS_POSTGRES_BIN") {
        Some(directory) if !directory.is_empty() => with_server(Path::new(&directory)),
        _ => installed(),
    }
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    from_path(&path)
        .or_else(|| with_server(Path::new(&output("pg_config", &["--bindir"])?)))
        .or_else(|| from_versions(Path::new("/usr/lib/postgresql")))
}

/// Whom the server is to run as, if not as who runs this: PostgreSQL refuses to run as root.
pub(crate) fn user() -> Option<&'static str> {
    (output("id", &["-u"])? == "0").then(|| match output("id", &["-u", "postgres"]) {
        Some(_) => "postgres",
        None => "nobody",
    })
}

fn from_path(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).find_map(|it| with_server(&it))
}

fn from_versions(root: &Path) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = root
        .read_dir()
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, with_server(&entry.path().join("bin"))?))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, binaries)| binaries)
}

/// The directory itself, or the one that its links lead to.
fn with_server(directory: &Path) -> Option<PathBuf> {
    let postgres = directory.join("postgres").canonicalize().ok()?;
    let binaries = postgres.parent()?;
    let complete = ["initdb", "pg_ctl"]
        .iter()
        .all(|it| binaries.join(it).is_file());
    complete.then(|| binaries.to_owned())
}

/// What a program says, if it can be run and succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn install(binaries: &Path, programs: &[&str]) {
        fs::create_dir_all(binaries).expect("a directory can be made");
        for program in programs {
            fs::write(binaries.join(program), "").expect("a file can be made");
        }
    }

    #[test]
    fn the_highest_version_with_a_server_is_taken() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let server = ["postgres", "initdb", "pg_ctl"];
        for version in ["9", "17", "15"] {
            install(&root.path().join(version).join("bin"), &server);
        }
        install(&root.path().join("18/bin"), &["psql"]);
        let found = from_versions(root.path()).expect("there are three");
        assert!(found.ends_with("17/bin"), "{}", found.display());
    }

    #[test]
    fn links_lead_to_where_the_programs_are() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let (links, real) = (root.path().join("links"), root.path().join("real"));
        install(&real, &["postgres", "initdb", "pg_ctl"]);
        install(&links, &[]);
        std::os::unix::fs::symlink(real.join("postgres"), links.join("postgres"))
            .expect("a link can be made");
        let path = std::env::join_paths([root.path(), &links]).expect("the names are plain");
        let found = from_path(&path).expect("there is one");
        assert!(found.ends_with("real"), "{}", found.display());
    }
}
