use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Transfer {
    #[id(Account)]
    from_id: String,
    #[id(Account)]
    to_id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "account-opened", version = 1)]
struct AccountOpened {
    #[id(Account)]
    account: String,
}

#[derive(Default)]
struct Account {
    open: bool,
}

#[aggregate(id = String)]
impl Account {
    #[apply]
    fn opened(&mut self, _: &AccountOpened) {
        self.open = true;
    }
}

#[command_handler]
fn transfer(_: Transfer, from: &Account, target: &Account) {
    assert!(from.open && target.open);
}

fn main() {}
