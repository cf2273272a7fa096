//! Random commands, repeated ids, conflicts and restarts, against a model that is a plain list.

mod domain;
mod system;
mod world;

use std::collections::BTreeMap;

use cqrs_core::store::EventQuery;
use cqrs_core::{CommandId, Dispatcher, Position};
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::runtime::Runtime;

use crate::support::race;
use system::{Answer, Place};
use world::{Intent, Model};

/// Few, so that commands meet.
const IDS: std::ops::Range<u8> = 0..3;

#[derive(Clone, Debug)]
enum Step {
    /// Commands sent at once.
    Send(Vec<Sending>),
    Restart,
}

#[derive(Clone, Debug)]
struct Sending {
    intent: Intent,
    id: Id,
}

#[derive(Clone, Debug)]
enum Id {
    Fresh,
    /// That of an earlier sending, with its command.
    Again(Index),
    /// That of an earlier sending, though the command is another one.
    Taken(Index),
}

fn intent() -> impl Strategy<Value = Intent> {
    prop_oneof![
        2 => IDS.prop_map(Intent::Open),
        3 => (IDS, prop::collection::vec(1..50u32, 0..4))
            .prop_map(|(id, parts)| Intent::Deposit(id, parts)),
        4 => (IDS, IDS, 1..60u32).prop_map(|(id, vault, amount)| Intent::Stash(id, vault, amount)),
        1 => (IDS, any::<bool>()).prop_map(|(id, sealed)| Intent::Seal(id, sealed)),
        1 => (IDS, 1..50u32).prop_map(|(id, amount)| Intent::Reward(id, amount)),
    ]
}

fn sending() -> impl Strategy<Value = Sending> {
    let id = prop_oneof![
        6 => Just(Id::Fresh),
        2 => any::<Index>().prop_map(Id::Again),
        1 => any::<Index>().prop_map(Id::Taken),
    ];
    (intent(), id).prop_map(|(intent, id)| Sending { intent, id })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(sending(), 1).prop_map(Step::Send),
        3 => prop::collection::vec(sending(), 2..8).prop_map(Step::Send),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..16)
}

/// Runs the steps on a store, and compares with the model after each.
async fn run(place: Place, steps: Vec<Step>) {
    let mut app = place.start().await;
    let (mut model, mut sent) = (Model::default(), Vec::<(CommandId, Intent)>::new());
    for (number, step) in (0..).zip(steps) {
        match step {
            Step::Send(sendings) => {
                for sending in sendings.iter().cloned() {
                    let fresh = (CommandId::new(), sending.intent.clone());
                    sent.push(match sending.id {
                        Id::Again(index) if !sent.is_empty() => index.get(&sent).clone(),
                        Id::Taken(index) if !sent.is_empty() => {
                            (index.get(&sent).0, sending.intent)
                        }
                        _ => fresh,
                    });
                }
                let batch = &sent[sent.len() - sendings.len()..];
                send(&app, &mut model, batch).await;
            }
            Step::Restart => {
                drop(app);
                app = place.start().await;
            }
        }
        system::check(&app, &model, IDS, number * 7).await;
    }
}

/// Sends commands at once. Whatever their order was, what happened must follow from it.
async fn send(app: &Dispatcher, model: &mut Model, batch: &[(CommandId, Intent)]) {
    let before = model.head();
    let done_before = model.done.clone();
    let answers = race(batch.len(), |place| {
        let (id, intent) = batch[place].clone();
        system::send(app.clone(), id, intent)
    })
    .await;

    let intents: BTreeMap<_, _> = batch
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| matches!(answer, Answer::Done(_)))
        .map(|((id, intent), _)| (*id, intent.clone()))
        .collect();
    let events = app
        .events(EventQuery::All)
        .after(before)
        .all()
        .await
        .expect("a log");
    for command in events.chunk_by(|a, b| a.meta.command == b.meta.command) {
        let (id, at) = (command[0].meta.command, model.head());
        let intent = intents
            .get(&id)
            .expect("what is in the log was answered as done");
        let facts: Vec<_> = command.iter().map(|event| system::fact(event)).collect();
        let decided = model.world(at).decide(intent);
        assert_eq!(Ok(&facts), decided.as_ref(), "{intent:?}, decided at {at}");
        assert_eq!(command[0].position, at.plus(1));
        model.facts.extend(facts.into_iter().map(|fact| (id, fact)));
        let previous = model
            .done
            .insert(id, (intent.clone(), at.plus(1), command.len() as u64));
        assert_eq!(previous, None, "one id, one effect");
    }
    let after = model.head();

    let mut fresh = BTreeMap::<_, u32>::new();
    for ((id, intent), answer) in batch.iter().zip(&answers) {
        let Answer::Done(receipt) = answer else {
            continue;
        };
        if receipt.events() == 0 {
            let from = if receipt.replayed() {
                Position::START
            } else {
                before
            };
            let nothing = model.explains(from, after, intent, &Ok(Vec::new()));
            assert!(
                nothing,
                "{intent:?} had no events, and never was there a reason for that"
            );
            model
                .done
                .entry(*id)
                .or_insert((intent.clone(), receipt.first(), 0));
        }
        let (done, first, count) = &model.done[id];
        assert_eq!(done, intent, "an id answers for its own command");
        assert_eq!((receipt.command(), receipt.events()), (*id, *count));
        let last = first.plus(count.saturating_sub(1));
        assert_eq!((receipt.first(), receipt.last()), (*first, last));
        *fresh.entry(*id).or_default() += u32::from(!receipt.replayed());
    }
    for ((id, intent), answer) in batch.iter().zip(&answers) {
        match answer {
            Answer::Done(_) => {}
            Answer::Refused(refusal) => {
                assert!(
                    !done_before.contains_key(id),
                    "{intent:?} was done, and is refused now"
                );
                // Sent twice at once, one may be refused before the other is done, never after.
                let until = match model.done.get(id) {
                    Some((done, first, _)) if done == intent => {
                        before.max(Position::new(first.get() - 1))
                    }
                    _ => after,
                };
                let explained = model.explains(before, until, intent, &Err(refusal.clone()));
                assert!(explained, "{intent:?} was refused for no reason: {refusal}");
            }
            Answer::Taken => {
                let (done, _, _) = model.done.get(id).expect("the id is another command's");
                assert_ne!(done, intent, "refused as another command under its own id");
            }
        }
    }
    for (id, fresh) in fresh {
        let expected = u32::from(!done_before.contains_key(&id));
        assert_eq!(fresh, expected, "of those under one id, one is the first");
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Default::default()
    }
}

#[test]
fn memory_agrees_with_the_model() {
    let runtime = runtime();
    proptest!(config(192), |(steps in steps())| {
        runtime.block_on(run(Place::memory(), steps));
    });
}

#[test]
fn sqlite_agrees_with_the_model() {
    let runtime = runtime();
    proptest!(config(64), |(steps in steps())| {
        runtime.block_on(run(Place::sqlite(), steps));
    });
}
