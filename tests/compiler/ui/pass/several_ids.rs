//! Commands with several ids of one aggregate, and events that concern several.

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Open {
    #[id(Account)]
    account: u32,
    cents: i64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct Transfer {
    #[id(Account)]
    from_id: u32,
    #[id(Account)]
    to: u32,
    #[id(bank::Bank)]
    bank: String,
    cents: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "account-opened", version = 1)]
struct Opened {
    #[id(Account)]
    account: u32,
    cents: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "money-transferred", version = 1)]
struct Transferred {
    #[id(Account)]
    from: u32,
    #[id(Account)]
    to: u32,
    #[id(Bank)]
    bank: String,
    cents: i64,
}

#[derive(Default)]
struct Account {
    number: u32,
    cents: i64,
}

#[aggregate(id = u32)]
impl Account {
    #[apply]
    fn opened(&mut self, event: &Opened) {
        (self.number, self.cents) = (event.account, event.cents);
    }

    #[apply]
    fn transferred(&mut self, event: &Transferred, id: &u32) {
        let sign = if event.to == *id { 1 } else { -1 };
        self.cents += sign * event.cents;
    }
}

mod bank {
    #[derive(Default)]
    pub struct Bank {
        pub transfers: u32,
    }

    #[cqrs_core::aggregate(id = String)]
    impl Bank {
        #[apply]
        fn transferred(&mut self, _: &super::Transferred) {
            self.transfers += 1;
        }
    }
}

#[command_handler]
fn open(cmd: Open, anything: &Account) -> Option<Opened> {
    let Open { account, cents } = cmd;
    (anything.number == 0).then_some(Opened { account, cents })
}

/// The parameters are named as the fields, with `_id` or without, used or not.
#[command_handler]
fn transfer(
    cmd: Transfer,
    to_id: &Account,
    _from: &Account,
    any_name: &bank::Bank,
) -> Result<Transferred, Rejected> {
    assert_eq!((to_id.number, _from.number), (cmd.to, cmd.from_id));
    ensure!(_from.cents >= cmd.cents, format!("only {}", _from.cents));
    ensure!(any_name.transfers < 2, "enough for today");
    let Transfer { from_id: from, to, bank, cents } = cmd;
    Ok(Transferred { from, to, bank, cents })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    app.execute(Open { account: 1, cents: 100 }).await?;
    app.execute(Open { account: 2, cents: 0 }).await?;
    let transfer = |cents| Transfer { from_id: 1, to: 2, bank: "B".into(), cents };
    app.execute(transfer(70)).await?;
    let refused = app.execute(transfer(70)).await.expect_err("is refused");
    assert_eq!(refused.to_string(), "only 30");
    assert_eq!(app.state::<Account>(&2).await?.cents, 70);
    Ok(())
}
