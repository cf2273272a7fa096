//! A lock of the schemas of everything that is stored: first runs, changes that fit and that do not, and what
//! accepts them. Each run is a process of its own, since a variable accepts changes.

mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use cqrs_core::testing::verify_schemas_in;
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = "CQRS_TEST_SCHEMA_PROGRAM";
const DIRECTORY: &str = "CQRS_TEST_SCHEMA_DIRECTORY";
const ACCEPT: &str = "CQRS_ACCEPT_SCHEMAS";

/// A crate in which one program after another has its test.
struct Folder(TempDir);

/// The end of a test.
struct Outcome {
    passed: bool,
    text: String,
}

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    /// A crate whose lock has this program.
    fn with(program: &str) -> Self {
        let folder = Self::new();
        folder.accept("1", program).passes();
        folder
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args([
                "--exact",
                "schema_lock::one_program_is_verified",
                "--nocapture",
            ])
            .env(PROGRAM, program)
            .env(DIRECTORY, self.0.path())
            .env_remove("CI")
            .env_remove("RUST_BACKTRACE")
            .env_remove(ACCEPT);
        command
    }

    fn run(&self, program: &str) -> Outcome {
        Outcome::of(&mut self.command(program))
    }

    fn accept(&self, value: &str, program: &str) -> Outcome {
        Outcome::of(self.command(program).env(ACCEPT, value))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect("the file")
    }

    fn lock(&self) -> Value {
        serde_json::from_str(&self.text("schema.lock.json")).expect("JSON")
    }

    fn payloads(&self, file: &str) -> Vec<Value> {
        serde_json::from_str(&self.text(&format!("golden/{file}"))).expect("JSON")
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("is written");
    }
}

impl Outcome {
    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("runs");
        let text = String::from_utf8(output.stderr).expect("a text");
        let passed = output.status.success();
        Self { passed, text }
    }

    #[track_caller]
    fn passes(self) {
        assert!(self.passed, "{}", self.text);
    }

    /// Fails with all of these texts.
    #[track_caller]
    fn fails(self, texts: &[&str]) {
        assert!(!self.passed, "it passes");
        for text in texts {
            assert!(self.text.contains(text), "no `{text}` in:\n{}", self.text);
        }
    }
}

/// Runs in the process that [`Folder::run`] starts.
#[test]
fn one_program_is_verified() {
    let (Ok(program), Ok(directory)) = (std::env::var(PROGRAM), std::env::var(DIRECTORY)) else {
        return;
    };
    verify_schemas_in(directory, [programs::module_of(&program)]);
}

#[test]
fn the_first_run_writes_the_lock_and_fails_and_the_second_passes() {
    let folder = Folder::new();
    folder.run("first").fails(&[
        "was missing and is written",
        "commit them, and run the test again",
    ]);
    let event = &folder.lock()["events"]["price-set"]["versions"]["1"];
    assert_eq!(
        event["written"]["properties"]["cents"],
        json!({"format": "uint32", "minimum": 0, "type": "integer"})
    );
    assert!(folder.text("schema.lock.json").ends_with("}\n"));
    let payloads = folder.payloads("price-set.1.json");
    let kinds: Vec<_> = payloads.iter().map(|it| it["kind"].clone()).collect();
    assert!(
        kinds.contains(&json!("Net")) && kinds.contains(&json!("Gross")),
        "{kinds:?}"
    );
    assert_eq!(folder.payloads("shop-closed.1.json"), [json!({})]);
    folder.run("first").passes();
}

#[test]
fn where_tests_only_check_a_lock_that_is_missing_stays_missing() {
    let folder = Folder::new();
    let run = || Outcome::of(folder.command("first").env("CI", "true"));
    run().fails(&[
        "`schema.lock.json` is missing",
        "CQRS_ACCEPT_SCHEMAS=1 cargo test",
    ]);
    run().fails(&["`schema.lock.json` is missing"]);
    assert!(!folder.path("schema.lock.json").exists());
}

#[test]
fn a_change_that_fits_fails_until_it_is_accepted() {
    let folder = Folder::with("first");
    let before = folder.text("schema.lock.json");
    folder.run("with_default").fails(&[
        "`schema.lock.json` is out of date: what is stored still fits",
        "event `price-set` (version 1): added `currency`",
        "To accept this: CQRS_ACCEPT_SCHEMAS=1 cargo test",
    ]);
    assert_eq!(folder.text("schema.lock.json"), before);
    let payloads = folder.text("golden/price-set.1.json");
    folder.accept("1", "with_default").passes();
    folder.run("with_default").passes();
    assert_eq!(
        folder.text("golden/price-set.1.json"),
        payloads,
        "it does not change"
    );
    let earlier = &folder.lock()["events"]["price-set"]["versions"]["1"]["earlier"];
    assert_eq!(earlier.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_field_without_a_default_does_not_fit_stored_events() {
    let folder = Folder::with("first");
    let texts = [
        "1 change of what is stored does not fit `schema.lock.json`",
        "event `price-set` (version 1): field `currency` was added without a default: events that were \
         recorded before have none, and could not be decoded (cannot be read",
        "missing field `currency`",
        "programs.rs:",
        "= write `#[serde(default)]` on it, or `version = 2` and `#[upcast(event = \"price-set\", from = 1)]`",
        "if nothing that does not fit was ever stored, or it is folded again: CQRS_ACCEPT_SCHEMAS=incompatible cargo test",
    ];
    folder.run("without_default").fails(&texts);
    folder.accept("1", "without_default").fails(&texts);
    folder.accept("downtime", "without_default").fails(&texts);
    folder
        .accept("yes", "without_default")
        .fails(&["`1`, `downtime` or `incompatible`"]);
}

#[test]
fn what_was_never_stored_can_be_changed() {
    let folder = Folder::with("first");
    folder.accept("incompatible", "without_default").passes();
    folder.run("without_default").passes();
    let version = &folder.lock()["events"]["price-set"]["versions"]["1"];
    assert_eq!(version["earlier"], Value::Null);
    assert_eq!(folder.payloads("price-set.1.json")[0]["currency"], "text");

    folder.accept("incompatible", "gone").passes();
    assert!(!folder.path("golden/shop-closed.1.json").exists());
    folder.run("gone").passes();
}

#[test]
fn a_removed_field_does_not_fit_the_previous_program() {
    let folder = Folder::with("first");
    folder.run("removed").fails(&[
        "event `price-set` (version 1): field `kind` was removed, and had no default: events that it records \
         have none, and could not be decoded by processes of the previous program, while it still runs",
        "the field again, with `#[serde(default)]`, until all processes run that program",
        "CQRS_ACCEPT_SCHEMAS=downtime cargo test",
    ]);
    folder
        .accept("1", "removed")
        .fails(&["CQRS_ACCEPT_SCHEMAS=downtime"]);
    folder.accept("downtime", "removed").passes();
    folder.run("removed").passes();
    // It was recorded, so it cannot come back as something else.
    folder.run("came_back").fails(&[
        "event `price-set` (version 1): `kind` was `\"Gross\"`",
        "could not be decoded",
        "CQRS_ACCEPT_SCHEMAS=incompatible",
    ]);
}

#[test]
fn a_narrower_type_does_not_fit() {
    Folder::with("first").run("narrower").fails(&[
        "event `price-set` (version 1): `cents` was a whole number from 0 to 4294967295, and is a whole number \
         from 0 to 65535",
    ]);
}

#[test]
fn a_renamed_variant_does_not_fit_in_either_direction() {
    Folder::with("first").run("renamed_variant").fails(&[
        "2 changes",
        "event `price-set` (version 1): `kind` has no `Gross` any more: events that were recorded before may \
         have it",
        "the variant again, or `#[serde(rename = \"Gross\")]` on the one that has another name in the code",
        "`kind` may be `Total`, which is new",
    ]);
}

#[test]
fn what_the_schema_does_not_say_is_found_out_by_decoding() {
    // `alias` is in no schema: what is stored fits, and the previous program does not have it.
    let folder = Folder::with("first");
    folder.run("aliased").fails(&[
        "1 change",
        "field `cents` was removed, and had no default",
        "= write `#[serde(rename = \"cents\")]` on `amount` if only its name in the code has changed, the field again",
        "CQRS_ACCEPT_SCHEMAS=downtime",
    ]);
    folder.accept("downtime", "aliased").passes();
    folder.run("aliased").passes();
}

#[test]
fn an_alias_outside_does_not_cover_the_same_name_inside() {
    let folder = Folder::with("nested");
    folder.run("aliased_outside").fails(&[
        "field `discount.Of.amount` was added without a default",
        "CQRS_ACCEPT_SCHEMAS=incompatible",
    ]);
}

#[test]
fn a_default_that_changes_is_a_doubt() {
    let folder = Folder::with("in_euros");
    folder.run("in_dollars").fails(&[
        "the default of `currency` was `\"EUR\"`, and is `\"USD\"`: what was stored without the field means \
         something else now",
        "if you have made sure that it fits: CQRS_ACCEPT_SCHEMAS=1",
    ]);
    folder.accept("1", "in_dollars").passes();
    folder.run("in_dollars").passes();
}

#[test]
fn a_wire_name_that_is_gone_is_renamed_retired_or_forgotten() {
    let folder = Folder::with("first");
    folder.run("gone").fails(&[
        "there is no event `shop-closed` any more: events that were recorded are not read",
        "`was = [\"shop-closed\"]`",
        "`retired = [\"shop-closed\"]`",
    ]);
    folder.accept("1", "retired").passes();
    folder.run("retired").passes();
    // It is remembered.
    folder.run("gone").passes();
    folder
        .run("first")
        .fails(&["event `shop-closed` is read again"]);

    let renamed = Folder::with("first");
    renamed
        .run("renamed")
        .fails(&["event `shop-closed` has the name `shop-shut` now"]);
    renamed.accept("1", "renamed").passes();
    renamed.run("renamed").passes();
    assert_eq!(
        renamed.lock()["events"]["shop-shut"]["was"],
        json!(["shop-closed"])
    );
    // Its payloads are still decoded, under the name that it had.
    renamed.write("golden/shop-closed.1.json", "[7]");
    renamed
        .run("renamed")
        .fails(&["event `shop-closed` (version 1): payload 1"]);
    renamed.write("golden/shop-closed.1.json", "[{}]");
    renamed
        .run("not_renamed_any_more")
        .fails(&["has no `was = [\"shop-closed\"]` any more"]);
}

#[test]
fn a_version_needs_an_upcaster_or_defaults() {
    let folder = Folder::with("first");
    folder.run("raised").fails(&[
        "event `price-set` (version 1): field `euros` was added without a default",
        "`#[upcast(event = \"price-set\", from = 1)]`",
    ]);
    folder
        .run("upcast")
        .fails(&["out of date", "event `price-set` has version 2"]);
    folder.accept("1", "upcast").passes();
    folder.run("upcast").passes();
    let versions = folder.lock()["events"]["price-set"]["versions"].clone();
    assert!(versions["1"]["written"]["properties"]["cents"].is_object());
    assert!(versions["2"]["written"]["properties"]["euros"].is_object());
    assert!(folder.path("golden/price-set.2.json").exists());
    folder.run("failing_upcaster").fails(&[
        "event `price-set` (version 1): payload 1 of `golden/price-set.1.json` cannot be read: its \
         upcaster `from_1`",
        "there were no euros",
        "This cannot be accepted.",
    ]);
    folder
        .run("first")
        .fails(&["event `price-set` has version 1, and the lock has 2"]);
    fs::remove_file(folder.path("golden/price-set.1.json")).expect("is removed");
    folder
        .run("upcast")
        .fails(&["`golden/price-set.1.json` is missing"]);
}

#[test]
fn an_event_without_a_schema_cannot_be_accepted() {
    let folder = Folder::new();
    folder.accept("incompatible", "without_schema").fails(&[
        "event `price-set` has no JSON schema",
        "`#[derive(JsonSchema)]`",
    ]);
    assert!(!folder.path("schema.lock.json").exists());
}

#[test]
fn payloads_that_cannot_be_made_up_are_written_by_hand_or_by_example() {
    let folder = Folder::new();
    folder.accept("1", "validated").fails(&[
        "event `code-set` (version 1): no payload can be made up from its schema: it cannot be read: `code`",
        "`#[schemars(example = ..)]` on the field, or the file `golden/code-set.1.json`",
    ]);
    fs::create_dir(folder.path("golden")).expect("a folder");
    folder.write("golden/code-set.1.json", r#"[{"code":"x-17"}]"#);
    folder.accept("1", "validated").passes();
    folder.run("validated").passes();

    let by_example = Folder::with("with_an_example");
    assert_eq!(
        by_example.payloads("code-set.1.json"),
        [json!({"code": "x-1"})]
    );
}

#[test]
fn a_file_of_nothing_and_a_file_that_is_no_list_are_problems() {
    let folder = Folder::with("first");
    folder.write("golden/price-st.1.json", "[]");
    folder
        .run("first")
        .fails(&["`golden/price-st.1.json` is of no event and version"]);
    fs::remove_file(folder.path("golden/price-st.1.json")).expect("is removed");
    folder.write("golden/price-set.1.json", "{}");
    folder
        .run("first")
        .fails(&["`golden/price-set.1.json` is no list of payloads"]);
    folder.write("schema.lock.json", "<<<<<<<");
    folder.run("first").fails(&[
        "schema.lock.json` is no lock",
        "accept the changes of both branches",
    ]);
}

#[test]
fn states_and_views_are_in_the_lock_too() {
    let folder = Folder::with("states");
    folder.run("states").passes();
    let lock = folder.lock();
    assert!(lock["process_managers"]["closing"]["written"]["properties"]["step"].is_object());
    assert!(lock["aggregates"]["till"]["written"]["properties"]["sum"].is_object());
    let till = &lock["projections"]["tills"]["read_models"]["till_card"];
    assert_eq!(till["indexes"], json!({"sum": "u32"}));
    folder.run("other_states").fails(&[
        "the state of process manager `closing`: field `reason` was added without a default: instances that \
         were stored before have none",
        "if the `impl` block has changed, too",
        "read model `till_card` of projection `tills` (version 1) has other indexes",
        "= write `version = 2` in the attribute of the projection",
        // These are folded again.
        "Other changes, which fit:",
        "the stored state of aggregate `till`: field `count` was added without a default: states that do not \
         fit are folded from their events again",
    ]);
    folder.run("first").fails(&[
        "there is no process manager `closing` any more: nothing handles its instances, their commands and deadlines",
        "= write `was = [\"closing\"]` in the `#[process_manager(..)]` that has another name now",
    ]);
}

#[test]
fn several_tests_at_once_write_one_whole_lock() {
    let folder = Folder::new();
    let directory: &Path = folder.0.path();
    let module = || programs::module_of("first");
    let barrier = Barrier::new(4);
    let runs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    verify_schemas_in(directory, [module()]);
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().is_ok()).collect()
    });
    if std::env::var_os("CI").is_none() {
        // The first one wrote it, and failed.
        assert_eq!(
            runs.iter().filter(|passed| !**passed).count(),
            1,
            "{runs:?}"
        );
        verify_schemas_in(directory, [module()]);
        let names = fs::read_dir(folder.path("golden")).expect("is there");
        assert_eq!(names.count(), 2, "no files are left over");
    }
}
