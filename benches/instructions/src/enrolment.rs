//! A command about two aggregates, whose event and boundary have the tags of both.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Enrol {
    #[id(Course)]
    pub course: u32,
    #[id(Student)]
    pub student: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "enrolled", version = 1)]
pub struct Enrolled {
    #[id(Course)]
    course: u32,
    #[id(Student)]
    student: u32,
}

#[derive(Default)]
pub struct Course {
    students: u32,
}

#[aggregate(id = u32)]
impl Course {
    #[apply]
    fn enrolled(&mut self, _: &Enrolled) {
        self.students += 1;
    }
}

#[derive(Default)]
pub struct Student {
    courses: u32,
}

#[aggregate(id = u32)]
impl Student {
    #[apply]
    fn enrolled(&mut self, _: &Enrolled) {
        self.courses += 1;
    }
}

#[command_handler]
fn enrol(command: Enrol, course: &Course, student: &Student) -> Result<Enrolled, Rejected> {
    ensure!(course.students < u32::MAX, "the course is full");
    ensure!(student.courses < u32::MAX, "the student has enough to do");
    let Enrol { course, student } = command;
    Ok(Enrolled { course, student })
}
