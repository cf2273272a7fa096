//! Keywords and raw identifiers as names of fields, functions, modules, types and parameters.
#![allow(non_camel_case_types)]

use cqrs_core::prelude::*;

mod r#mod {
    use cqrs_core::prelude::*;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct r#move {
        #[id(r#struct)]
        pub r#type: String,
        pub r#ref: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "move", version = 1)]
    pub struct r#final {
        #[id(r#struct)]
        pub r#type: String,
        pub r#ref: u32,
    }

    #[derive(Event)]
    pub enum r#enum {
        r#do(r#final),
    }
}

#[derive(Default)]
struct r#struct {
    r#in: u32,
}

#[aggregate(id = String)]
impl r#struct {
    #[apply]
    fn r#fn(&mut self, r#event: &r#mod::r#final, r#as: &Recorded) {
        self.r#in = r#event.r#ref + r#as.data.version;
    }
}

#[command_handler]
async fn r#async(r#mod::r#move { r#type, r#ref }: r#mod::r#move, r#for: &r#struct) -> r#mod::r#enum {
    let r#ref = r#ref + r#for.r#in;
    r#mod::r#enum::r#do(r#mod::r#final { r#type, r#ref })
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct r#impl {
    #[key]
    r#type: String,
    #[index]
    r#match: u32,
}

struct r#trait;

#[projection(name = "traits", version = 1)]
impl r#trait {
    #[on]
    fn r#use(r#event: &r#mod::r#final, r#where: &mut Views<r#impl>) {
        let (r#type, r#match) = (r#event.r#type.clone(), r#event.r#ref);
        r#where.put(r#impl { r#type, r#match });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct r#while {
    r#match: u32,
}

#[query_handler]
async fn r#loop(r#while { r#match }: r#while, r#let: Read<r#impl>) -> Result<u64> {
    r#let.find().eq(r#impl::MATCH, &r#match).count().await
}

#[event_handler]
fn r#return(_: r#mod::r#final) {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    // The wire has no raw identifiers.
    let json = br#"{"type": "a", "ref": 7}"#;
    let receipt = app.execute_json("move", json).await?;
    assert_eq!(app.query(r#while { r#match: 7 }).after(&receipt).await?, 1);
    assert_eq!(app.state::<r#struct>(&"a".into()).await?.r#in, 8);
    Ok(())
}
