//! Sessions: a user sees their own changes at once, and a position carries that from one request to
//! the next, even when another process answers it.
//!
//! `cargo run -p wired-cqrs --example sessions`

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct AddTask {
    text: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "task-added", version = 1)]
struct TaskAdded {
    #[id("owner")]
    owner: String,
    text: String,
}

/// `Context` has the actor that the session stands for.
#[command_handler]
fn add_task(AddTask { text }: AddTask, context: &Context) -> Result<TaskAdded, Rejected> {
    let actor = context.actor().ok_or("sign in first")?;
    let owner = actor.name().to_owned();
    Ok(TaskAdded { owner, text })
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct TaskList {
    #[key]
    owner: String,
    tasks: Vec<String>,
}

#[projection(name = "task-lists", version = 1)]
impl TaskList {
    #[on]
    fn added(event: &TaskAdded, lists: &mut Views<TaskList>) -> Result<()> {
        let TaskAdded { owner, text } = event;
        lists.upsert(
            owner,
            || TaskList {
                owner: owner.clone(),
                tasks: vec![text.clone()],
            },
            |list| list.tasks.push(text.clone()),
        )
    }
}

#[derive(Query, Serialize, Deserialize)]
#[query(returns = Vec<String>)]
struct Tasks {
    owner: String,
}

#[query_handler]
async fn tasks(query: Tasks, lists: Read<TaskList>) -> Result<Vec<String>> {
    let list = lists.get(&query.owner).await?;
    Ok(list.map_or_else(Vec::new, |list| list.tasks))
}

#[tokio::main]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    let of_ada = || Tasks {
        owner: "ada".to_owned(),
    };
    let add = |text: &str| AddTask {
        text: text.to_owned(),
    };

    // Every query of a session waits for what the session has written.
    let session = app.session().actor(Actor::new("ada"));
    session.execute(add("write the letter")).await?;
    assert_eq!(session.query(of_ada()).await?, ["write the letter"]);
    session.execute(add("send the letter")).await?;

    // A web server hands the position to the browser, in a cookie for instance, and continues the
    // session with the next request.
    let cookie = session.position();
    let next_request = app
        .session()
        .actor(Actor::new("ada"))
        .after_position(cookie);
    let tasks = next_request.query(of_ada()).await?;
    println!("ada's tasks: {tasks:?}");
    assert_eq!(tasks, ["write the letter", "send the letter"]);

    // Without an actor, the handler rejects the command.
    let refused = app.session().execute(add("send another letter")).await;
    println!("rejected: {}", refused.expect_err("has no actor"));
    Ok(())
}
