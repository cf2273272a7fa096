use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Transfer {
    #[id(Account)]
    from: String,
    #[id(Account)]
    from_id: String,
}

fn main() {}
