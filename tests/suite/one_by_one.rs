//! Projections on a view store without transactions: whatever interrupts its writes, each event
//! counts once in each view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::prelude::*;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::support::one_by_one::{End, OneByOne};

cqrs_core::module!();

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Something that happens to shelves. Few of them, so that events meet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Act {
    /// Puts a shelf up, if there is none.
    PutUp(u8),
    /// Puts books on a shelf, or on the floor if there is none.
    Add(u8, u32),
    /// Moves books from one shelf to another.
    Move(u8, u8, u32),
    /// Takes a shelf down, with all that is on it.
    TakeDown(u8),
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "shelf-changed", version = 1)]
pub struct Changed {
    act: Act,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Change {
    acts: Vec<Act>,
}

#[command_handler]
fn change(command: Change) -> Vec<Changed> {
    let acts = command.acts.into_iter();
    acts.map(|act| Changed { act }).collect()
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    #[key]
    number: u8,
    books: i64,
    changes: u32,
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    #[key]
    name: String,
    books: u64,
    acts: u32,
}

pub struct Room;

#[projection(name = "room", version = 1)]
impl Room {
    #[on]
    fn changed(
        event: &Changed,
        shelves: &mut Views<Shelf>,
        inventories: &mut Views<Inventory>,
    ) -> Result<()> {
        let put = |shelves: &mut Views<Shelf>, number: u8, books: i64| {
            let insert = || Shelf {
                number,
                books,
                changes: 1,
            };
            shelves.upsert(&number, insert, |shelf| {
                shelf.books += books;
                shelf.changes += 1;
            })
        };
        match event.act {
            // Reads one view, and writes that one only.
            Act::PutUp(number) => {
                if shelves.get(&number)?.is_none() {
                    shelves.put(Shelf {
                        number,
                        books: 0,
                        changes: 0,
                    });
                }
                return Ok(());
            }
            Act::Add(number, books) => put(shelves, number, books.into())?,
            Act::Move(from, to, books) => {
                shelves.update(&from, |shelf| {
                    shelf.books -= i64::from(books);
                    shelf.changes += 1;
                })?;
                put(shelves, to, books.into())?;
            }
            Act::TakeDown(number) => shelves.delete(&number),
        }
        let books = match event.act {
            Act::Add(_, books) => books.into(),
            _ => 0,
        };
        let insert = || Inventory {
            name: "all".to_owned(),
            books,
            acts: 1,
        };
        inventories.upsert("all", insert, |inventory| {
            inventory.books += books;
            inventory.acts += 1;
        })
    }
}

type Everything = (Vec<Shelf>, Vec<Inventory>);

#[derive(Query, Serialize, Deserialize)]
#[query(returns = Everything)]
pub struct LookAround;

#[query_handler]
async fn look_around(
    _: LookAround,
    shelves: Read<Shelf>,
    inventories: Read<Inventory>,
) -> Result<Everything> {
    Ok((shelves.find().all().await?, inventories.find().all().await?))
}

/// What a clean fold makes of the acts.
#[derive(Default)]
struct Model {
    shelves: BTreeMap<u8, Shelf>,
    inventory: Option<Inventory>,
}

impl Model {
    fn act(&mut self, act: &Act) {
        let empty = |number| Shelf {
            number,
            books: 0,
            changes: 0,
        };
        let add = |model: &mut Self, number, books: i64| {
            let found = model.shelves.entry(number).or_insert(empty(number));
            found.books += books;
            found.changes += 1;
        };
        match *act {
            Act::PutUp(number) => {
                self.shelves.entry(number).or_insert(empty(number));
                return;
            }
            Act::Add(number, books) => add(self, number, books.into()),
            Act::Move(from, to, books) => {
                if self.shelves.contains_key(&from) {
                    add(self, from, -i64::from(books));
                }
                add(self, to, books.into());
            }
            Act::TakeDown(number) => {
                self.shelves.remove(&number);
            }
        }
        let inventory = self.inventory.get_or_insert(Inventory {
            name: "all".to_owned(),
            books: 0,
            acts: 0,
        });
        inventory.acts += 1;
        if let Act::Add(_, books) = *act {
            inventory.books += u64::from(books);
        }
    }

    fn everything(&self) -> Everything {
        (
            self.shelves.values().cloned().collect(),
            self.inventory.iter().cloned().collect(),
        )
    }
}

fn act() -> impl Strategy<Value = Act> {
    let shelf = || 0..3u8;
    prop_oneof![
        1 => shelf().prop_map(Act::PutUp),
        4 => (shelf(), 1..9u32).prop_map(|(shelf, books)| Act::Add(shelf, books)),
        3 => (shelf(), shelf(), 1..9u32).prop_map(|(from, to, books)| Act::Move(from, to, books)),
        2 => shelf().prop_map(Act::TakeDown),
    ]
}

/// Acts of one command, and the interruptions that come one after another: each after so many writes.
type Step = (Vec<Act>, Vec<(usize, End)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A failure costs a pause before the next attempt: rather few of them.
    let end = prop_oneof![6 => Just(End::Hangs), 1 => Just(End::Fails)];
    let interruptions = prop::collection::vec((0..6usize, end), 0..4);
    let step = (prop::collection::vec(act(), 0..6), interruptions);
    prop::collection::vec(step, 1..8)
}

async fn start(log: &Arc<Memory>, views: &Arc<OneByOne>) -> Dispatcher {
    let builder = Dispatcher::builder().module(module());
    let built = builder.log(log.clone()).views(views.clone()).build().await;
    built.expect("builds")
}

async fn run(steps: Vec<Step>) {
    let (log, views) = (Arc::new(Memory::new()), OneByOne::new());
    let mut model = Model::default();
    let mut app = start(&log, &views).await;
    for (acts, interruptions) in steps {
        let mut interruptions = interruptions.into_iter();
        views.interrupt(interruptions.next());
        for act in &acts {
            model.act(act);
        }
        app.execute(Change { acts }).await.expect("changes");
        loop {
            // Either all is written, or a write does not come.
            tokio::select! {
                idle = app.wait_until_idle(LONG) => {
                    idle.expect("comes to rest");
                    break;
                }
                () = views.hangs() => {
                    // The process ends here, and another one takes over.
                    drop(app);
                    views.interrupt(interruptions.next());
                    app = start(&log, &views).await;
                }
            }
        }
    }
    drop(app);
    views.interrupt(None);
    let app = start(&log, &views).await;
    app.wait_until_idle(LONG).await.expect("comes to rest");
    let everything = app.query(LookAround).await.expect("answers");
    assert_eq!(everything, model.everything());
}

#[test]
fn views_are_those_of_a_clean_fold_whatever_interrupts_their_writes() {
    let runtime = Runtime::new().expect("a runtime starts");
    let config = ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in steps())| runtime.block_on(run(steps)));
}

mod copying {
    use super::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "shelf-copied", version = 1)]
    pub struct Copied {
        from: u8,
        to: u8,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Copy {
        pub from: u8,
        pub to: u8,
    }

    #[command_handler]
    fn copy(Copy { from, to }: Copy) -> Copied {
        Copied { from, to }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Copies {
        #[key]
        number: u8,
        books: i64,
    }

    pub struct Copier;

    #[projection(name = "copier", version = 1)]
    impl Copier {
        #[on]
        fn copied(event: &Copied, copies: &mut Views<Copies>) -> Result<()> {
            let books = copies.get(&event.from)?.map_or(1, |copy| copy.books);
            let number = event.to;
            copies.put(Copies { number, books });
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_fold_that_reads_one_view_and_writes_another_is_refused_there() {
    let builder = Dispatcher::builder().module(copying::module());
    let builder = builder.log(Memory::new()).views(OneByOne::new());
    let app = builder.build().await.expect("builds");
    let own = copying::Copy { from: 1, to: 1 };
    let receipt = app.execute(own).await.expect("copies");
    let reached = app.wait_until_caught_up(receipt.last(), LONG).await;
    reached.expect("a fold may read the view that it writes");
    let another = copying::Copy { from: 1, to: 2 };
    let receipt = app.execute(another).await.expect("copies");
    let wait = Duration::from_millis(300);
    let reached = app.wait_until_caught_up(receipt.last(), wait).await;
    let text = reached.expect_err("it is refused").to_string();
    assert!(
        text.contains("change each view with `update` or `upsert`"),
        "{text}"
    );
}

mod losing {
    use super::*;

    cqrs_core::module!();

    #[derive(Clone, Serialize, Deserialize)]
    pub enum Sighting {
        LostUnlessPresent,
        MustBePresent,
        MustBeAbsent,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "book-seen", version = 1)]
    pub struct Seen {
        sighting: Sighting,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct See {
        pub sighting: Sighting,
    }

    #[command_handler]
    fn see(See { sighting }: See) -> Seen {
        Seen { sighting }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct OnShelf {
        #[key]
        number: u8,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Lost {
        #[key]
        number: u8,
    }

    pub struct Library;

    #[projection(name = "library", version = 1)]
    impl Library {
        #[on]
        fn seen(event: &Seen, on_shelf: &mut Views<OnShelf>, lost: &mut Views<Lost>) -> Result<()> {
            let is_there = on_shelf.update(&1, |_| ())?;
            match event.sighting {
                Sighting::LostUnlessPresent if !is_there => lost.put(Lost { number: 1 }),
                Sighting::MustBePresent if !is_there => return Err(Error::message("lost")),
                Sighting::MustBeAbsent if is_there => return Err(Error::message("there")),
                _ => {}
            }
            Ok(())
        }
    }
}

/// What `update` returns is not known any more when the view is ahead of the event.
#[tokio::test]
async fn a_fold_that_writes_a_view_because_there_is_no_other_is_refused_there() {
    use losing::Sighting::{LostUnlessPresent, MustBeAbsent, MustBePresent};
    for (sighting, refusal) in [
        (LostUnlessPresent, "whether `update` found a view decides"),
        (MustBeAbsent, "whether `update` found a view decides"),
        (MustBePresent, "lost"),
    ] {
        let builder = Dispatcher::builder().module(losing::module());
        let builder = builder.log(Memory::new()).views(OneByOne::new());
        let app = builder.build().await.expect("builds");
        let receipt = app.execute(losing::See { sighting }).await;
        let last = receipt.expect("is recorded").last();
        let reached = app.wait_until_caught_up(last, Duration::from_millis(300));
        let text = reached.await.expect_err("it fails").to_string();
        assert!(text.contains(refusal), "{text}");
    }
}
