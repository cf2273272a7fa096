//! What `build` says of process managers that do not fit together.

use std::sync::Arc;

use cqrs_core::Module;
use cqrs_core::app::{BuildError, Builder};
use cqrs_core::prelude::*;
use cqrs_core::store::ViewCapabilities;

use crate::support::decorated::{Decorated, Hooks};

/// The problems of a wiring: what, at the lines of which code, and what to write.
async fn problems(builder: Builder) -> Vec<String> {
    let Err(BuildError::Wiring(problems)) = builder.build().await else {
        panic!("the wiring was found to be whole");
    };
    let code: Vec<_> = include_str!("wiring_processes.rs").lines().collect();
    let described = problems.into_iter().map(|problem| {
        let places = problem.at.iter();
        let places = places.map(|at| code[at.line as usize - 1].trim().to_owned());
        let places: Vec<_> = places.collect();
        format!(
            "{} [{}] {}",
            problem.what,
            places.join(" / "),
            problem.write
        )
    });
    described.collect()
}

/// The problems of a module, beside those of which it takes events and commands.
async fn problems_of(module: Module) -> Vec<String> {
    let builder = Dispatcher::builder().store(Memory::new());
    problems(builder.module(orders::module()).module(module)).await
}

/// Events and commands for process managers of other modules.
mod orders {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "placed", version = 1)]
    pub struct Placed {
        #[id("wired-order")]
        pub order: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "due", version = 1)]
    pub struct Due {
        #[id("wired-order")]
        pub order: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "moved", version = 1)]
    pub struct Moved {
        #[id("wired-order")]
        pub order: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Ship {
        pub order: u32,
    }

    #[command_handler]
    fn ship(_: Ship) {}
}

mod deadlines {
    use std::time::Duration;

    use super::orders::*;
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Default, Serialize, Deserialize)]
    pub struct Waits;

    #[process_manager(name = "waits", id("wired-order" = u32))]
    impl Waits {
        #[start]
        fn placed(&mut self, event: &Placed) -> Deadline<Moved> {
            let order = event.order;
            Deadline::after(Moved { order }, Duration::from_secs(1))
        }

        #[due]
        fn late(&mut self, _: &Due) -> (Reschedule<Placed>, Cancel<Moved>) {
            (Reschedule::after(Duration::from_secs(1)), Cancel::new())
        }
    }
}

#[tokio::test]
async fn deadlines_without_due_and_due_without_deadlines() {
    let due = "`#[due]` on a method that takes the event";
    let expected = [
        format!(
            "process manager `waits` sets a deadline with the event `moved`, and no step takes that \
             [fn placed(&mut self, event: &Placed) -> Deadline<Moved> {{] {due}"
        ),
        format!(
            "process manager `waits` moves a deadline with the event `placed`, and no step takes that \
             [fn late(&mut self, _: &Due) -> (Reschedule<Placed>, Cancel<Moved>) {{] {due}"
        ),
        format!(
            "process manager `waits` cancels a deadline with the event `moved`, and no step takes that \
             [fn late(&mut self, _: &Due) -> (Reschedule<Placed>, Cancel<Moved>) {{] {due}"
        ),
        "process manager `waits` waits for the event `due` of a deadline, which no step sets \
         [fn late(&mut self, _: &Due) -> (Reschedule<Placed>, Cancel<Moved>) {] `Deadline<..>` of the \
         event in the return type of a step, or `#[on]` in place of `#[due]`"
            .to_owned(),
    ];
    assert_eq!(problems_of(deadlines::module()).await, expected);
}

/// The same types under other names, which the macro cannot see through.
mod aliases {
    use super::orders::*;
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    type AlsoPlaced = Placed;
    type AlsoShip = Ship;

    #[derive(Default, Serialize, Deserialize)]
    pub struct Twice;

    #[process_manager(name = "twice", id("wired-order" = u32))]
    impl Twice {
        #[start]
        fn placed(&mut self, event: &Placed) -> Ship {
            Ship { order: event.order }
        }

        #[on]
        fn also_placed(&mut self, _: &AlsoPlaced) {}

        #[rejected]
        fn refused(&mut self, _: &Ship, _: &Rejected) {}

        #[rejected]
        fn also_refused(&mut self, _: &AlsoShip, _: &Rejected) {}
    }
}

#[tokio::test]
async fn two_steps_for_one_event_or_command() {
    let expected = [
        "process manager `twice` has 2 steps for the event `placed` [fn placed(&mut self, event: \
         &Placed) -> Ship { / fn also_placed(&mut self, _: &AlsoPlaced) {}] one method for it",
        "process manager `twice` has 2 `#[rejected]` for the command `Ship` [fn refused(&mut self, _: \
         &Ship, _: &Rejected) {} / fn also_refused(&mut self, _: &AlsoShip, _: &Rejected) {}] one \
         method for it",
    ];
    assert_eq!(problems_of(aliases::module()).await, expected);
}

mod commands {
    use super::orders::*;
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Forgotten {}

    #[derive(Default, Serialize, Deserialize)]
    pub struct Sends;

    #[process_manager(name = "sends", id("wired-order" = u32))]
    impl Sends {
        #[start]
        fn placed(&mut self, _: &Placed) -> Option<super::unhandled::Unhandled> {
            None
        }

        #[rejected]
        fn refused(&mut self, _: &Ship, _: &Rejected) {}
    }

    #[command_handler]
    fn forgotten(_: Forgotten) {}
}

/// A command whose handler nobody wrote.
mod unhandled {
    use cqrs_core::prelude::*;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Unhandled {}
}

#[tokio::test]
async fn commands_without_handlers_and_rejections_of_none() {
    let expected = [
        "process manager `sends`, in `placed`, returns the command `Unhandled`, which has no handler \
         [fn placed(&mut self, _: &Placed) -> Option<super::unhandled::Unhandled> {] \
         `#[command_handler] fn unhandled(command: Unhandled, ..)`, or `.module(..)` on the builder for \
         the crate that has it",
        "process manager `sends` takes the rejection of the command `Ship`, which no step sends \
         [fn refused(&mut self, _: &Ship, _: &Rejected) {}] the command in the return type of a step, \
         or remove the method",
    ];
    assert_eq!(problems_of(commands::module()).await, expected);
}

mod rivals {
    use super::orders::*;
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "process:mine", version = 1)]
    pub struct Reserved;

    #[derive(Default, Serialize, Deserialize)]
    pub struct First;

    #[process_manager(name = "rival", id("wired-order" = u32))]
    impl First {
        #[start]
        fn placed(&mut self, _: &Placed) {}
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Second;

    #[process_manager(name = "rival", id("wired-order" = u32))]
    impl Second {
        #[start]
        fn placed(&mut self, _: &Placed) {}
    }
}

#[tokio::test]
async fn two_process_managers_of_one_name_and_a_reserved_name() {
    let expected = [
        "2 process managers are named `rival` [impl First { / impl Second {] another `name` in the \
         `#[process_manager(..)]` of one of them",
        "the event `process:mine` has a name that belongs to process managers [pub struct Reserved;] \
         another `name` in its `#[event(..)]`, that does not begin with `process:`",
    ];
    assert_eq!(problems_of(rivals::module()).await, expected);
}

mod stored {
    use super::orders::*;
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Default, Serialize, Deserialize)]
    pub struct Stored;

    #[process_manager(name = "stored", id("wired-order" = u32))]
    impl Stored {
        #[start]
        fn placed(&mut self, _: &Placed) {}
    }
}

/// Views without shards.
struct Whole;

impl Hooks<Memory> for Whole {
    fn view_capabilities<'a>(&'a self, _: ViewCapabilities<'a>) -> ViewCapabilities<'a> {
        ViewCapabilities::default()
    }
}

#[tokio::test]
async fn a_store_that_keeps_no_instances() {
    let (store, hooks) = (Arc::new(Memory::new()), Whole);
    let store = Decorated { store, hooks };
    let builder = Dispatcher::builder().store(store);
    let builder = builder.module(orders::module()).module(stored::module());
    let expected = [
        "process manager `stored` keeps its instances in a view store that has no shards [impl Stored \
         {] `.views(..)` or `.store(..)` on the builder with another store",
    ];
    assert_eq!(problems(builder).await, expected);
}
