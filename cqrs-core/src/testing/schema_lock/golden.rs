use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::finding::{Finding, Severity};
use super::lock::{self, Lock};
use super::program::Program;
use super::sample::{Sampler, TEXTS};
use crate::registry::EventEntry;
use crate::wiring::Problem;

/// The folder beside the lock.
const FOLDER: &str = "golden";

/// The files with payloads, one for each version of an event. One that is there is replaced only if it does not
/// fit and somebody accepts that, as nothing of it was ever stored.
pub(super) struct Golden {
    folder: PathBuf,
    /// Those that there should be.
    wanted: BTreeMap<String, GoldenEvent>,
    /// Those of earlier names.
    earlier: BTreeMap<String, GoldenEvent>,
    /// Those of events that nothing reads.
    retired: BTreeSet<String>,
    /// Those of versions that the lock had, and will not have.
    dropped: BTreeSet<String>,
}

/// A version of an event, under one of its names.
struct GoldenEvent {
    name: String,
    version: u32,
    event: &'static EventEntry,
}

impl Golden {
    /// The files for what the lock will have, and had.
    pub(super) fn new(directory: &Path, lock: &Lock, known: &Lock, program: &Program) -> Self {
        let names: Vec<&str> = versions(lock).map(|(_, name, _)| name).collect();
        let mut golden = Self {
            folder: directory.join(FOLDER),
            wanted: BTreeMap::new(),
            earlier: BTreeMap::new(),
            retired: BTreeSet::new(),
            dropped: versions(known)
                .map(|(_, name, version)| file_name(name, version, &names))
                .collect(),
        };
        for (present, name, version) in versions(lock) {
            let file = file_name(name, version, &names);
            golden.dropped.remove(&file);
            let Some(event) = program
                .event(present)
                .filter(|_| lock.events.contains_key(present))
            else {
                golden.retired.insert(file);
                continue;
            };
            let of = GoldenEvent {
                name: name.to_owned(),
                version,
                event,
            };
            if name == present {
                golden.wanted.insert(file, of);
            } else {
                golden.earlier.insert(file, of);
            }
        }
        golden
    }

    /// Decodes the payloads of all files, and records them again: adds what is wrong with them to the findings.
    /// Returns what becomes of files if all of that is accepted.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn check(
        &self,
        program: &Program,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<FileChange>, String> {
        let mut changes = Vec::new();
        let present = self.present()?;
        for file in &present {
            let is_dropped = self.dropped.contains(file);
            match self.wanted.get(file).or_else(|| self.earlier.get(file)) {
                Some(of) => {
                    let Some(finding) = self.check_file(file, of, program)? else {
                        continue;
                    };
                    if of.is_present() {
                        let what = "is made anew, as its payloads do not fit";
                        self.write((file, what), of, program, findings, &mut changes);
                    }
                    // The schema says it already.
                    if !findings.iter().any(|it| of.has(it)) {
                        findings.push(finding);
                    }
                }
                None if is_dropped => changes.push(FileChange::Remove(self.folder.join(file))),
                None if self.retired.contains(file) => {}
                None => findings.push(of_nothing(file)),
            }
        }
        for (file, of) in &self.wanted {
            if present.contains(file) {
                continue;
            }
            if of.is_present() {
                self.write((file, "is new"), of, program, findings, &mut changes);
                continue;
            }
            // After a change of the name, the payloads of the earlier one stand for it.
            let mut earlier = self.earlier.iter().filter(|(_, other)| {
                (other.event.name, other.version) == (of.event.name, of.version)
            });
            if !earlier.any(|(file, _)| present.contains(file)) {
                findings.push(of.missing(file));
            }
        }
        Ok(changes)
    }

    /// Has the file of a present version written.
    fn write(
        &self,
        (file, what): (&str, &str),
        of: &GoldenEvent,
        program: &Program,
        findings: &mut Vec<Finding>,
        changes: &mut Vec<FileChange>,
    ) {
        match of.sample(program) {
            Ok(payloads) => {
                findings.push(Finding::change(format!("`{FOLDER}/{file}` {what}")));
                changes.push(FileChange::Write {
                    file: self.folder.join(file),
                    text: lock::pretty(&payloads),
                });
            }
            Err(why) => findings.push(of.not_sampled(file, &why)),
        }
    }

    /// The files that are there.
    fn present(&self) -> Result<BTreeSet<String>, String> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => {
                return Err(format!(
                    "`{}` cannot be read: {error}",
                    self.folder.display()
                ));
            }
        };
        let names = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok());
        let payloads = names.filter(|name| {
            let extension = Path::new(name).extension();
            extension.is_some_and(|it| it == "json")
        });
        Ok(payloads.collect())
    }

    fn payloads(&self, file: &str) -> Result<Vec<Value>, String> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("`{FOLDER}/{file}` cannot be read: {error}"))?;
        serde_json::from_str(&text).map_err(|error| {
            format!("`{FOLDER}/{file}` is no list of payloads, `[{{..}}, {{..}}]`: {error}")
        })
    }

    fn check_file(
        &self,
        file: &str,
        of: &GoldenEvent,
        program: &Program,
    ) -> Result<Option<Finding>, String> {
        let GoldenEvent {
            name,
            version,
            event,
        } = of;
        let payloads = self.payloads(file)?;
        let failed = payloads.iter().enumerate().find_map(|(place, payload)| {
            let payload = payload.to_string();
            let read = program.record_again(event, (name, *version), payload.as_bytes());
            Some((place + 1, read.err()?))
        });
        Ok(failed.map(|(place, why)| {
            let (severity, write) = if of.is_present() {
                let next = event.version + 1;
                let write = format!(
                    "what decodes it: `#[serde(default)]`, `#[serde(alias = \"..\")]`, or `version = {next}` and \
                     `#[upcast(event = \"{}\", from = {version})]`",
                    event.name
                );
                (Severity::Stored, write)
            } else {
                let write = format!(
                    "an upcaster that converts it. If nothing of version {version} was ever recorded, delete the \
                     file, and the version in the lock"
                );
                (Severity::Wrong, write)
            };
            let problem = Problem {
                what: format!("{of}: payload {place} of `{FOLDER}/{file}` {why}"),
                at: vec![event.source],
                write,
            };
            Finding::new(severity, problem)
        }))
    }
}

/// The events with their names, present and earlier, and their versions.
fn versions(lock: &Lock) -> impl Iterator<Item = (&str, &str, u32)> {
    let events = lock.events.iter().chain(&lock.retired);
    events.flat_map(|(present, locked)| {
        let names = locked.was.iter().chain([present]);
        names.flat_map(|name| {
            let versions = locked.versions.keys();
            versions.map(|version| (present.as_str(), name.as_str(), *version))
        })
    })
}

fn of_nothing(file: &str) -> Finding {
    let problem = Problem {
        what: format!("`{FOLDER}/{file}` is of no event and version that the lock has"),
        at: Vec::new(),
        write: "nothing: delete it, if nothing of it was ever recorded".to_owned(),
    };
    Finding::new(Severity::Wrong, problem)
}

/// What becomes of a file.
pub(super) enum FileChange {
    Write { file: PathBuf, text: String },
    Remove(PathBuf),
}

impl FileChange {
    /// Does it.
    ///
    /// # Errors
    /// When the file cannot be written or removed.
    pub(super) fn carry_out(&self) -> Result<(), String> {
        match self {
            Self::Write { file, text } => lock::write(file, text),
            Self::Remove(file) => fs::remove_file(file)
                .map_err(|error| format!("`{}` cannot be removed: {error}", file.display())),
        }
    }
}

impl fmt::Display for GoldenEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event `{}` (version {})", self.name, self.version)
    }
}

impl GoldenEvent {
    /// Whether the present code records it.
    fn is_present(&self) -> bool {
        (self.name.as_str(), self.version) == (self.event.name, self.event.version)
    }

    /// Whether the finding is that events of this version cannot be read.
    fn has(&self, Finding { severity, problem }: &Finding) -> bool {
        *severity == Severity::Stored && problem.what.starts_with(&format!("{self}: "))
    }

    /// Payloads that the present code writes: with each variant of its enums, with and without what is
    /// optional.
    fn sample(&self, program: &Program) -> Result<Vec<Value>, String> {
        let Self {
            name,
            version,
            event,
        } = self;
        let Some(schemas) = (event.schemas)() else {
            // That is a finding already.
            return Ok(Vec::new());
        };
        let mut why = "its schema admits nothing".to_owned();
        for text in TEXTS {
            let sampler = Sampler::new(&schemas.written, true, text);
            let mut payloads: Vec<Value> = Vec::new();
            for sample in sampler.covering(&schemas.written) {
                let json = match &sample {
                    Value::Null => "{}".to_owned(),
                    sample => sample.to_string(),
                };
                match program.record_again(event, (name, *version), json.as_bytes()) {
                    Ok(Some(again)) => {
                        let payload = serde_json::from_slice(&again).unwrap_or(sample);
                        if !payloads.contains(&payload) {
                            payloads.push(payload);
                        }
                    }
                    Ok(None) => {}
                    Err(error) => why = error,
                }
            }
            if !payloads.is_empty() {
                return Ok(payloads);
            }
        }
        Err(why)
    }

    fn missing(&self, file: &str) -> Finding {
        let problem = Problem {
            what: format!("{self} has no payloads: `{FOLDER}/{file}` is missing"),
            at: vec![self.event.source],
            write: format!(
                "the file again, `[{{..}}]`, with payloads as that version was recorded. If none ever was, delete \
                 version {} in the lock",
                self.version
            ),
        };
        Finding::new(Severity::Wrong, problem)
    }

    fn not_sampled(&self, file: &str, why: &str) -> Finding {
        let problem = Problem {
            what: format!("{self}: no payload can be made up from its schema: it {why}"),
            at: vec![self.event.source],
            write: format!(
                "`#[schemars(example = ..)]` on the field, or the file `{FOLDER}/{file}` with payloads, `[{{..}}]`"
            ),
        };
        Finding::new(Severity::Wrong, problem)
    }
}

/// The name of the file of a version. No two are the same, on file systems that ignore case, neither.
fn file_name(name: &str, version: u32, names: &[&str]) -> String {
    const LONGEST: usize = 150;
    const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];
    let differs_by_case = names
        .iter()
        .any(|other| *other != name && other.eq_ignore_ascii_case(name));
    let device = name.split('.').next().unwrap_or_default().to_lowercase();
    let is_device = RESERVED.contains(&device.as_str())
        || device.len() == 4 && (device.starts_with("com") || device.starts_with("lpt"));
    let mut file = String::new();
    for (place, byte) in name.bytes().enumerate() {
        let is_safe = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => !(place == 0 && is_device),
            b'A'..=b'Z' => !(differs_by_case || place == 0 && is_device),
            b'.' => place > 0,
            _ => false,
        };
        if is_safe {
            file.push(byte.into());
        } else {
            // A `String` takes everything.
            let _ = write!(file, "%{byte:02x}");
        }
    }
    if file.is_empty() {
        file.push('%');
    }
    if file.len() > LONGEST {
        file.truncate(LONGEST);
        let _ = write!(file, "%{:016x}", xxh3_64(name.as_bytes()));
    }
    format!("{file}.{version}.json")
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_files_are_safe_and_different() {
        let names = [
            "price-set",
            "Price-set",
            "a/b",
            "a%2fb",
            "..",
            "nul",
            "com1.x",
            "ä",
            "",
        ];
        let mut files: Vec<String> = names
            .iter()
            .map(|name| file_name(name, 1, &names).to_lowercase())
            .collect();
        assert_eq!(files[0], "price-set.1.json");
        assert_eq!(files[2], "a%2fb.1.json");
        assert_eq!(files[4], "%2e..1.json");
        assert_eq!(files[5], "%6eul.1.json");
        for file in &files {
            assert!(
                !file.contains(['/', '\\', ':']) && !file.starts_with('.'),
                "{file}"
            );
        }
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len());
        let long = "x".repeat(1000);
        assert!(file_name(&long, 1, &[]).len() < 200);
        assert_ne!(
            file_name(&long, 1, &[]),
            file_name(&"x".repeat(999), 1, &[])
        );
    }
}
