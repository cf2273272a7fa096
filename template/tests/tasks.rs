use cqrs_core::prelude::*;
use cqrs_core::testing::{given, projection, verify_modules};
use {{crate_name}}::{AddTask, CompleteTask, OpenTask, TaskAdded, TaskCompleted};

fn add() -> AddTask {
    AddTask {
        id: 1,
        title: "Water the plants".to_owned(),
    }
}

fn added() -> TaskAdded {
    TaskAdded {
        id: 1,
        title: "Water the plants".to_owned(),
    }
}

#[test]
fn a_task_is_added_once() {
    given(()).when(add()).then(added());
    given(added())
        .when(add())
        .then_rejected(Rejected::from("task 1 exists already"));
}

#[test]
fn completing_a_task_twice_records_one_event() {
    let completed = TaskCompleted { id: 1 };
    given(added())
        .when(CompleteTask { id: 1 })
        .then(completed.clone());
    given(added())
        .and(completed)
        .when(CompleteTask { id: 1 })
        .then(());
}

#[test]
fn completed_tasks_are_not_listed() {
    let tasks = projection::<OpenTask>().given(added());
    tasks.then_views([OpenTask {
        id: 1,
        title: "Water the plants".to_owned(),
    }]);
    tasks
        .given(TaskCompleted { id: 1 })
        .then_no_view::<OpenTask>(1);
}

#[test]
fn the_wiring_is_complete() {
    verify_modules([{{crate_name}}::module()]);
}
