//! A user name is claimed by one account at a time; one that was given up is free again.

use cqrs_core::prelude::*;

use crate::support::race;
use crate::support::stores::on_each;

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

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Taken)]
pub struct ChangeName {
    pub account: u32,
    #[id(UserName)]
    pub old: String,
    #[id(UserName)]
    pub new: String,
}

/// Concerns two names: one is free from now on, the other taken.
#[derive(Event, Debug, Serialize, Deserialize)]
#[event(name = "user-name-changed", version = 1)]
pub struct UserNameChanged {
    pub account: u32,
    #[id(UserName)]
    pub old: String,
    #[id(UserName)]
    pub new: String,
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

    #[apply]
    fn changed(&mut self, event: &UserNameChanged, name: &String) {
        self.owner = (*name == event.new).then_some(event.account);
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

#[command_handler]
fn change(cmd: ChangeName, old: &UserName, new: &UserName) -> Result<UserNameChanged, Taken> {
    let ChangeName {
        account,
        old: given_up,
        new: wanted,
    } = cmd;
    ensure!(
        old.owner == Some(account),
        Taken(old.owner.unwrap_or_default())
    );
    ensure!(new.owner.is_none(), Taken(new.owner.unwrap_or_default()));
    Ok(UserNameChanged {
        account,
        old: given_up,
        new: wanted,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_of_two_names_is_folded_for_each_as_what_it_is_there() {
    on_each(module(), |app| async move {
        let register = |account, name: &str| Register {
            account,
            name: name.to_owned(),
        };
        let change = |account, old: &str, new: &str| ChangeName {
            account,
            old: old.to_owned(),
            new: new.to_owned(),
        };
        app.execute(register(1, "ada")).await.expect("is free");
        app.execute(change(1, "ada", "eve")).await.expect("is free");
        let owner = async |name: &str| {
            let name = app.state::<UserName>(&name.to_owned()).await;
            name.expect("reads").owner
        };
        assert_eq!((owner("ada").await, owner("eve").await), (None, Some(1)));
        app.execute(register(2, "ada"))
            .await
            .expect("is free again");
        let taken = app.execute(register(3, "eve")).await;
        assert_eq!(taken.expect_err("is taken").rejected(), Some(Taken(1)));

        // Of those who want one name, one gets it.
        for account in 10..26 {
            let name = format!("user-{account}");
            app.execute(register(account, &name))
                .await
                .expect("is free");
        }
        let outcomes = race(16, |number| {
            let app = app.clone();
            let account = 10 + u32::try_from(number).expect("a small number");
            let command = change(account, &format!("user-{account}"), "root");
            async move { app.execute(command).await }
        })
        .await;
        assert_eq!(outcomes.iter().flatten().count(), 1);
    })
    .await;
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
