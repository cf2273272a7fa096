//! A process of an application that divides its work. Arguments: its roles, separated by commas; the
//! number of words of its action, and these; the path of an SQLite database, or the URL of a PostgreSQL
//! server and a schema.

use std::io::{Read as _, stdin};

use cqrs_core::app::Role;
use cqrs_core::prelude::*;
use cqrs_core::store::Store;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
struct Count {
    number: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "counted", version = 1)]
struct Counted {
    number: u64,
}

#[command_handler]
fn count(Count { number }: Count) -> Counted {
    Counted { number }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct Number {
    #[key]
    number: u64,
}

struct Numbers;

#[projection(name = "numbers", version = 1)]
impl Numbers {
    #[on]
    fn counted(event: &Counted, numbers: &mut Views<Number>) {
        numbers.put(Number {
            number: event.number,
        });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct HowMany {}

#[query_handler]
async fn how_many(_: HowMany, numbers: Read<Number>) -> Result<u64> {
    numbers.find().count().await
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or(Error::message("a word is missing"));
    let roles = word()?;
    let mut action = Vec::new();
    for _ in 0..word()?.parse::<usize>()? {
        action.push(word()?);
    }
    let place = word()?;
    match word() {
        Ok(schema) => {
            let store = Postgres::options().schema(&schema).connect(&place).await?;
            run(store, &roles, &action).await
        }
        Err(_) => run(Sqlite::open(&place).await?, &roles, &action).await,
    }
}

async fn run(store: impl Store, roles: &str, action: &[String]) -> Result<()> {
    let roles = Role::ALL.into_iter().filter(|role| {
        let name = role.to_string();
        roles.split(',').any(|it| it == name)
    });
    let app = Dispatcher::builder()
        .module(module())
        .store(store)
        .roles(roles);
    let app = app.build().await?;
    println!("begun");
    let words: Vec<&str> = action.iter().map(String::as_str).collect();
    match words[..] {
        // Until nobody writes to it any more.
        ["work"] => {
            tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new())).await??;
        }
        ["send", number] => {
            let number = number.parse()?;
            let receipt = app.execute(Count { number }).await?;
            println!("{}", receipt.bookmark());
        }
        ["ask", bookmark] => {
            let bookmark: Bookmark = bookmark.parse()?;
            println!("{}", app.query(HowMany {}).after(bookmark).await?);
        }
        _ => return Err(Error::message("the action is unknown")),
    }
    Ok(())
}
