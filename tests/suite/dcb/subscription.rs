//! A student subscribes to a course once: a rule about both at once, which neither other students of
//! the course nor other courses of the student have a part in.

use std::fmt;

use cqrs_core::prelude::*;

use crate::stores::{on_each_with, race};

cqrs_core::module!();

/// A student and a course.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionId {
    pub student: u32,
    pub course: String,
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.student, self.course)
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Twice)]
pub struct Subscribe {
    #[id(Subscription)]
    pub subscription: SubscriptionId,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "subscribed", version = 1)]
pub struct Subscribed {
    #[id(Subscription)]
    pub subscription: SubscriptionId,
    #[id(Student)]
    pub student: u32,
    #[id(Course)]
    pub course: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the student is subscribed already")]
pub struct Twice;

#[derive(Default)]
pub struct Subscription {
    exists: bool,
}

#[aggregate(id = SubscriptionId)]
impl Subscription {
    #[apply]
    fn subscribed(&mut self, _: &Subscribed) {
        self.exists = true;
    }
}

#[command_handler]
fn subscribe(cmd: Subscribe, subscription: &Subscription) -> Result<Subscribed, Twice> {
    ensure!(!subscription.exists, Twice);
    let SubscriptionId { student, course } = cmd.subscription.clone();
    Ok(Subscribed {
        subscription: cmd.subscription,
        student,
        course,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_student_or_another_course_is_no_conflict() {
    // A conflict would be returned at once.
    on_each_with(
        module(),
        |builder| builder.attempts(1),
        |app| async move {
            let other = Dispatcher::builder().module(module()).attempts(1);
            let other = other.shared_store(app.store().clone()).build().await;
            let apps = [app, other.expect("builds")];
            let subscribe = |number: usize| {
                let number = u32::try_from(number).expect("a small number");
                let subscription = SubscriptionId {
                    student: number % 8,
                    course: format!("course-{}", number / 8),
                };
                Subscribe { subscription }
            };
            let outcomes = race(32, |number| {
                let (app, command) = (apps[number % 2].clone(), subscribe(number));
                async move { app.execute(command).await }
            })
            .await;
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            for number in 0..32 {
                let again = apps[number % 2].execute(subscribe(number)).await;
                assert_eq!(again.expect_err("is subscribed").rejected(), Some(Twice));
            }
        },
    )
    .await;
}
