//! The plain model: a list of facts, and what follows from its beginning up to any place.

use std::collections::BTreeMap;

use cqrs_core::{CommandId, Position};

use super::domain::{Account, AccountCard, Refusal, Vault, VaultCard};

/// A command, as the test means it.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    Open(u8),
    Deposit(u8, Vec<u32>),
    Stash(u8, u8, u32),
    Seal(u8, bool),
    Reward(u8, u32),
}

/// An event, as the test means it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Opened(u8),
    Deposited(u8, u32),
    Stashed(u8, u8, u32),
    SealChanged(u8, bool),
    Rewarded(u8, u32),
}

/// What a number of facts add up to.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub accounts: BTreeMap<u8, Account>,
    pub vaults: BTreeMap<u8, Vault>,
    pub account_cards: BTreeMap<u8, AccountCard>,
    pub vault_cards: BTreeMap<u8, VaultCard>,
}

/// What became of a command.
pub type Outcome = Result<Vec<Fact>, Refusal>;

impl World {
    pub fn add(&mut self, fact: &Fact, at: Position) {
        match *fact {
            Fact::Opened(id) => {
                let account = self.account_of(id);
                (account.open, account.changes) = (true, account.changes + 1);
                let card = AccountCard {
                    account: id,
                    balance: 0,
                    changes: 1,
                    last: at,
                };
                self.account_cards.insert(id, card);
            }
            Fact::Deposited(id, amount) => self.change(id, at, |balance| balance + amount),
            Fact::Stashed(id, vault, amount) => {
                self.change(id, at, |balance| balance - amount);
                self.fill(vault, at, amount);
            }
            Fact::Rewarded(vault, amount) => self.fill(vault, at, amount),
            Fact::SealChanged(id, sealed) => {
                let vault = self.vaults.entry(id).or_default();
                (vault.sealed, vault.changes) = (sealed, vault.changes + 1);
                let card = self.card_of(id);
                if sealed && card.total == 0 {
                    self.vault_cards.remove(&id);
                } else {
                    (card.sealed, card.last) = (sealed, at);
                }
            }
        }
    }

    pub fn account(&self, id: u8) -> Account {
        self.accounts.get(&id).cloned().unwrap_or_default()
    }

    pub fn vault(&self, id: u8) -> Vault {
        self.vaults.get(&id).cloned().unwrap_or_default()
    }

    /// What a command must lead to here.
    pub fn decide(&self, intent: &Intent) -> Outcome {
        match intent {
            Intent::Open(id) if self.account(*id).open => Err(Refusal::Open),
            Intent::Open(id) => Ok(vec![Fact::Opened(*id)]),
            Intent::Deposit(id, _) if !self.account(*id).open => Err(Refusal::NotOpen),
            Intent::Deposit(id, parts) => Ok(parts
                .iter()
                .map(|amount| Fact::Deposited(*id, *amount))
                .collect()),
            Intent::Stash(id, vault, amount) => {
                let account = self.account(*id);
                if !account.open {
                    Err(Refusal::NotOpen)
                } else if self.vault(*vault).sealed {
                    Err(Refusal::Sealed)
                } else if account.balance < *amount {
                    Err(Refusal::Short {
                        missing: amount - account.balance,
                    })
                } else {
                    Ok(vec![Fact::Stashed(*id, *vault, *amount)])
                }
            }
            Intent::Seal(id, sealed) if self.vault(*id).sealed == *sealed => Ok(Vec::new()),
            Intent::Seal(id, sealed) => Ok(vec![Fact::SealChanged(*id, *sealed)]),
            Intent::Reward(id, amount) => Ok(vec![Fact::Rewarded(*id, *amount)]),
        }
    }

    fn account_of(&mut self, id: u8) -> &mut Account {
        self.accounts.entry(id).or_default()
    }

    fn card_of(&mut self, vault: u8) -> &mut VaultCard {
        let last = Position::START;
        let fresh = VaultCard {
            vault,
            total: 0,
            sealed: false,
            last,
        };
        self.vault_cards.entry(vault).or_insert(fresh)
    }

    fn change(&mut self, id: u8, at: Position, balance: impl Fn(u32) -> u32) {
        let account = self.account_of(id);
        (account.balance, account.changes) = (balance(account.balance), account.changes + 1);
        if let Some(card) = self.account_cards.get_mut(&id) {
            (card.balance, card.changes) = (balance(card.balance), card.changes + 1);
            card.last = at;
        }
    }

    fn fill(&mut self, id: u8, at: Position, amount: u32) {
        let vault = self.vaults.entry(id).or_default();
        (vault.total, vault.changes) = (vault.total + amount, vault.changes + 1);
        let card = self.card_of(id);
        (card.total, card.last) = (card.total + amount, at);
    }
}

/// The whole history as the model knows it.
#[derive(Debug, Default)]
pub struct Model {
    pub facts: Vec<(CommandId, Fact)>,
    /// Commands by id: the command, its first position, and its number of events.
    pub done: BTreeMap<CommandId, (Intent, Position, u64)>,
}

impl Model {
    pub fn head(&self) -> Position {
        Position::new(self.facts.len() as u64)
    }

    /// The world once the fact at this position was added.
    pub fn world(&self, up_to: Position) -> World {
        let mut world = World::default();
        let count = usize::try_from(up_to.get()).unwrap_or(usize::MAX);
        for ((_, fact), at) in self.facts.iter().take(count).zip(1..) {
            world.add(fact, Position::new(at));
        }
        world
    }

    /// Whether a command could have led to this somewhere in `[from, to]`.
    pub fn explains(&self, from: Position, to: Position, intent: &Intent, led: &Outcome) -> bool {
        let mut places = (from.get()..=to.get()).map(|at| self.world(Position::new(at)));
        places.any(|world| world.decide(intent) == *led)
    }
}
