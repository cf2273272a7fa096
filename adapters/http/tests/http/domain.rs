//! Accounts with a balance.

use std::sync::Arc;

use cqrs_core::app::HeldPermissions;
use cqrs_core::prelude::*;
use cqrs_core::views::Rows;
use tokio::sync::Semaphore;

cqrs_core::module!();

/// Holds up the command that takes it.
pub struct Gate {
    /// Has a permit for each command that has come.
    pub begun: Semaphore,
    /// Has a permit for each command that may go on.
    pub open: Semaphore,
}

impl Gate {
    pub fn closed() -> Arc<Self> {
        Arc::new(Self {
            begun: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = DepositError)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    #[id(Account)]
    pub account: u32,
    pub cents: u64,
    #[serde(default)]
    pub notes: Vec<Note>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum DepositError {
    #[error("{cents} cents are more than an account may have")]
    TooMuch { cents: u64 },
    #[error("account {0} is closed")]
    Closed(u32),
}

/// Its error has a variant of the same name as that of [`Deposit`].
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = RenameError)]
pub struct Rename {
    #[id(Account)]
    pub account: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    #[error("the register of names is closed")]
    Closed,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(permission = "accounts.close")]
pub struct CloseAccount {
    pub account: u32,
}

/// Has no fields.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Ping;

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Wait {}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Break {}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "deposited", version = 1)]
pub struct Deposited {
    #[id(Account)]
    pub account: u32,
    pub cents: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "account-closed", version = 1)]
pub struct AccountClosed {
    #[id(Account)]
    pub account: u32,
}

#[derive(Default)]
pub struct Account {
    cents: u64,
    is_closed: bool,
}

#[aggregate(name = "account", id = u32)]
impl Account {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }

    #[apply]
    fn closed(&mut self, _: &AccountClosed) {
        self.is_closed = true;
    }
}

impl Validate for Deposit {
    fn validate(&self) -> Result<(), Invalid> {
        ensure!(self.cents > 0, Invalid::field("cents", "is 0"));
        Ok(())
    }
}

#[command_handler]
fn deposit(command: Deposit, account: &Account) -> Result<Deposited, DepositError> {
    let Deposit {
        account: id, cents, ..
    } = command;
    ensure!(!account.is_closed, DepositError::Closed(id));
    ensure!(
        account.cents + cents <= 1_000_000,
        DepositError::TooMuch { cents }
    );
    Ok(Deposited { account: id, cents })
}

#[command_handler]
fn rename(_: Rename) -> Result<(), RenameError> {
    Err(RenameError::Closed)
}

#[command_handler]
fn close(CloseAccount { account }: CloseAccount) -> AccountClosed {
    AccountClosed { account }
}

#[command_handler]
fn ping(_: Ping) {}

#[command_handler]
async fn wait(_: Wait, gate: Service<Gate>) -> Result<(), CommandError<Rejected>> {
    gate.begun.add_permits(1);
    let permit = gate.open.acquire().await.map_err(CommandError::failed)?;
    permit.forget();
    Ok(())
}

#[command_handler]
fn break_down(_: Break) -> Result<(), CommandError<Rejected>> {
    Err(CommandError::failed(Error::message(
        "the password is hunter2",
    )))
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Balance {
    #[key]
    #[index]
    pub account: u32,
    pub cents: u64,
}

pub struct Balances;

#[projection(name = "balances", version = 1)]
impl Balances {
    #[on]
    fn deposited(event: &Deposited, balances: &mut Views<Balance>) -> Result<()> {
        let Deposited { account, cents } = *event;
        balances.upsert(
            &account,
            || Balance { account, cents },
            |it| it.cents += cents,
        )
    }
}

/// The balance of an account.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<u64>)]
pub struct BalanceOf {
    pub account: u32,
}

#[query_handler]
async fn balance_of(query: BalanceOf, balances: Read<Balance>) -> Result<Option<u64>> {
    Ok(balances.get(&query.account).await?.map(|it| it.cents))
}

/// The balance of an account that not everybody may see.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<u64>, permission = "secrets.balance")]
pub struct SecretBalance {
    pub account: u32,
}

#[query_handler]
async fn secret_balance(query: SecretBalance, balances: Read<Balance>) -> Result<Option<u64>> {
    Ok(balances.get(&query.account).await?.map(|it| it.cents))
}

/// An actor sees the account that it is called by, and who may see each, each.
fn own_balance(actor: &Actor) -> Rows<Balance> {
    if actor.holds("balances.all") {
        return Rows::all();
    }
    match actor.name().parse() {
        Ok(account) => Rows::eq(Balance::ACCOUNT, &account),
        Err(_) => Rows::none(),
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<Balance>, rows = own_balance)]
pub struct OwnBalances {}

#[query_handler]
async fn own_balances(_: OwnBalances, balances: Read<Balance>) -> Result<Vec<Balance>> {
    balances.find().all().await
}

/// An id that looks like a number in some companies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Label(String);

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Repeated)]
pub struct Repeat {
    pub text: String,
    pub label: Label,
    #[serde(default)]
    pub numbers: Vec<u32>,
    #[serde(default)]
    pub is_loud: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Repeated(Repeat);

impl Validate for Repeat {
    fn validate(&self) -> Result<(), Invalid> {
        let are_small = self.numbers.iter().all(|number| *number < 100);
        ensure!(are_small, Invalid::field("numbers", "has one over 99"));
        ensure!(self.text != "0", Invalid::field("text", "is 0"));
        Ok(())
    }
}

#[query_handler]
fn repeat(query: Repeat) -> Repeated {
    Repeated(query)
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32, permission = "secrets.read")]
pub struct Secret {}

#[query_handler]
fn secret(_: Secret) -> u32 {
    42
}

/// A dispatcher in memory whose log may be read with `log.read`.
pub async fn with_log() -> Dispatcher {
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let builder = builder.authorizer(HeldPermissions).provide(Gate::closed());
    let builder = builder.log_permission("log.read");
    builder.build().await.expect("builds")
}

/// A dispatcher in memory whose gate is closed.
pub async fn in_memory() -> (Dispatcher, Arc<Gate>) {
    let gate = Gate::closed();
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let builder = builder.authorizer(HeldPermissions).provide(gate.clone());
    (builder.build().await.expect("builds"), gate)
}
