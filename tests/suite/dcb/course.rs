//! A course has a capacity, a student a maximum number of courses; subscribing changes both.

use cqrs_core::prelude::*;

use crate::support::race;
use crate::support::stores::on_each;

cqrs_core::module!();

const COURSES_OF_A_STUDENT: usize = 3;

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct OfferCourse {
    #[id(Course)]
    pub course: String,
    pub capacity: usize,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refused)]
pub struct Subscribe {
    #[id(Course)]
    pub course: String,
    #[id(Student)]
    pub student: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "course-offered", version = 1)]
pub struct CourseOffered {
    #[id(Course)]
    pub course: String,
    pub capacity: usize,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "student-subscribed", version = 1)]
pub struct StudentSubscribed {
    #[id(Course)]
    pub course: String,
    #[id(Student)]
    pub student: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the course is full")]
    Full,
    #[error("the student has enough courses")]
    Enough,
    #[error("the student is subscribed already")]
    Twice,
}

#[derive(Default)]
pub struct Course {
    capacity: usize,
    students: Vec<u32>,
}

#[aggregate(id = String)]
impl Course {
    #[apply]
    fn offered(&mut self, event: &CourseOffered) {
        self.capacity = event.capacity;
    }

    #[apply]
    fn subscribed(&mut self, event: &StudentSubscribed) {
        self.students.push(event.student);
    }
}

#[derive(Default)]
pub struct Student {
    courses: usize,
}

#[aggregate(id = u32)]
impl Student {
    #[apply]
    fn subscribed(&mut self, _: &StudentSubscribed) {
        self.courses += 1;
    }
}

#[command_handler]
fn offer(OfferCourse { course, capacity }: OfferCourse) -> CourseOffered {
    CourseOffered { course, capacity }
}

#[command_handler]
fn subscribe(
    Subscribe {
        course: id,
        student: number,
    }: Subscribe,
    course: &Course,
    student: &Student,
) -> Result<StudentSubscribed, Refused> {
    ensure!(!course.students.contains(&number), Refused::Twice);
    ensure!(course.students.len() < course.capacity, Refused::Full);
    ensure!(student.courses < COURSES_OF_A_STUDENT, Refused::Enough);
    Ok(StudentSubscribed {
        course: id,
        student: number,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_course_takes_no_more_students_than_it_has_places() {
    on_each(module(), |app| async move {
        let course = "history".to_owned();
        let offer = OfferCourse {
            course: course.clone(),
            capacity: 10,
        };
        app.execute(offer).await.expect("is offered");
        let outcomes = race(32, |number| {
            let (app, course) = (app.clone(), course.clone());
            let student = u32::try_from(number).expect("a small number");
            async move { app.execute(Subscribe { course, student }).await }
        })
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            10
        );
        for outcome in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(outcome.rejected(), Some(Refused::Full));
        }
        let course = app.state::<Course>(&course).await.expect("reads");
        assert_eq!(course.students.len(), 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_student_takes_no_more_courses_than_allowed() {
    on_each(module(), |app| async move {
        let course = |number: usize| format!("course-{number}");
        for number in 0..32 {
            let offer = OfferCourse {
                course: course(number),
                capacity: 5,
            };
            app.execute(offer).await.expect("is offered");
        }
        let outcomes = race(32, |number| {
            let app = app.clone();
            async move {
                app.execute(Subscribe {
                    course: course(number),
                    student: 7,
                })
                .await
            }
        })
        .await;
        let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(taken, COURSES_OF_A_STUDENT);
        for outcome in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(outcome.rejected(), Some(Refused::Enough));
        }
        let student = app.state::<Student>(&7).await.expect("reads");
        assert_eq!(student.courses, COURSES_OF_A_STUDENT);
    })
    .await;
}
