//! `execute` on the newest PostgreSQL, beside the installed one.

use std::path::Path;
use std::process::Command;

use crate::args::Args;
use crate::load::{self, Load};
use crate::measured::Measured;
use crate::postgres::database::Database;
use crate::postgres::{ours, raw};
use crate::report::{Report, Row};
use crate::{Result, cargo};

/// The version that `scripts/postgres` is asked for.
const NEWEST: &str = "18";

const CALLERS: [u32; 3] = [1, 64, 256];

const RUNS: usize = 3;

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let installed = Database::new()?;
    let newest = match newest() {
        Ok(database) => database,
        // The other parts of a full run are worth their time without this one.
        Err(error) => {
            report.note(format!("PostgreSQL {NEWEST} was not measured: {error}."));
            return Ok(());
        }
    };
    let databases = [installed, newest];
    let versions = [databases[0].numbers()?, databases[1].numbers()?];
    for callers in CALLERS {
        let commands = if callers == 1 { 4_000 } else { 20_000 };
        let load = Load {
            commands: if args.quick { commands / 10 } else { commands },
            aggregates: if args.quick { 400 } else { 1_000 },
            callers,
            first: 0,
        };
        let mut measured = [Contenders::default(), Contenders::default()];
        for _ in 0..RUNS {
            for (database, contenders) in databases.iter().zip(&mut measured) {
                let outcome = ours::deposits(load, &database.fresh()?)?;
                contenders.ours.push(outcome);
                let outcome = raw::insert(load, &database.fresh()?)?;
                contenders.insert.push(outcome);
            }
        }
        rows(callers, &versions, measured, report);
    }
    report.note(format!(
        "execute beside PostgreSQL {NEWEST}: the commands and the INSERT of `execute on \
         PostgreSQL`, on the installed server and on the one of `scripts/postgres {NEWEST}`, with \
         the same settings. The two are builds of different makers."
    ));
    Ok(())
}

/// Of one server.
#[derive(Default)]
struct Contenders {
    ours: Measured,
    insert: Measured,
}

fn newest() -> Result<Database> {
    let script = cargo::folder().join("../scripts/postgres");
    let binaries = cargo::run(Command::new(script).arg(NEWEST))?;
    Database::of(Path::new(binaries.trim()))
}

fn rows(callers: u32, versions: &[String; 2], measured: [Contenders; 2], report: &mut Report) {
    let workload = format!(
        "execute beside PostgreSQL {NEWEST}, {}",
        load::callers(callers)
    );
    let [installed, newest] = measured;
    for (who, measured) in [
        ("ours", [installed.ours, newest.ours]),
        (
            "INSERT, one commit per command",
            [installed.insert, newest.insert],
        ),
    ] {
        let floor = measured[0].per_second.median();
        for (version, it) in versions.iter().zip(measured) {
            let who = format!("{who}, PostgreSQL {version}");
            let row = Row::new(&workload, &who, "commands/s", it.per_second);
            report.row(
                row.latency(it.p50, it.p99)
                    .against(&format!("on {}", versions[0]), floor),
            );
        }
    }
}
