//! What becomes of talks, according to the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::store::Recorded;
use serde::de::DeserializeOwned;

use super::domain::{Message, Script};

/// A talk, as the model knows it.
#[derive(Debug, Default)]
pub struct Modeled {
    /// Position of the event that it began with.
    pub started: Option<Position>,
    pub ended: Option<Position>,
    pub followed: Vec<u64>,
    /// Number of events before it began.
    pub early: u64,
    /// Number of events after its end.
    pub late: u64,
    /// The number of its script, and the time.
    pub deadline: Option<(u64, Timestamp)>,
}

/// What an operator has skipped an event for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A step that failed: the talk does not follow the script.
    Step,
    /// A message that could not be sent: the talk has followed the script.
    Message,
    /// One of the two.
    Either,
}

/// All talks, after a part of the log.
#[derive(Default)]
pub struct Model {
    pub talks: BTreeMap<u32, Modeled>,
    /// The numbers of messages that were sent, and have not come. Whether they are refused.
    under_way: BTreeMap<u64, bool>,
    /// The numbers of all messages and deadlines.
    known: BTreeSet<u64>,
    /// By the position of the event and the talk.
    skipped: BTreeMap<(Position, u32), Skipped>,
    /// The numbers of the scripts that each talk has followed in fact.
    followed: BTreeMap<u32, Vec<u64>>,
    /// The numbers of the messages of events that were skipped once they had been handled, of each event in order.
    left_out: Vec<Vec<u64>>,
}

impl Model {
    pub fn new(
        skipped: BTreeMap<(Position, u32), Skipped>,
        followed: BTreeMap<u32, Vec<u64>>,
    ) -> Self {
        Self {
            skipped,
            followed,
            ..Self::default()
        }
    }

    /// Finds messages that should have come by now.
    pub fn finish(&mut self) -> Result<(), String> {
        for serials in &self.left_out {
            let mut serials = serials.iter();
            // They are sent in order.
            serials.find(|serial| self.under_way.contains_key(serial));
            if let Some(come) = serials.find(|serial| !self.under_way.contains_key(serial)) {
                return Err(format!("{come} came, but not what was sent before"));
            }
        }
        for serial in self.left_out.iter().flatten() {
            self.under_way.remove(serial);
        }
        if self.under_way.is_empty() {
            Ok(())
        } else {
            Err(format!("these have not come: {:?}", self.under_way))
        }
    }

    pub fn take(&mut self, event: &Recorded) -> Result<(), String> {
        let json = event.data.json();
        let name = event.data.event_type.as_str();
        let (to, scripts) = match name {
            "rang" => {
                let (talk, script): (u32, Script) = (read(&json["talk"]), read(&json["script"]));
                self.rings(talk, &script, event.meta.time)?;
                (vec![talk], vec![script])
            }
            "told" | "gathered" | "met" => {
                let Message {
                    serial,
                    to,
                    scripts,
                    ..
                } = read(&json["message"]);
                self.comes(serial, false)?;
                (to, scripts)
            }
            _ => {
                let Message {
                    serial,
                    mut scripts,
                    ..
                } = read(&json["command"]["message"]);
                self.comes(serial, true)?;
                scripts.truncate(1);
                (vec![read(&json["command"]["talk"])], scripts)
            }
        };
        let mut own: BTreeMap<u32, &Script> = BTreeMap::new();
        for (talk, script) in to.into_iter().zip(&scripts) {
            own.entry(talk).or_insert(script);
        }
        for (talk, script) in own {
            self.follow(talk, script, event);
        }
        Ok(())
    }

    /// A message is recorded, or that it was refused.
    fn comes(&mut self, serial: u64, is_refused: bool) -> Result<(), String> {
        if !self.known.insert(serial) {
            return Err(format!("{serial} came twice"));
        }
        match self.under_way.remove(&serial) {
            // It is told from outside.
            None if !is_refused => Ok(()),
            Some(expected) if expected == is_refused => Ok(()),
            expected => Err(format!(
                "{serial} came, refused: {is_refused}, and not as expected: {expected:?}"
            )),
        }
    }

    fn rings(&mut self, talk: u32, script: &Script, time: Timestamp) -> Result<(), String> {
        let serial = script.serial;
        if !self.known.insert(serial) {
            return Err(format!("{serial} rang twice"));
        }
        let talk = self.talks.entry(talk).or_default();
        let deadline = talk.deadline.take();
        let is_expected = talk.ended.is_none()
            && deadline.is_some_and(|(expected, due)| expected == serial && due <= time);
        if is_expected {
            Ok(())
        } else {
            Err(format!("{serial} rang, but {deadline:?} was set"))
        }
    }

    fn follow(&mut self, id: u32, script: &Script, event: &Recorded) {
        let talk = self.talks.entry(id).or_default();
        let name = event.data.event_type.as_str();
        let skipped = self.skipped.get(&(event.position, id));
        let followed = self.followed.get(&id);
        let is_left_out = skipped.is_some_and(|skipped| match skipped {
            Skipped::Step => true,
            Skipped::Message => false,
            Skipped::Either => followed.is_none_or(|it| !it.contains(&script.serial)),
        });
        if is_left_out {
            talk.early += u64::from(talk.started.is_none());
            return;
        }
        if talk.started.is_none() {
            if name == "met" {
                talk.early += 1;
                return;
            }
            talk.started = Some(event.position);
        }
        // What was sent before the end, or at it, may still be refused.
        let is_refusal = !matches!(name, "told" | "gathered" | "met" | "rang");
        if talk.ended.is_some() && !is_refusal {
            talk.late += 1;
            return;
        }
        talk.followed.push(script.serial);
        let sent = script.tells.iter();
        let sent = sent.map(|message| (message.serial, message.is_refused));
        self.under_way.extend(sent);
        if skipped.is_some() {
            let sent = script.tells.iter();
            let serials = sent.map(|message| message.serial);
            self.left_out.push(serials.collect());
        }
        let after = |millis: u64| event.meta.time + Duration::from_millis(millis);
        if script.cancels {
            talk.deadline = None;
        }
        if let Some((millis, script)) = &script.rings {
            talk.deadline = Some((script.serial, after(*millis)));
        }
        if let (Some(millis), Some((_, due))) = (script.moves, &mut talk.deadline) {
            *due = after(millis);
        }
        if script.ends {
            talk.ended.get_or_insert(event.position);
        }
        if talk.ended.is_some() {
            talk.deadline = None;
        }
    }
}

fn read<T: DeserializeOwned>(json: &serde_json::Value) -> T {
    serde_json::from_value(json.clone()).expect("it is as it was written")
}
