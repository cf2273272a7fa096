//! The judgement, against serde: what one type writes is read by another.

mod all_pairs;
mod pairs;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contract::Contract;
use super::judgement::mismatches;
use super::mismatch::{Mismatch, What};
use super::sample::{Sampler, TEXTS};
use crate::json;
use crate::message::Probe;

#[test]
fn each_mismatch_is_there_once() {
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Before {
        ab: u32,
        inside: Vec<Inside>,
        tree: Tree,
    }
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Inside {
        a: u32,
    }
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Tree {
        children: Vec<Tree>,
    }
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct After {
        a: u32,
        ab: u32,
        inside: Vec<InsideAfter>,
        tree: TreeAfter,
    }
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct InsideAfter {
        a: u8,
    }
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct TreeAfter {
        a: u32,
        children: Vec<TreeAfter>,
    }
    let [before, after] = [Type::of::<Before>("before"), Type::of::<After>("after")];
    let found = judged(&before, &after).expect("serde agrees");
    let mut paths: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["a", "inside[].a", "tree.a"]);
}

/// A type of the table.
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) contract: Contract,
    /// Values that it writes.
    pub(super) samples: Vec<Value>,
    /// What it writes for this value, if it reads it.
    pub(super) rewrite: fn(&Value) -> Option<Value>,
    /// Whether it reads this JSON, and the reason if not.
    pub(super) read: fn(&Value) -> Result<(), String>,
}

impl Type {
    pub(super) fn of<T: Serialize + DeserializeOwned + JsonSchema>(name: &'static str) -> Self {
        let contract = Contract::of(|| Probe::<T>::new().schemas()).expect("it derives one");
        let rewrite: fn(&Value) -> Option<Value> = |value| {
            let decoded: T = json::decode(value.to_string().as_bytes()).ok()?;
            serde_json::to_value(decoded).ok()
        };
        let mut written_values: Vec<Value> = Vec::new();
        for text in TEXTS {
            let sampler = Sampler::new(&contract.written, true, text);
            for sample in sampler.covering(&contract.written) {
                let written = rewrite(&sample);
                let written = written.unwrap_or_else(|| panic!("{name} does not read {sample}"));
                if !written_values.contains(&written) {
                    written_values.push(written);
                }
            }
        }
        Self {
            name,
            contract,
            samples: written_values,
            rewrite,
            read: |value| {
                let decoded = json::decode::<T>(value.to_string().as_bytes());
                decoded.map(drop).map_err(|error| error.to_string())
            },
        }
    }
}

/// The mismatches of what one type writes and another reads. Panics where serde differs: if it reads what
/// the judgement refuses, or refuses what that lets pass.
pub(super) fn judged(written: &Type, read: &Type) -> Result<Vec<Mismatch>, String> {
    let found = mismatches(&written.contract.written, &read.contract.read);
    let names = format!("{} to {}", written.name, read.name);
    if found.is_empty() {
        for sample in &written.samples {
            if let Err(why) = (read.read)(sample) {
                panic!("{names}: {sample} was let pass: {why}");
            }
        }
        return Ok(found);
    }
    for mismatch in &found {
        // These are about what a value means, and about what is not known.
        if matches!(mismatch.what, What::Digits { .. } | What::Unclear(_)) {
            continue;
        }
        // A schema may have more than is written, as it does not know the condition of `skip_serializing_if`.
        let mut witnesses = mismatch
            .witnesses
            .iter()
            .filter(|it| (written.rewrite)(it).as_ref() == Some(it))
            .peekable();
        // Serde also reads the fields of a struct from a list.
        let is_list = matches!(
            &mismatch.what,
            What::Kind { written, read } if written.starts_with("a list") && read == "an object"
        );
        if witnesses.peek().is_some() && !is_list && !witnesses.any(|it| (read.read)(it).is_err()) {
            return Err(format!("{names}: {mismatch:?} is read all the same"));
        }
    }
    Ok(found)
}
