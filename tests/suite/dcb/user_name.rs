//! A user name is claimed by one account at a time; one that was given up is free again.

use cqrs_core::prelude::*;

use crate::stores::{on_each, race};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Taken)]
pub struct Register {
    pub account: u32,
    #[id(UserName)]
    pub name: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct CloseAccount {
    pub account: u32,
    #[id(UserName)]
    pub name: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "account-registered", version = 1)]
pub struct AccountRegistered {
    #[id(Account)]
    pub account: u32,
    #[id(UserName)]
    pub name: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "account-closed", version = 1)]
pub struct AccountClosed {
    #[id(Account)]
    pub account: u32,
    #[id(UserName)]
    pub name: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name is taken by account {0}")]
pub struct Taken(u32);

/// Not an account: just who has the name.
#[derive(Default)]
pub struct UserName {
    owner: Option<u32>,
}

#[aggregate(id = String)]
impl UserName {
    #[apply]
    fn registered(&mut self, event: &AccountRegistered) {
        self.owner = Some(event.account);
    }

    #[apply]
    fn closed(&mut self, _: &AccountClosed) {
        self.owner = None;
    }
}

#[command_handler]
fn register(cmd: Register, name: &UserName) -> Result<AccountRegistered, Taken> {
    match name.owner {
        Some(owner) => Err(Taken(owner)),
        None => Ok(AccountRegistered {
            account: cmd.account,
            name: cmd.name,
        }),
    }
}

#[command_handler]
fn close(cmd: CloseAccount, name: &UserName) -> Option<AccountClosed> {
    let CloseAccount {
        account,
        name: freed,
    } = cmd;
    (name.owner == Some(account)).then_some(AccountClosed {
        account,
        name: freed,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_name_is_claimed_by_one_of_many() {
    on_each(module(), |app| async move {
        let name = || "ada".to_owned();
        let claim = |number| {
            let app = app.clone();
            let account = u32::try_from(number).expect("a small number");
            async move {
                app.execute(Register {
                    account,
                    name: name(),
                })
                .await
                .map(|_| account)
            }
        };
        let outcomes = race(32, claim).await;
        let winners: Vec<u32> = outcomes.iter().flatten().copied().collect();
        let [winner] = winners[..] else {
            panic!("{} have the name", winners.len())
        };
        for outcome in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(outcome.rejected(), Some(Taken(winner)));
        }

        app.execute(CloseAccount {
            account: winner,
            name: name(),
        })
        .await
        .expect("closes");
        let outcomes = race(32, claim).await;
        assert_eq!(outcomes.iter().flatten().count(), 1);
    })
    .await;
}
