use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Ring;

#[command_handler]
fn ring(_: Ring) {}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct Bell {
    #[key]
    number: u32,
}

async fn ring_and_wait(app: &Dispatcher) {
    let _ = app.execute(Ring).and_wait_for::<Bell>().await;
}

fn main() {}
