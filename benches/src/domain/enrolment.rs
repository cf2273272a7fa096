//! A decision about two aggregates at once, whose boundary has the tags of both.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Maximum number of students of a course, and of courses of a student.
const LIMIT: u32 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    #[error("the course is full")]
    Full,
    #[error("the student has enough to do")]
    Busy,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = EnrolmentError)]
pub struct Enrol {
    #[id(Course)]
    pub course: String,
    #[id(Student)]
    pub student: String,
}

impl Enrol {
    /// The course and the student with these numbers.
    pub fn new(course: u32, student: u32) -> Self {
        Self {
            course: format!("course-{course:06}"),
            student: format!("student-{student:06}"),
        }
    }
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "enrolled", version = 1)]
pub struct Enrolled {
    #[id(Course)]
    pub course: String,
    #[id(Student)]
    pub student: String,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Course {
    students: u32,
}

#[aggregate(id = String)]
impl Course {
    #[apply]
    fn enrolled(&mut self, _event: &Enrolled) {
        self.students += 1;
    }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Student {
    courses: u32,
}

#[aggregate(id = String)]
impl Student {
    #[apply]
    fn enrolled(&mut self, _event: &Enrolled) {
        self.courses += 1;
    }
}

#[command_handler]
fn enrol(command: Enrol, course: &Course, student: &Student) -> Result<Enrolled, EnrolmentError> {
    if course.students >= LIMIT {
        return Err(EnrolmentError::Full);
    }
    if student.courses >= LIMIT {
        return Err(EnrolmentError::Busy);
    }
    let Enrol { course, student } = command;
    Ok(Enrolled { course, student })
}

/// Enrols the students with the numbers from `first` on, each in the course with the same number,
/// without a check. After `pairs`, the numbers start at 0 again.
#[derive(Command, Clone, Copy, Serialize, Deserialize)]
pub struct FillCourses {
    pub first: u32,
    pub events: u32,
    pub pairs: u32,
}

#[command_handler]
fn fill_courses(command: FillCourses) -> Vec<Enrolled> {
    let numbers = command.first..command.first + command.events;
    numbers
        .map(|number| {
            let number = number % command.pairs;
            let Enrol { course, student } = Enrol::new(number, number);
            Enrolled { course, student }
        })
        .collect()
}
