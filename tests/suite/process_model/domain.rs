//! Talks whose events say themselves what they lead to, so that one process manager behaves like any.

use std::time::Duration;

use cqrs_core::prelude::*;

cqrs_core::module!();

/// What an event, or a rejection, leads to.
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

/// A command that is sent to a talk, or refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    pub to: u32,
    pub is_refused: bool,
    /// What it leads to, there or here.
    pub script: Script,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Tell {
    pub talk: u32,
    /// Who is told.
    pub to: u32,
    pub is_refused: bool,
    pub script: Script,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "told", version = 1)]
pub struct Told {
    #[id("talk")]
    pub talk: u32,
    pub script: Script,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "rang", version = 1)]
pub struct Rang {
    #[id("talk")]
    pub talk: u32,
    pub script: Script,
}

#[command_handler]
fn tell(command: Tell) -> Result<Told, Rejected> {
    ensure!(!command.is_refused, "not now");
    Ok(Told {
        talk: command.to,
        script: command.script,
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
impl Talk {
    #[start]
    fn told(&mut self, event: &Told) -> Effects {
        self.follow(event.talk, &event.script)
    }

    #[due]
    fn rang(&mut self, event: &Rang) -> Effects {
        self.follow(event.talk, &event.script)
    }

    #[rejected]
    fn refused(&mut self, command: &Tell, _: &Rejected) -> Effects {
        self.follow(command.talk, &command.script)
    }

    fn follow(&mut self, talk: u32, script: &Script) -> Effects {
        self.followed.push(script.serial);
        let tells = script.tells.iter().cloned().map(|message| Tell {
            talk,
            to: message.to,
            is_refused: message.is_refused,
            script: message.script,
        });
        let rings = script.rings.as_ref().map(|(after, script)| {
            let script = Script::clone(script);
            Deadline::after(Rang { talk, script }, Duration::from_millis(*after))
        });
        let moves = script.moves.map(Duration::from_millis);
        (
            tells.collect(),
            script.cancels.then(Cancel::new),
            rings,
            moves.map(Reschedule::after),
            script.ends.then_some(End),
        )
    }
}
