//! Accounts, whose state is folded from events, and vaults, whose state is stored.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the account is open already")]
    Open,
    #[error("the account is not open")]
    NotOpen,
    #[error("{missing} are missing")]
    Short { missing: u32 },
    #[error("the vault is sealed")]
    Sealed,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal)]
pub struct Open {
    #[id(Account)]
    pub account: u8,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal)]
pub struct Deposit {
    #[id(Account)]
    pub account: u8,
    pub parts: Vec<u32>,
}

/// Concerns both kinds of aggregate.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Refusal)]
pub struct Stash {
    #[id(Account)]
    pub account: u8,
    #[id(Vault)]
    pub vault: u8,
    pub amount: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Seal {
    #[id(Vault)]
    pub vault: u8,
    pub sealed: bool,
}

/// Reads nothing: the vault's state is still written.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Reward {
    #[id(Vault)]
    pub vault: u8,
    pub amount: u32,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "opened", version = 1)]
pub struct Opened {
    #[id(Account)]
    pub account: u8,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "deposited", version = 1)]
pub struct Deposited {
    #[id(Account)]
    pub account: u8,
    pub amount: u32,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "stashed", version = 1)]
pub struct Stashed {
    #[id(Account)]
    pub account: u8,
    #[id(Vault)]
    pub vault: u8,
    pub amount: u32,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "seal-changed", version = 1)]
pub struct SealChanged {
    #[id(Vault)]
    pub vault: u8,
    pub sealed: bool,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "rewarded", version = 1)]
pub struct Rewarded {
    #[id(Vault)]
    pub vault: u8,
    pub amount: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    pub open: bool,
    pub balance: u32,
    pub changes: u32,
}

#[aggregate(id = u8)]
impl Account {
    #[apply]
    fn opened(&mut self, _: &Opened) {
        self.open = true;
        self.changes += 1;
    }

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
        self.changes += 1;
    }

    #[apply]
    fn stashed(&mut self, event: &Stashed) {
        self.balance -= event.amount;
        self.changes += 1;
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vault {
    pub total: u32,
    pub sealed: bool,
    pub changes: u32,
}

#[aggregate(id = u8, storage = "state")]
impl Vault {
    #[apply]
    fn stashed(&mut self, event: &Stashed) {
        self.total += event.amount;
        self.changes += 1;
    }

    #[apply]
    fn seal_changed(&mut self, event: &SealChanged) {
        self.sealed = event.sealed;
        self.changes += 1;
    }

    #[apply]
    fn rewarded(&mut self, event: &Rewarded) {
        self.total += event.amount;
        self.changes += 1;
    }
}

#[command_handler]
fn open(Open { account: id }: Open, account: &Account) -> Result<Opened, Refusal> {
    ensure!(!account.open, Refusal::Open);
    Ok(Opened { account: id })
}

#[command_handler]
fn deposit(cmd: Deposit, account: &Account) -> Result<Vec<Deposited>, Refusal> {
    ensure!(account.open, Refusal::NotOpen);
    let deposited = |amount| Deposited {
        account: cmd.account,
        amount,
    };
    Ok(cmd.parts.into_iter().map(deposited).collect())
}

#[command_handler]
async fn stash(cmd: Stash, account: &Account, vault: &Vault) -> Result<Stashed, Refusal> {
    ensure!(account.open, Refusal::NotOpen);
    ensure!(!vault.sealed, Refusal::Sealed);
    tokio::task::yield_now().await;
    let missing = cmd.amount.saturating_sub(account.balance);
    ensure!(missing == 0, Refusal::Short { missing });
    let Stash {
        account,
        vault,
        amount,
    } = cmd;
    Ok(Stashed {
        account,
        vault,
        amount,
    })
}

#[command_handler]
fn seal(cmd: Seal, vault: &Vault) -> Option<SealChanged> {
    let Seal { vault: id, sealed } = cmd;
    (vault.sealed != sealed).then_some(SealChanged { vault: id, sealed })
}

#[command_handler]
fn reward(Reward { vault, amount }: Reward) -> Rewarded {
    Rewarded { vault, amount }
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountCard {
    #[key]
    pub account: u8,
    #[index]
    pub balance: u32,
    pub changes: u32,
    pub last: Position,
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultCard {
    #[key]
    pub vault: u8,
    #[index]
    pub total: u32,
    pub sealed: bool,
    pub last: Position,
}

pub struct Cards;

#[projection(name = "cards", version = 1)]
impl Cards {
    #[on]
    fn opened(event: &Opened, recorded: &Recorded, cards: &mut Views<AccountCard>) {
        cards.put(AccountCard {
            account: event.account,
            balance: 0,
            changes: 1,
            last: recorded.position,
        });
    }

    #[on]
    fn deposited(
        event: &Deposited,
        recorded: &Recorded,
        cards: &mut Views<AccountCard>,
    ) -> Result<()> {
        cards.update(&event.account, |card| {
            card.balance += event.amount;
            card.changes += 1;
            card.last = recorded.position;
        })?;
        Ok(())
    }

    #[on]
    fn stashed(
        event: &Stashed,
        recorded: &Recorded,
        accounts: &mut Views<AccountCard>,
        vaults: &mut Views<VaultCard>,
    ) -> Result<()> {
        accounts.update(&event.account, |card| {
            card.balance -= event.amount;
            card.changes += 1;
            card.last = recorded.position;
        })?;
        let mut card = vault_card(event.vault, vaults)?;
        card.total += event.amount;
        card.last = recorded.position;
        vaults.put(card);
        Ok(())
    }

    /// A vault that is sealed while it is empty is taken off the list.
    #[on]
    fn seal_changed(
        event: &SealChanged,
        recorded: &Recorded,
        vaults: &mut Views<VaultCard>,
    ) -> Result<()> {
        let mut card = vault_card(event.vault, vaults)?;
        if event.sealed && card.total == 0 {
            vaults.delete(&event.vault);
            return Ok(());
        }
        card.sealed = event.sealed;
        card.last = recorded.position;
        vaults.put(card);
        Ok(())
    }

    #[on]
    fn rewarded(
        event: &Rewarded,
        recorded: &Recorded,
        vaults: &mut Views<VaultCard>,
    ) -> Result<()> {
        let mut card = vault_card(event.vault, vaults)?;
        card.total += event.amount;
        card.last = recorded.position;
        vaults.put(card);
        Ok(())
    }
}

fn vault_card(vault: u8, vaults: &Views<VaultCard>) -> Result<VaultCard> {
    Ok(vaults.get(&vault)?.unwrap_or(VaultCard {
        vault,
        total: 0,
        sealed: false,
        last: Position::START,
    }))
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = (Vec<AccountCard>, Vec<VaultCard>))]
pub struct AllCards {}

/// The accounts from the richest down, the vaults by their names.
#[query_handler]
async fn all_cards(
    _: AllCards,
    accounts: Read<AccountCard>,
    vaults: Read<VaultCard>,
) -> Result<(Vec<AccountCard>, Vec<VaultCard>)> {
    let accounts = accounts.find().order_by(AccountCard::BALANCE).descending();
    Ok((accounts.all().await?, vaults.find().all().await?))
}
