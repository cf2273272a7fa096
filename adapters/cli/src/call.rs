use std::fmt;
use std::sync::Arc;

use clap::ArgMatches;
use cqrs_core::app::{Builder, Model, Role};
use cqrs_core::{Actor, Dispatcher};

use crate::address::{Database, Location, StoreKind};
use crate::error::CliError;
use crate::open::{OpenMode, Servers, open};
use crate::shutdown;

/// The function that makes the dispatcher of a program, without a store.
pub(crate) type Domain = Arc<dyn Fn(StoreKind) -> Builder + Send + Sync>;

/// A verb that is being run: its arguments, and access to the program's dispatcher.
#[derive(Clone)]
pub struct Call {
    pub(crate) matches: ArgMatches,
    pub(crate) domain: Domain,
    pub(crate) database: Database,
    pub(crate) is_store_named: bool,
    /// The name of the program.
    pub(crate) name: String,
    /// The name of the actor.
    pub(crate) actor: String,
    /// Those of the actor's role. `None` for all that the program names.
    pub(crate) permissions: Option<Vec<String>>,
    pub(crate) is_json: bool,
}

impl Call {
    /// The arguments of the verb.
    pub fn matches(&self) -> &ArgMatches {
        &self.matches
    }

    /// Whether results are to be printed as JSON.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether an argument names the store.
    pub fn is_store_named(&self) -> bool {
        self.is_store_named
    }

    /// The same on another store, whose address is as that of `--store`.
    ///
    /// # Errors
    /// If the address is not one.
    pub fn on_store(mut self, address: &str) -> Result<Self, CliError> {
        let location = Location::from(std::ffi::OsString::from(address));
        let database = Database::at(&self.name, location, None, None)?;
        self.database = database;
        Ok(self)
    }

    /// The dispatcher on the store, which is created if it is missing.
    ///
    /// # Errors
    /// If the store cannot be opened, or the wiring has problems.
    pub async fn create(&self) -> Result<Dispatcher, CliError> {
        self.build(OpenMode::CreateIfMissing, &Role::ALL).await
    }

    /// The dispatcher on the store, which has to exist.
    ///
    /// # Errors
    /// As those of [`create`](Self::create).
    pub async fn open(&self) -> Result<Dispatcher, CliError> {
        self.build(OpenMode::MustExist, &Role::ALL).await
    }

    /// The dispatcher on the store, which has to exist, to look at it: this process handles no events, which another
    /// one would have to take over afterwards.
    ///
    /// # Errors
    /// As those of [`create`](Self::create).
    pub async fn look(&self) -> Result<Dispatcher, CliError> {
        self.build(OpenMode::MustExist, &[Role::Queries]).await
    }

    /// Runs an action, then shuts the dispatcher down. At Ctrl-C or SIGTERM, the command in progress finishes, and no
    /// other one is sent.
    ///
    /// # Errors
    /// That of the action; [`CliError::Interrupted`] if a signal has ended it.
    pub async fn run(
        &self,
        dispatcher: &Dispatcher,
        action: impl Future<Output = Result<(), CliError>>,
    ) -> Result<(), CliError> {
        shutdown::run_until_signal(dispatcher, action).await
    }

    /// The actor, with the permissions of the role, or with all that the program names.
    pub fn actor(&self) -> Actor {
        let permissions = self.permissions().into_iter();
        permissions.fold(Actor::new(&self.actor), Actor::with)
    }

    /// The permissions of an actor.
    pub(crate) fn permissions(&self) -> Vec<String> {
        if let Some(permissions) = &self.permissions {
            return permissions.clone();
        }
        let model = self.model();
        let named = model.nodes.iter().filter_map(|node| node.permission);
        named
            .chain(model.log_permission)
            .map(str::to_owned)
            .collect()
    }

    /// The model of the program. Needs no store.
    pub fn model(&self) -> Model {
        self.builder().model()
    }

    /// The dispatcher that is to be built, without its store.
    pub(crate) fn builder(&self) -> Builder {
        (self.domain)(self.database.kind())
    }

    pub(crate) async fn build(
        &self,
        mode: OpenMode,
        roles: &[Role],
    ) -> Result<Dispatcher, CliError> {
        let builder = self.builder().roles(roles.iter().copied());
        let (dispatcher, _) = self.build_from(builder, mode).await?;
        Ok(dispatcher)
    }

    pub(crate) async fn build_from(
        &self,
        builder: Builder,
        mode: OpenMode,
    ) -> Result<(Dispatcher, Servers), CliError> {
        let (builder, servers) = open(builder, &self.database, mode, &self.name).await?;
        Ok((builder.build().await?, servers))
    }
}

/// The store, without the password of its address.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database.fmt(f)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Call");
        shown.field("store", &self.database.to_string());
        shown.field("actor", &self.actor).finish_non_exhaustive()
    }
}
