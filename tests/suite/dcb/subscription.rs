//! A student subscribes to a course once: a rule about both at once, in which neither other students
//! of the course nor other courses of the student have a part.

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::testing::given;

use crate::support::race;
use crate::support::stores::{on_each, on_each_with, with_caches};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal, attempts = 1)]
pub struct Subscribe {
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
}

/// As [`Subscribe`], but decided again after a conflict.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal)]
pub struct SubscribePatiently {
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal)]
pub struct Unsubscribe {
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal)]
pub struct TakeSeats {
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
    #[id(Seat, each)]
    pub seats: Vec<u32>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "student-subscribed", version = 1)]
pub struct StudentSubscribed {
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "student-unsubscribed", version = 1)]
pub struct StudentUnsubscribed {
    #[id(Course)]
    pub course: String,
    #[id(Student)]
    pub student: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seats-taken", version = 1)]
pub struct SeatsTaken {
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
    #[id(Seat, each)]
    pub seats: Vec<u32>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the student is subscribed already")]
    Subscribed,
    #[error("the student is not subscribed")]
    NotSubscribed,
    #[error("the student has {0} seats already")]
    Seated(usize),
}

#[derive(Default)]
pub struct Subscription {
    exists: bool,
    changes: u32,
    seats: usize,
}

#[aggregate(ids(Student = u32, Course = String))]
impl Subscription {
    #[apply]
    fn subscribed(&mut self, _: &StudentSubscribed) {
        self.exists = true;
        self.changes += 1;
    }

    #[apply]
    fn unsubscribed(&mut self, _: &StudentUnsubscribed, _: &Recorded) {
        self.exists = false;
        self.changes += 1;
    }

    #[apply]
    fn seated(&mut self, event: &SeatsTaken) {
        self.seats += event.seats.len();
    }
}

#[derive(Default)]
pub struct Seat {
    takers: u32,
}

#[aggregate(id = u32)]
impl Seat {
    #[apply]
    fn taken(&mut self, _: &SeatsTaken) {
        self.takers += 1;
    }
}

#[command_handler]
fn subscribe(cmd: Subscribe, subscription: &Subscription) -> Result<StudentSubscribed, Refusal> {
    ensure!(!subscription.exists, Refusal::Subscribed);
    Ok(subscribed(cmd.student, &cmd.course))
}

#[command_handler]
fn subscribe_patiently(
    cmd: SubscribePatiently,
    subscription: &Subscription,
) -> Result<StudentSubscribed, Refusal> {
    ensure!(!subscription.exists, Refusal::Subscribed);
    Ok(subscribed(cmd.student, &cmd.course))
}

#[command_handler]
fn unsubscribe(
    cmd: Unsubscribe,
    subscription: &Subscription,
) -> Result<StudentUnsubscribed, Refusal> {
    ensure!(subscription.exists, Refusal::NotSubscribed);
    let Unsubscribe { student, course } = cmd;
    Ok(StudentUnsubscribed { course, student })
}

#[command_handler]
fn take_seats(
    cmd: TakeSeats,
    seats: Each<Seat>,
    subscription: &Subscription,
) -> Result<SeatsTaken, Refusal> {
    ensure!(subscription.exists, Refusal::NotSubscribed);
    ensure!(subscription.seats == 0, Refusal::Seated(subscription.seats));
    let takers: u32 = seats.values().map(|seat| seat.takers).sum();
    assert!(takers < 100, "nobody counts that far");
    Ok(SeatsTaken {
        student: cmd.student,
        course: cmd.course,
        seats: cmd.seats,
    })
}

fn subscribed(student: u32, course: &str) -> StudentSubscribed {
    let course = course.to_owned();
    StudentSubscribed { student, course }
}

fn pair(student: u32, course: &str) -> Subscribe {
    let course = course.to_owned();
    Subscribe { student, course }
}

/// The dispatcher, and one that stands for another process.
async fn two(app: Dispatcher, with: impl Fn(Builder) -> Builder) -> [Dispatcher; 2] {
    let other = with(Dispatcher::builder().module(module()));
    let other = other.stores_of(&app).build().await;
    [app, other.expect("builds")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_student_or_another_course_is_no_conflict() {
    on_each(module(), |app| async move {
        // A conflict would be returned at once, since `Subscribe` has one attempt.
        let apps = two(app, |builder| builder).await;
        let subscribe = |number: usize| {
            let student = u32::try_from(number % 8).expect("a small number");
            pair(student, &format!("course-{}", number / 8))
        };
        let outcomes = race(32, |number| {
            let (app, command) = (apps[number % 2].clone(), subscribe(number));
            async move { app.execute(command).await }
        })
        .await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        for number in 0..32 {
            let again = apps[number % 2].execute(subscribe(number)).await;
            let again = again.expect_err("is subscribed").rejected();
            assert_eq!(again, Some(Refusal::Subscribed));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_subscriptions_of_one_pair_exactly_one_is_recorded() {
    on_each(module(), |app| async move {
        let apps = two(app, |builder| builder).await;
        let outcomes = race(32, |number| {
            let app = apps[number % 2].clone();
            async move { app.execute(pair(1, "art")).await }
        })
        .await;
        let recorded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(recorded, 1, "{outcomes:?}");
        let outcomes = race(32, |number| {
            let app = apps[number % 2].clone();
            let (student, course) = (1, "law".to_owned());
            async move { app.execute(SubscribePatiently { student, course }).await }
        })
        .await;
        let refusals = outcomes
            .into_iter()
            .filter_map(Result::err)
            .map(CommandError::rejected);
        let refusals: Vec<_> = refusals.collect();
        assert_eq!(refusals.len(), 31);
        assert!(
            refusals.iter().all(|it| *it == Some(Refusal::Subscribed)),
            "{refusals:?}"
        );
        for course in ["art", "law"] {
            let history = apps[0].history::<Subscription>(&(1, course.to_owned()));
            assert_eq!(history.all().await.expect("read").len(), 1, "{course}");
        }
    })
    .await;
}

#[tokio::test]
async fn state_and_history_are_of_the_events_that_bear_both_ids() {
    on_each(module(), |app| async move {
        let first = app.execute(pair(1, "art")).await.expect("is new");
        for (student, course) in [(1, "law"), (2, "art"), (2, "law")] {
            app.execute(pair(student, course)).await.expect("is new");
        }
        let unsubscribe = Unsubscribe {
            student: 1,
            course: "art".to_owned(),
        };
        app.execute(unsubscribe).await.expect("is subscribed");

        let id = (1, "art".to_owned());
        let now = app.state::<Subscription>(&id).await.expect("reads");
        assert_eq!((now.exists, now.changes), (false, 2));
        let then = app.state::<Subscription>(&id).at(first.last());
        let then = then.await.expect("reads");
        assert_eq!((then.exists, then.changes), (true, 1));
        let events = app.history::<Subscription>(&id).all().await.expect("reads");
        let types: Vec<_> = events
            .iter()
            .map(|it| it.data.event_type.as_str())
            .collect();
        assert_eq!(types, ["student-subscribed", "student-unsubscribed"]);
        let other = app.state::<Subscription>(&(2, "art".to_owned())).await;
        assert_eq!(other.expect("reads").changes, 1);
        let none = app.state::<Subscription>(&(3, "art".to_owned())).await;
        assert_eq!(none.expect("reads").changes, 0);
    })
    .await;
}

#[tokio::test]
async fn a_state_in_memory_is_that_of_the_log_whatever_is_cached() {
    on_each_with(
        module(),
        |builder| builder.attempts(1000),
        |app| async move {
            let apps = with_caches(app, module()).await;
            for round in 0..apps.len() * 2 {
                for course in ["art", "law"] {
                    let app = &apps[round % apps.len()];
                    let next = &apps[(round + 1) % apps.len()];
                    app.execute(pair(1, course)).await.expect("is new");
                    let again = next.execute(pair(1, course)).await;
                    let again = again.expect_err("is subscribed").rejected();
                    assert_eq!(again, Some(Refusal::Subscribed));
                    let (student, course) = (1, course.to_owned());
                    let gone = next.execute(Unsubscribe { student, course }).await;
                    gone.expect("is subscribed");
                }
            }
        },
    )
    .await;
}

#[tokio::test]
async fn beside_many_aggregates_the_events_of_other_pairs_are_not_folded() {
    on_each(module(), |app| async move {
        let take_seats = |student, course: &str| TakeSeats {
            student,
            course: course.to_owned(),
            seats: (0..12).collect(),
        };
        for (student, course) in [(1, "law"), (2, "art"), (1, "art")] {
            app.execute(pair(student, course)).await.expect("is new");
            let taken = app.execute(take_seats(student, course)).await;
            taken.expect("the events of the others are not folded");
            let again = app.execute(take_seats(student, course)).await;
            let again = again.expect_err("has seats").rejected();
            assert_eq!(again, Some(Refusal::Seated(12)));
        }
        // Read from the log, without the events in memory.
        let [_, other] = two(app, |builder| builder.state_cache(0)).await;
        let again = other.execute(take_seats(1, "art")).await;
        let again = again.expect_err("has seats").rejected();
        assert_eq!(again, Some(Refusal::Seated(12)));
    })
    .await;
}

#[test]
fn a_unit_test_gives_the_events_of_pairs() {
    let others = (subscribed(1, "law"), subscribed(2, "art"));
    given(others)
        .when(pair(1, "art"))
        .then(subscribed(1, "art"));
    given(subscribed(1, "art"))
        .when(pair(1, "art"))
        .then_rejected(Refusal::Subscribed);
}
