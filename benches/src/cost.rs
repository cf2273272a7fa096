//! The cost of the framework for its users: at startup, and during compilation.

use std::process::Command;

use crate::Result;
use crate::args::Args;
use crate::cargo::{self, Profile};
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::runs::Runs;

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    startup(args, report)?;
    building(args, report)?;
    crates(report)
}

/// `build()` with a thousand handlers.
fn startup(args: &Args, report: &mut Report) -> Result<()> {
    let profiles = [("release", Profile::Release), ("debug", Profile::Debug)];
    for (name, profile) in profiles {
        let folder = cargo::build("", profile, &["--package", "thousand"])?;
        let [mut first, mut later] = [const { Vec::new() }; 2];
        // Users wait for the first `build()` of a process, so each run is a process.
        for _ in 0..args.runs() * 3 {
            let figures = cargo::figures(&mut Command::new(folder.join("thousand")))?;
            first.extend(figures["first_ms"].as_f64());
            later.extend(figures["later_ms"].as_f64());
        }
        let [first, later] = [first, later].map(|figures| figures.into_iter().collect::<Runs>());
        if profile == Profile::Release {
            let what = "`build()` of 1 000 handlers";
            report.goal(Goal::at_most("build", what, first.median(), 5.0, "ms"));
        }
        let workload = format!("build() of 1 000 handlers, {name}");
        report.row(Row::new(&workload, "ours, first of a process", "ms", first));
        report.row(Row::new(&workload, "ours, a later one", "ms", later));
    }
    Ok(())
}

/// A clean debug build of a small application.
fn building(args: &Args, report: &mut Report) -> Result<()> {
    let runs = if args.quick { "1" } else { "3" };
    let text = cargo::run(Command::new(cargo::folder().join("build-cost")).arg(runs))?;
    let figures = |app: &str, what: &str| {
        let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let own = lines.filter(|line| line.len() == 3 && line[0] == app && line[1] == what);
        own.filter_map(|line| line[2].parse().ok())
            .collect::<Runs>()
    };
    let apps = [
        ("ours", "ours, with SQLite"),
        ("cqrs-es", "cqrs-es 0.5 with sqlite-es 0.5"),
    ];
    let theirs = [
        figures("cqrs-es", "cpu").median(),
        figures("cqrs-es", "crates").median(),
    ];
    for (app, name) in apps {
        let row = Row::new(
            "clean debug build of a small application",
            name,
            "CPU s",
            figures(app, "cpu"),
        );
        report.row(row.against("cqrs-es", theirs[0]));
    }
    for (app, name) in apps {
        let row = Row::new(
            "crates of that application",
            name,
            "crates",
            figures(app, "crates"),
        );
        report.row(row.against("cqrs-es", theirs[1]));
    }
    let what = "clean debug build against cqrs-es with sqlite-es";
    report.goal(Goal::at_most(
        "clean-build",
        what,
        figures("ours", "cpu").median() / theirs[0],
        1.0,
        "x",
    ));
    report.note(
        "clean debug build: one aggregate, two commands, a read model and a query on a database \
         file (`apps/`), both with a bundled SQLite; user + system seconds of all processes, \
         nothing downloaded.",
    );
    Ok(())
}

/// The number of crates that a user's dependency graph gains.
fn crates(report: &mut Report) -> Result<()> {
    let packages = [
        ("crates", "wired-cqrs with macros", "cqrs-core", 40.0),
        ("crates-sqlite", "with SQLite", "adapters/sqlite", 60.0),
    ];
    for (key, name, package, most) in packages {
        let manifest = format!("../{package}/Cargo.toml");
        let mut tree = cargo::cargo();
        tree.args([
            "tree",
            "--manifest-path",
            &manifest,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ]);
        let text = cargo::run(&mut tree)?;
        let mut names: Vec<_> = text
            .lines()
            .filter_map(|line| line.split(" (").next())
            .collect();
        names.sort_unstable();
        names.dedup();
        let count = names.len() as f64;
        let runs = [count].into_iter().collect();
        report.row(Row::new("cargo tree -e normal,build", name, "crates", runs));
        report.goal(Goal::at_most(
            key,
            &format!("crates, {name}"),
            count,
            most,
            "crates",
        ));
    }
    Ok(())
}
