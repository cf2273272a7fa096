//! Opening a database for reading only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};

use crate::files::Files;
use crate::migrations::MIGRATIONS;
use crate::open::{Database, Mode, check_identity, connect, explain, readers, store_id};
use crate::{OpenError, Options, migrations, row};

impl Database {
    pub(crate) fn open_read_only(options: &Options, path: PathBuf) -> Result<Self, OpenError> {
        let explain = |error| explain(&path, options, error);
        let (mut first, mode) = first_reader(options, &path)?;
        let opened = Files::of(&path);
        let found = migrations::identify(&mut first).map_err(explain)?;
        check_identity(&path, &found)?;
        if found.version < MIGRATIONS.latest() {
            return Err(OpenError::Outdated {
                path,
                found: found.version,
                known: MIGRATIONS.latest(),
            });
        }
        let id = store_id(&first, &path).map_err(explain)??;
        let head = row::head(&first).map_err(explain)?.position;
        let readers = readers(&path, mode, options).map_err(explain)?;
        let files = Files::of(&path);
        if !files.have_same_database(&opened) {
            return Err(OpenError::Replaced { path });
        }
        Ok(Self {
            writer: None,
            readers,
            files: Arc::new(files),
            id,
            head,
            path,
        })
    }
}

/// Opens the first connection, and finds out the mode for the others. Even readers of a database in WAL
/// mode need its companion files. Where these cannot be created, no process can write the database
/// either, so it is read without them.
fn first_reader(options: &Options, path: &Path) -> Result<(Connection, Mode), OpenError> {
    let explain = |error| explain(path, options, error);
    let conn = connect(path, Mode::Read, options).and_then(|mut conn| {
        migrations::identify(&mut conn)?;
        Ok(conn)
    });
    match conn {
        // The second code is that of a directory which belongs to another user.
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ) => {}
        Err(error) => return Err(explain(error)),
        Ok(conn) => return Ok((conn, Mode::Read)),
    }
    if Files::of(path).have_log() {
        return Err(OpenError::Unclosed {
            path: path.to_owned(),
        });
    }
    let conn = connect(path, Mode::ReadImmutable, options).map_err(explain)?;
    Ok((conn, Mode::ReadImmutable))
}
