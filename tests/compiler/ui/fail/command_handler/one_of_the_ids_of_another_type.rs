use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Subscribe {
    #[id(Student)]
    student: u32,
    #[id(Course)]
    course: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "student-subscribed", version = 1)]
struct StudentSubscribed {
    #[id(Student)]
    student: u32,
    #[id(Course)]
    course: String,
}

#[derive(Default)]
struct Subscription {
    exists: bool,
}

#[aggregate(ids(Student = u32, Course = String))]
impl Subscription {
    #[apply]
    fn subscribed(&mut self, _: &StudentSubscribed) {
        self.exists = true;
    }
}

#[command_handler]
fn subscribe(_: Subscribe, subscription: &Subscription) -> Result<(), Rejected> {
    ensure!(!subscription.exists, "is subscribed");
    Ok(())
}

fn main() {}
