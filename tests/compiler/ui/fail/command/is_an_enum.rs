use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
enum ChangeProduct {
    Rename { name: String },
    Discontinue,
}

#[command_handler]
fn change(_: ChangeProduct) {}

fn main() {}
