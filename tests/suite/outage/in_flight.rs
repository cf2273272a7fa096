//! Two batches that are sent before the first one is answered, and their possible outcomes.

use std::convert::identity;

use cqrs_conformance::StoreFixture;
use cqrs_core::store::{
    Append, AppendError, AppendToken, Appended, Boundary, EventLog, EventQuery, StateKey,
    StateWrite,
};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_postgres::Postgres;
use futures_util::future::{join, join_all};
use tokio_postgres::Client;

use super::history::log;
use super::proxy::{Loss, Proxy};
use super::until;
use super::writer::{account, append};
use crate::support::postgres::Schema;

/// Number of callers, of whom each batch takes half.
const CROWD: usize = 40;
const HALF: usize = CROWD / 2;

type Answer = Result<Appended, AppendError>;

/// A store that has appended one event, and a lock by which batches are held in the database.
struct Scene {
    schema: Schema,
    client: Client,
    store: Postgres,
}

impl Scene {
    async fn new(test: &str) -> Option<Self> {
        Self::with(Schema::fresh(test, Postgres::options())?).await
    }

    async fn with(schema: Schema) -> Option<Self> {
        let store = schema.open().await;
        Self::on(schema, store).await
    }

    async fn on(schema: Schema, store: Postgres) -> Option<Self> {
        let first = append(&account(CROWD), 1, None);
        store.append(first).await.expect("appends");
        Some(Self {
            client: schema.client().await,
            schema,
            store,
        })
    }

    /// Appends one event of each account, unless that has one.
    fn appends() -> Vec<Append> {
        let append = |number| append(&account(number), 1, Some(Position::START));
        (0..CROWD).map(append).collect()
    }

    async fn lock_head(&self) -> Client {
        let client = self.schema.client().await;
        let lock = format!("BEGIN; SELECT FROM {}.head FOR UPDATE", self.schema.name());
        client.batch_execute(&lock).await.expect("the lock");
        client
    }

    /// Waits until so many statements wait for the lock.
    async fn until_waiting(&self, count: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE query LIKE '%' || $1 || '%' AND wait_event_type = 'Lock'";
        let name = self.schema.name();
        until(|| async {
            let row = self.client.query_one(waiting, &[&name]).await;
            row.expect("a count").get::<_, i64>(0) == count
        })
        .await;
    }

    /// Sends the appends at once. Both halves are sent before the first one can be written.
    async fn send(&self, appends: Vec<Append>) -> Vec<Answer> {
        let lock = self.lock_head().await;
        let answers = join_all(appends.into_iter().map(|it| self.store.append(it)));
        let release = async {
            self.until_waiting(1).await;
            lock.batch_execute("COMMIT").await.expect("it ends");
        };
        join(answers, release).await.0
    }

    /// [`send`](Self::send), while another process writes before the first half.
    async fn send_behind(
        &self,
        other: &Postgres,
        overtaking: Append,
        appends: Vec<Append>,
    ) -> Vec<Answer> {
        let lock = self.lock_head().await;
        let overtaking = async { other.append(overtaking).await.expect("it is the first") };
        let rest = async {
            self.until_waiting(1).await;
            let answers = join_all(appends.into_iter().map(|it| self.store.append(it)));
            let release = async {
                self.until_waiting(2).await;
                lock.batch_execute("COMMIT").await.expect("it ends");
            };
            join(answers, release).await.0
        };
        join(overtaking, rest).await.1
    }

    /// Asserts that the log has each append once, where it was answered, and nothing else but
    /// `others` events and the first one.
    async fn check(&self, appends: &[Append], answers: &[Answer], others: usize) {
        let log = log(&self.schema.open().await).await;
        let mut count = 1 + others;
        for (append, answer) in appends.iter().zip(answers) {
            let found = log.iter().filter(|it| it.meta.command == append.command);
            let found: Vec<_> = found.map(|it| it.position).collect();
            match answer {
                Ok(appended) => assert_eq!(found, [appended.first], "{answer:?}"),
                Err(error) => assert!(found.is_empty(), "{error}"),
            }
            count += found.len();
        }
        assert_eq!(log.len(), count, "nothing else is in the log");
    }
}

fn are_done(answers: &[Answer]) {
    for answer in answers {
        assert!(answer.is_ok(), "{answer:?}");
    }
    let first = |answer: &Answer| answer.as_ref().map(|it| it.first).expect("it is done");
    let in_order = answers.is_sorted_by_key(first);
    assert!(in_order, "in the order in which they came: {answers:?}");
}

/// The append, with an id that a dispatcher has assigned.
fn assigned(mut append: Append) -> Append {
    append.command = CommandId::assigned(Timestamp::now());
    append.given_id(false)
}

fn is_conflict(answer: &Answer) -> bool {
    matches!(answer, Err(AppendError::Conflict { .. }))
}

/// An append with an event of each of these accounts.
fn of_accounts(numbers: impl Iterator<Item = usize>) -> Append {
    let mut appends = numbers.map(|number| append(&account(number), 1, None));
    let mut whole = appends.next().expect("there is an account");
    whole.events.extend(appends.flat_map(|it| it.events));
    whole
}

#[tokio::test]
async fn a_batch_is_sent_while_the_one_ahead_is_in_flight() {
    let test = "a_batch_is_sent_while_the_one_ahead_is_in_flight";
    let Some(schema) = Schema::fresh(test, Postgres::options().queue(CROWD)) else {
        return;
    };
    let scene = Scene::with(schema).await.expect("a scene");
    let lock = scene.lock_head().await;
    let appends = Scene::appends();
    let sent = join_all(appends.iter().map(|it| scene.store.append(it.clone())));
    let behind = async {
        scene.until_waiting(1).await;
        // The queue has room for a crowd, so both halves of the first one have left it.
        let more = (0..CROWD).map(|number| append(&account(number), 1, None));
        let more = join_all(more.map(|it| scene.store.append(it)));
        let release = async { lock.batch_execute("COMMIT").await.expect("it ends") };
        join(more, release).await.0
    };
    let (sent, behind) = join(sent, behind).await;
    are_done(&sent);
    are_done(&behind);
    scene.check(&appends, &sent, CROWD).await;
}

/// I2: another process writes as many events as the first batch would have. The second batch finds
/// the head at the position that it compares, on a log that it was not decided on.
#[tokio::test]
async fn a_log_of_the_same_length_is_not_the_one_that_was_decided_on() {
    let test = "a_log_of_the_same_length_is_not_the_one_that_was_decided_on";
    // Each kind of batch is written with a statement of its own: with records of commands, with events
    // only, and with one event.
    let kinds = [
        (Scene::appends(), HALF),
        (Scene::appends().into_iter().map(assigned).collect(), HALF),
        (Scene::appends().into_iter().map(assigned).collect(), 1),
    ];
    for (appends, batch) in kinds {
        for version in ["this", "older"] {
            let Some(schema) = Schema::fresh(test, Postgres::options().max_batch(batch)) else {
                return;
            };
            let scene = Scene::with(schema).await.expect("a scene");
            // A process of an earlier version does not say which append has set the head.
            let (name, older) = (
                scene.schema.name(),
                format!("{}_older", scene.schema.name()),
            );
            let forget = format!(
                "CREATE FUNCTION {name}.forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF current_setting('application_name') = '{older}' THEN NEW.last := OLD.last; END IF; \
                 RETURN NEW; END $$; \
                 CREATE TRIGGER forget BEFORE UPDATE ON {name}.head \
                 FOR EACH ROW EXECUTE FUNCTION {name}.forget()"
            );
            scene
                .client
                .batch_execute(&forget)
                .await
                .expect("a trigger");
            let mut options = scene.schema.options();
            if version == "older" {
                options = options.application_name(&older);
            }
            let other = options.connect(scene.schema.url()).await.expect("connects");
            let overtaking = of_accounts(batch..2 * batch);
            let answers = scene.send_behind(&other, overtaking, appends.clone()).await;
            for (number, answer) in answers.iter().enumerate() {
                let is_overtaken = (batch..2 * batch).contains(&number);
                let is_right = if is_overtaken {
                    is_conflict(answer)
                } else {
                    answer.is_ok()
                };
                assert!(
                    is_right,
                    "{version} version, {number} of {batch}: {answer:?}"
                );
            }
            scene.check(&appends, &answers, batch).await;
        }
    }
}

/// I11: a request of the first batch cannot be written. Nothing else fails, and the positions after the
/// failure follow the head.
#[tokio::test]
async fn a_bad_request_harms_neither_its_batch_nor_the_one_behind() {
    let test = "a_bad_request_harms_neither_its_batch_nor_the_one_behind";
    for bad in [3, HALF + 3] {
        let Some(scene) = Scene::new(test).await else {
            return;
        };
        let mut appends = Scene::appends();
        appends[bad] = append(&account(bad), 1, None).by("PostgreSQL stores no \0");
        let mut answers = scene.send(appends.clone()).await;
        scene.check(&appends, &answers, 0).await;
        let refused = answers.remove(bad);
        assert!(
            matches!(refused, Err(AppendError::Invalid { .. })),
            "{refused:?}"
        );
        are_done(&answers);
    }
}

/// I6, I7: the connection is lost with two batches in flight, either of which may be in the log.
#[tokio::test]
async fn two_batches_whose_answers_are_lost_are_written_once() {
    let test = "two_batches_whose_answers_are_lost_are_written_once";
    const MARKER: &str = "lost-with-its-batch";
    let losses = [
        (Loss::Answer, 0),
        (Loss::Answer, CROWD - 1),
        (Loss::Late, 0),
        (Loss::Late, CROWD - 1),
    ];
    // Of assigned ids, no unique index finds a second one.
    let kinds: [fn(Append) -> Append; 2] = [identity, assigned];
    for ((when, marked), kind) in losses.iter().flat_map(|it| kinds.map(|kind| (*it, kind))) {
        let Some(schema) = Schema::fresh(test, Postgres::options()) else {
            return;
        };
        let (proxy, lost) = Proxy::losing(schema.url(), MARKER, when).await;
        let store = schema.options().connect(&proxy.url(schema.url())).await;
        let scene = Scene::on(schema, store.expect("connects"))
            .await
            .expect("a scene");
        let mut appends: Vec<_> = Scene::appends().into_iter().map(kind).collect();
        appends[marked].events[0].payload = format!("\"{MARKER}\"").into_bytes();
        let answers = join_all(appends.iter().map(|it| scene.store.append(it.clone()))).await;
        are_done(&answers);
        if matches!(when, Loss::Late) {
            lost.deliver().await;
        }
        scene.check(&appends, &answers, 0).await;
    }
}

/// I6: the same command is in both batches.
#[tokio::test]
async fn a_command_in_both_batches_happens_once() {
    let Some(scene) = Scene::new("a_command_in_both_batches_happens_once").await else {
        return;
    };
    let mut appends = Scene::appends();
    appends[HALF + 3] = appends[3].clone();
    let mut answers = scene.send(appends.clone()).await;
    scene
        .check(&appends[..HALF], &answers[..HALF], HALF - 1)
        .await;
    let again = answers.remove(HALF + 3).expect("it is done");
    assert!(again.replayed, "{again:?}");
    assert_eq!(again.first, answers[3].as_ref().expect("it is done").first);
    are_done(&answers);
}

/// I10: an event of the first batch is in the way of a request in the second one.
#[tokio::test]
async fn a_conflict_with_the_batch_ahead_has_its_event_as_evidence() {
    let test = "a_conflict_with_the_batch_ahead_has_its_event_as_evidence";
    let Some(scene) = Scene::new(test).await else {
        return;
    };
    let mut appends = Scene::appends();
    appends[HALF + 3] = append(&account(3), 1, Some(Position::START));
    let mut answers = scene.send(appends.clone()).await;
    scene.check(&appends, &answers, 0).await;
    let first = answers[3].as_ref().expect("it is done").first;
    let refused = answers.remove(HALF + 3);
    assert!(
        matches!(refused, Err(AppendError::Conflict { at }) if at == first),
        "{refused:?}"
    );
    are_done(&answers);
}

/// I10: the event in the way was to be written by the batch ahead, and is not.
#[tokio::test]
async fn an_event_that_was_never_written_is_in_nobodys_way() {
    let test = "an_event_that_was_never_written_is_in_nobodys_way";
    let Some(scene) = Scene::new(test).await else {
        return;
    };
    let other = scene.schema.open().await;
    let mut appends = Scene::appends();
    appends[HALF + 3] = append(&account(3), 1, Some(Position::START));
    // The one ahead also depends on another account, of which the other process has an event.
    let overtaking = append(&account(CROWD + 1), 1, None);
    let fail_if = EventQuery::tagged(account(CROWD + 1));
    appends[3] = appends[3].clone().unless(fail_if, Position::START);
    let mut answers = scene.send_behind(&other, overtaking, appends.clone()).await;
    scene.check(&appends, &answers, 1).await;
    let refused = answers.remove(3);
    assert!(is_conflict(&refused), "{refused:?}");
    are_done(&answers);
}

/// I2: both writes of a stored state were decided when there was none.
#[tokio::test]
async fn of_two_first_writes_of_a_state_in_a_batch_one_succeeds() {
    let test = "of_two_first_writes_of_a_state_in_a_batch_one_succeeds";
    let Some(scene) = Scene::new(test).await else {
        return;
    };
    let mut appends = Scene::appends();
    for number in [3, 5] {
        appends[number] = appends[number].clone().state(StateWrite {
            key: StateKey {
                aggregate: "counter",
                id: "1".to_owned(),
            },
            body: b"1".to_vec(),
            based_on: None,
        });
    }
    let mut answers = scene.send(appends.clone()).await;
    scene.check(&appends, &answers, 0).await;
    let written = answers[3].as_ref().expect("it is done").last;
    let refused = answers.remove(5);
    assert!(
        matches!(refused, Err(AppendError::Conflict { at }) if at == written),
        "{refused:?}"
    );
    are_done(&answers);
}

/// I2: an event of the batch that has left the window is neither there nor in the log.
#[tokio::test]
async fn a_batch_that_exceeds_the_window_has_one_winner_of_a_boundary() {
    let test = "a_batch_that_exceeds_the_window_has_one_winner_of_a_boundary";
    let Some(schema) = Schema::fresh(test, Postgres::options().window(4)) else {
        return;
    };
    let scene = Scene::with(schema).await.expect("a scene");
    let mut appends = Scene::appends();
    appends[HALF - 3] = append(&account(3), 1, Some(Position::START));
    let mut answers = scene.send(appends.clone()).await;
    scene.check(&appends, &answers, 0).await;
    let refused = answers.remove(HALF - 3);
    assert!(is_conflict(&refused), "{refused:?}");
    are_done(&answers);
}

/// I6: while other processes write, batches are written wherever the log ends. A repetition is not: its
/// first sending may come before it, whose record is not in the table `commands`.
#[tokio::test]
async fn a_repetition_that_its_first_sending_overtakes_has_no_effect_while_others_write() {
    let test = "a_repetition_that_its_first_sending_overtakes_has_no_effect_while_others_write";
    let Some(scene) = Scene::new(test).await else {
        return;
    };
    let other = scene.schema.open().await;
    for number in 0..4 {
        for process in [&scene.store, &other] {
            let append = append(&account(number), 1, None);
            process.append(append).await.expect("it is appended");
        }
    }
    let first = assigned(append(&account(5), 1, None));
    let again = first.clone().given_id(true);
    let answers = scene.send_behind(&other, first, vec![again.clone()]).await;
    assert!(
        matches!(&answers[..], [Ok(appended)] if appended.replayed),
        "{answers:?}"
    );
    scene.check(&[again], &answers, 8).await;
}

/// Appends to one account, each of which follows the one before. The first one is decided on the log up to
/// `after`.
fn chain(after: Position) -> Vec<Append> {
    let tokens: Vec<_> = (0..CROWD).map(|_| AppendToken::new()).collect();
    let link = |index: usize| {
        let link = append(&account(0), 1, None).token(tokens[index]);
        let boundary = Boundary::new(EventQuery::tagged(account(0)), after);
        link.boundary(match index.checked_sub(1) {
            Some(before) => boundary.after_append(tokens[before]),
            None => boundary,
        })
    };
    (0..CROWD).map(link).collect()
}

/// I10: the window has no room for the first batch, so part of it is left for a later one, and the second
/// batch follows that part.
#[tokio::test]
async fn what_is_left_for_a_later_batch_comes_before_the_batch_behind() {
    let test = "what_is_left_for_a_later_batch_comes_before_the_batch_behind";
    let Some(schema) = Schema::fresh(test, Postgres::options().window(4)) else {
        return;
    };
    let scene = Scene::with(schema).await.expect("a scene");
    let appends = chain(Position::START);
    let answers = scene.send(appends.clone()).await;
    are_done(&answers);
    scene.check(&appends, &answers, 0).await;
}

/// Each append follows the one before, across both batches.
#[tokio::test]
async fn a_chain_goes_on_in_the_batch_behind_and_breaks_as_a_whole() {
    let test = "a_chain_goes_on_in_the_batch_behind_and_breaks_as_a_whole";
    let Some(scene) = Scene::new(test).await else {
        return;
    };
    let appends = chain(Position::START);
    let answers = scene.send(appends.clone()).await;
    are_done(&answers);
    scene.check(&appends, &answers, 0).await;
    let other = scene.schema.open().await;
    let broken = chain(Position::new(1 + CROWD as u64));
    let overtaking = of_accounts(std::iter::repeat_n(0, HALF));
    let answers = scene.send_behind(&other, overtaking, broken.clone()).await;
    assert!(answers.iter().all(is_conflict), "{answers:?}");
    scene.check(&broken, &answers, CROWD + HALF).await;
}
