//! `PgBouncer` in front of a server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{Server, find, supervisor, without};

/// Ends the pooler when the other end of standard input ends, in whatever way.
const SCRIPT: &str = "\"$0\" \"$1\" 2>&1 & pid=$!; read -r _; kill $pid; wait $pid";

const NONE: &str = "PgBouncer (pgbouncer) is not installed: install Debian's `pgbouncer`";

/// A `PgBouncer` with one connection to a server, which ends when this is dropped.
pub struct Pooler {
    url: String,
    shell: Child,
    _directory: TempDir,
}

impl Pooler {
    /// One that pools as `mode` says: `transaction` or `session`. `None` when there is none to be
    /// had: then `test`, the test's name, is printed with why.
    ///
    /// # Panics
    /// Instead of `None` under `CQRS_REQUIRE_SERVICES=1`; and when it does not start.
    pub fn start(test: &str, server: &Server, mode: &str) -> Option<Self> {
        let Some(program) = program() else {
            return without(test, NONE);
        };
        let (_, address) = server.url().split_once('@').expect("a URL with a host");
        let (address, database) = address.split_once('/').expect("a URL with a database");
        let (host, port) = address.split_once(':').expect("a URL with a port");
        let own = supervisor::ports().next().expect("a port is free");
        let directory = tempfile::tempdir().expect("a directory can be made");
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), all).expect("it is ours");
        let config = directory.path().join("pgbouncer.ini");
        let lines = format!(
            "[databases]\n{database} = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {own}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\n[users]\n"
        );
        // `auth_type = any` logs every client in as one user.
        let lines = lines.replace(
            &format!("port={port}\n"),
            &format!("port={port} user=postgres\n"),
        );
        fs::write(&config, lines).expect("a file can be written");
        let mut shell = command(&program)
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be run");
        let log = BufReader::new(shell.stdout.take().expect("it is piped"));
        let mut said = Vec::new();
        // It says so when it is ready, or ends.
        for line in log.lines().map_while(Result::ok) {
            let is_up = line.contains("process up");
            said.push(line);
            if is_up {
                break;
            }
        }
        let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, own));
        assert!(connected.is_ok(), "PgBouncer does not run: {said:?}");
        Some(Self {
            url: format!("postgres://postgres@127.0.0.1:{own}/{database}"),
            shell,
            _directory: directory,
        })
    }

    /// The URL of the server's database, through this.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // What cannot be waited for has ended.
        let _ = self.shell.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    let mut programs = places.into_iter().map(|it| it.join("pgbouncer"));
    programs.find(|it| it.is_file())
}

/// `PgBouncer`, too, refuses to run as root.
fn command(program: &std::path::Path) -> Command {
    let mut command = match find::user() {
        None => Command::new("sh"),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--clear-groups", "sh"]);
            command
        }
    };
    command.args(["-c", SCRIPT]).arg(program);
    command
}
