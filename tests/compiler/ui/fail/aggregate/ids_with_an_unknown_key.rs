use cqrs_core::prelude::*;

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

#[aggregate(ids(Student = u32, Curse = String))]
impl Subscription {
    #[apply]
    fn subscribed(&mut self, _: &StudentSubscribed) {
        self.exists = true;
    }
}

fn main() {}
