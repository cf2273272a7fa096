//! Talks whose events say themselves what they lead to, so that one process manager behaves like any.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cqrs_core::prelude::*;

cqrs_core::module!();

/// What an event, or a rejection, leads to in one talk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Script {
    /// Its number, which no other script has.
    pub serial: u64,
    pub tells: Vec<Message>,
    pub cancels: bool,
    /// Sets a deadline after this time, in milliseconds.
    pub rings: Option<(u64, Box<Script>)>,
    /// Moves the deadline.
    pub moves: Option<u64>,
    pub ends: bool,
}

/// A command that is sent to talks, or refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its number, which no other message has.
    pub serial: u64,
    pub form: Form,
    /// Talks, perhaps some of them more than once.
    pub to: Vec<u32>,
    pub is_refused: bool,
    /// What it leads to in each of them, or the first one where it was sent.
    pub scripts: Vec<Script>,
}

/// The event that a message is recorded as.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Form {
    Told,
    Gathered,
    Met,
}

static FORGOTTEN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

static LOST: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// The numbers of scripts that cannot be followed. Each case of a test has numbers of its own.
pub fn forgotten() -> MutexGuard<'static, BTreeSet<u64>> {
    FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The numbers of messages that cannot be sent.
pub fn lost() -> MutexGuard<'static, BTreeSet<u64>> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Tell {
    pub talk: u32,
    pub message: Message,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "told", version = 1)]
pub struct Told {
    #[id("talk")]
    pub talk: u32,
    pub message: Message,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "gathered", version = 1)]
pub struct Gathered {
    #[id("talk", each)]
    pub talks: Vec<u32>,
    pub message: Message,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "met", version = 1)]
pub struct Met {
    #[id("talk")]
    pub host: u32,
    #[id("talk", each)]
    pub guests: Vec<u32>,
    pub message: Message,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "rang", version = 1)]
pub struct Rang {
    #[id("talk")]
    pub talk: u32,
    pub script: Script,
}

#[command_handler]
async fn tell(
    Tell { message, .. }: Tell,
) -> Result<(Option<Told>, Option<Gathered>, Option<Met>), CommandError<Rejected>> {
    if lost().contains(&message.serial) {
        return Err(CommandError::failed(Error::message("the line is dead")));
    }
    if message.is_refused {
        return Err(Rejected::from("not now").into());
    }
    let talks = message.to.clone();
    Ok(match (message.form, &*talks) {
        (Form::Told, [talk]) => {
            let talk = *talk;
            (Some(Told { talk, message }), None, None)
        }
        (Form::Met, [host, guests @ ..]) => {
            let (host, guests) = (*host, guests.to_vec());
            let met = Met {
                host,
                guests,
                message,
            };
            (None, None, Some(met))
        }
        _ => (None, Some(Gathered { talks, message }), None),
    })
}

/// The numbers of the scripts that it has followed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Talk {
    pub followed: Vec<u64>,
}

type Effects = (
    Vec<Tell>,
    Option<Cancel<Rang>>,
    Option<Deadline<Rang>>,
    Option<Reschedule<Rang>>,
    Option<End>,
);

#[process_manager(name = "talks", id("talk" = u32))]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "an id may be any type")]
impl Talk {
    #[start]
    fn told(&mut self, event: &Told, id: &u32) -> Result<Effects> {
        self.hear(*id, &event.message)
    }

    #[start]
    fn gathered(&mut self, event: &Gathered, id: &u32) -> Result<Effects> {
        self.hear(*id, &event.message)
    }

    #[on]
    fn met(&mut self, event: &Met, id: &u32) -> Result<Effects> {
        self.hear(*id, &event.message)
    }

    #[due]
    fn rang(&mut self, event: &Rang) -> Result<Effects> {
        self.follow(event.talk, &event.script)
    }

    #[rejected]
    fn refused(&mut self, command: &Tell, _: &Rejected) -> Result<Effects> {
        self.follow(command.talk, &command.message.scripts[0])
    }

    fn hear(&mut self, talk: u32, message: &Message) -> Result<Effects> {
        let mut scripts = message.to.iter().zip(&message.scripts);
        let own = scripts.find(|(to, _)| **to == talk);
        let (_, script) = own.ok_or_else(|| Error::message("it is told to others"))?;
        self.follow(talk, script)
    }

    fn follow(&mut self, talk: u32, script: &Script) -> Result<Effects> {
        let is_forgotten = forgotten().contains(&script.serial);
        ensure!(!is_forgotten, Error::message("the script is forgotten"));
        self.followed.push(script.serial);
        let tells = script.tells.iter().cloned();
        let tells = tells.map(|message| Tell { talk, message }).collect();
        let rings = script.rings.as_ref().map(|(after, script)| {
            let script = Script::clone(script);
            Deadline::after(Rang { talk, script }, Duration::from_millis(*after))
        });
        let moves = script.moves.map(Duration::from_millis);
        Ok((
            tells,
            script.cancels.then(Cancel::new),
            rings,
            moves.map(Reschedule::after),
            script.ends.then_some(End),
        ))
    }
}
