//! The domain: a list of tasks.

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Adds a task.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct AddTask {
    #[id(Task)]
    pub id: u32,
    pub title: String,
}

/// Completes a task.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct CompleteTask {
    #[id(Task)]
    pub id: u32,
}

/// A task was added.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "task-added", version = 1)]
pub struct TaskAdded {
    #[id(Task)]
    pub id: u32,
    pub title: String,
}

/// A task was completed.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "task-completed", version = 1)]
pub struct TaskCompleted {
    #[id(Task)]
    pub id: u32,
}

/// The state that decisions about a task depend on.
#[derive(Default, PartialEq)]
pub enum Task {
    #[default]
    Missing,
    Open,
    Completed,
}

#[aggregate(id = u32)]
impl Task {
    #[apply]
    fn added(&mut self, _: &TaskAdded) {
        *self = Task::Open;
    }

    #[apply]
    fn completed(&mut self, _: &TaskCompleted) {
        *self = Task::Completed;
    }
}

#[command_handler]
fn add(AddTask { id, title }: AddTask, task: &Task) -> Result<TaskAdded, Rejected> {
    ensure!(*task == Task::Missing, "task {} exists already", id);
    ensure!(!title.is_empty(), "a task needs a title");
    Ok(TaskAdded { id, title })
}

/// Completing a task twice records one event.
#[command_handler]
fn complete(
    CompleteTask { id }: CompleteTask,
    task: &Task,
) -> Result<Option<TaskCompleted>, Rejected> {
    ensure!(*task != Task::Missing, "there is no task {}", id);
    Ok((*task == Task::Open).then_some(TaskCompleted { id }))
}

/// A task that is not completed yet.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenTask {
    #[key]
    #[index]
    pub id: u32,
    pub title: String,
}

#[projection(name = "open-tasks", version = 1)]
impl OpenTask {
    #[on]
    fn added(event: &TaskAdded, tasks: &mut Views<OpenTask>) {
        tasks.put(OpenTask {
            id: event.id,
            title: event.title.clone(),
        });
    }

    #[on]
    fn completed(event: &TaskCompleted, tasks: &mut Views<OpenTask>) {
        tasks.delete(&event.id);
    }
}

/// Returns all open tasks, by id.
#[derive(Query, Serialize, Deserialize)]
#[query(returns = Vec<OpenTask>)]
pub struct OpenTasks;

#[query_handler]
async fn open_tasks(_: OpenTasks, tasks: Read<OpenTask>) -> Result<Vec<OpenTask>> {
    // Without an order, keys are sorted as text: 10 before 2.
    tasks.find().order_by(OpenTask::ID).all().await
}
