use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "student-enrolled", version = 1)]
struct StudentEnrolled {
    #[id(Student)]
    student: u32,
    #[id(Course)]
    course: u32,
}

#[derive(Default)]
struct Enrollment {
    exists: bool,
}

#[aggregate(ids(Student = u32, Course = u32), was = ["booking"])]
impl Enrollment {
    #[apply]
    fn enrolled(&mut self, _: &StudentEnrolled) {
        self.exists = true;
    }
}

fn main() {}
