use std::env;

use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;
use {{crate_name}}::{AddTask, CompleteTask, OpenTasks};

#[tokio::main]
async fn main() -> Result<()> {
    let app = Dispatcher::builder()
        .module({{crate_name}}::module())
        .store(Sqlite::open("tasks.db").await?)
        .build()
        .await?;
    // A session's queries see the effect of its own commands.
    let session = app.session();

    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["add", id, title] => {
            let (id, title) = (id.parse()?, title.to_owned());
            session.execute(AddTask { id, title }).await?;
        }
        ["complete", id] => {
            session.execute(CompleteTask { id: id.parse()? }).await?;
        }
        [] => {}
        _ => return Err(Error::message("usage: [add ID TITLE | complete ID]")),
    }

    for task in session.query(OpenTasks).await? {
        println!("{} {}", task.id, task.title);
    }
    Ok(())
}
