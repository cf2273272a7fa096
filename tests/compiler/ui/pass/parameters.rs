//! Handlers of every kind, sync and async, with no parameters after the message and with many.

use std::sync::Arc;

use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "course-taken", version = 1)]
struct CourseTaken {
    #[id(Course)]
    course: u32,
    #[id(Student)]
    student: u32,
    #[id(Room)]
    room: u32,
}

macro_rules! counts {
    ($($aggregate:ident)+) => {$(
        #[derive(Default)]
        struct $aggregate {
            taken: u32,
        }

        #[aggregate(id = u32)]
        impl $aggregate {
            #[apply]
            fn taken(&mut self, _: &CourseTaken) {
                self.taken += 1;
            }
        }
    )+};
}

counts!(Course Student Room);

macro_rules! commands {
    ($($command:ident)+) => {$(
        #[derive(Command, Clone, Serialize, Deserialize)]
        struct $command {
            #[id(Course)]
            course: u32,
            #[id(Student)]
            student: u32,
            #[id(Room)]
            room: u32,
        }
    )+};
}

commands!(TakeAtOnce TakeSoon);

#[derive(Command, Clone, Serialize, Deserialize)]
struct DoNothing;

#[derive(Command, Clone, Serialize, Deserialize)]
struct DoNothingSoon {}

struct Limit(u32);

trait Clerk: Send + Sync {
    fn agrees(&self) -> bool;
}

struct Friendly;

impl Clerk for Friendly {
    fn agrees(&self) -> bool {
        true
    }
}

fn take(cmd: TakeAtOnce, taken: [u32; 3], limit: u32) -> Option<CourseTaken> {
    let TakeAtOnce { course, student, room } = cmd;
    let free = taken.iter().all(|taken| *taken < limit);
    free.then_some(CourseTaken { course, student, room })
}

#[command_handler]
fn do_nothing(_: DoNothing) {}

#[command_handler]
async fn do_nothing_soon(_: DoNothingSoon) {}

#[command_handler]
fn take_at_once(
    cmd: TakeAtOnce,
    course: &Course,
    limit: Service<Limit>,
    student: &Student,
    clerk: Service<dyn Clerk>,
    context: &Context,
    room: &Room,
) -> Option<CourseTaken> {
    assert!(clerk.agrees() && context.command().is_some());
    take(cmd, [course.taken, student.taken, room.taken], limit.0)
}

#[command_handler]
async fn take_soon(
    cmd: TakeSoon,
    clerk: Service<dyn Clerk>,
    room: &Room,
    context: &Context,
    student: &Student,
    limit: Service<Limit>,
    course: &Course,
) -> Option<CourseTaken> {
    tokio::task::yield_now().await;
    assert!(clerk.agrees() && context.command().is_some());
    let TakeSoon { course: c, student: s, room: r } = cmd;
    let cmd = TakeAtOnce { course: c, student: s, room: r };
    take(cmd, [course.taken, student.taken, room.taken], limit.0)
}

macro_rules! read_models {
    ($($model:ident $projection:ident)+) => {$(
        #[derive(ReadModel, Clone, Serialize, Deserialize)]
        struct $model {
            #[key]
            id: u32,
        }
    )+};
}

read_models!(CourseView Courses StudentView Students);

struct Register;

#[projection(name = "register", version = 1)]
impl Register {
    #[on]
    async fn taken(
        event: &CourseTaken,
        students: &mut Views<StudentView>,
        recorded: &Recorded,
        courses: &mut Views<CourseView>,
    ) -> Result<()> {
        assert_eq!(recorded.data.version, 1);
        students.put(StudentView { id: event.student });
        courses.put(CourseView { id: event.course });
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u8)]
struct One;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u8)]
struct OneSoon;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct Count;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct LimitOf;

#[query_handler]
fn one(_: One) -> u8 {
    1
}

#[query_handler]
async fn one_soon(_: OneSoon) -> u8 {
    1
}

#[query_handler]
async fn count(
    _: Count,
    courses: Read<CourseView>,
    context: &Context,
    students: Read<StudentView>,
    clerk: Service<dyn Clerk>,
    limit: Service<Limit>,
) -> Result<u64> {
    assert!(clerk.agrees() && context.command().is_none() && limit.0 > 0);
    Ok(courses.count().await? + students.count().await?)
}

#[query_handler]
fn limit_of(_: LimitOf, _: Read<CourseView>, limit: Service<Limit>, _: &Context) -> Result<u32> {
    Ok(limit.0)
}

#[event_handler]
fn react(_: CourseTaken) {}

#[event_handler]
async fn react_soon(_: CourseTaken) {}

#[event_handler]
fn react_to_all(_: CourseTaken, _: &Recorded, _: Service<Limit>, _: &Dispatcher, _: Service<dyn Clerk>) {}

#[event_handler]
async fn react_to_all_soon(
    _: CourseTaken,
    clerk: Service<dyn Clerk>,
    dispatcher: &Dispatcher,
    limit: Service<Limit>,
    _: &Recorded,
) -> Result<()> {
    assert!(clerk.agrees() && limit.0 > 0);
    dispatcher.execute(DoNothing).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder()
        .store(Memory::new())
        .provide(Arc::new(Limit(1)))
        .provide::<dyn Clerk>(Arc::new(Friendly))
        .build()
        .await?;
    assert_eq!(app.execute(DoNothing).await?.events(), 0);
    assert_eq!(app.execute(DoNothingSoon {}).await?.events(), 0);
    let taken = app.execute(TakeAtOnce { course: 1, student: 2, room: 3 }).await?;
    assert_eq!(taken.events(), 1);
    let full = app.execute(TakeSoon { course: 1, student: 7, room: 8 }).await?;
    assert_eq!(full.events(), 0);
    let other = app.execute(TakeSoon { course: 4, student: 5, room: 6 }).await?;
    assert_eq!(app.query(Count).after(&other).await?, 4);
    assert_eq!(app.query(One).await? + app.query(OneSoon).await?, 2);
    assert_eq!(app.query(LimitOf).await?, 1);
    Ok(())
}
