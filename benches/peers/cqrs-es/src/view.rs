//! With a read model that is kept up to date: each caller reads what it wrote.

use std::sync::Arc;

use cqrs_es::persist::{GenericQuery, PersistedEventStore};
use cqrs_es::{EventEnvelope, Query, View};
use peer::{Bank, Failure};
use postgres_es::{PostgresEventRepository, PostgresViewRepository, postgres_cqrs};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::account::{Account, AccountEvent};
use crate::bank::Framework;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AccountView {
    balance: u64,
}

impl View<Account> for AccountView {
    fn update(&mut self, event: &EventEnvelope<Account>) {
        let AccountEvent::Deposited { amount } = &event.payload;
        self.balance += amount;
    }
}

type Views = PostgresViewRepository<AccountView, Account>;
type AccountQuery = GenericQuery<Views, AccountView, Account>;

/// The framework with its view, which is up to date when a command returns.
#[derive(Clone)]
pub struct Viewed {
    framework: Framework<PersistedEventStore<PostgresEventRepository, Account>>,
    query: Arc<AccountQuery>,
}

impl Viewed {
    pub fn new(pool: PgPool) -> Self {
        let views = Arc::new(Views::new("account_view", pool.clone()));
        let query = AccountQuery::new(views.clone());
        let queries: Vec<Box<dyn Query<Account>>> = vec![Box::new(AccountQuery::new(views))];
        Self {
            framework: Framework(Arc::new(postgres_cqrs(pool, queries, ()))),
            query: Arc::new(query),
        }
    }
}

impl Bank for Viewed {
    async fn deposit(&self, account: &str) -> Result<(), Failure> {
        self.framework.deposit(account).await?;
        match self.query.load(account).await {
            Some(view) if view.balance > 0 => Ok(()),
            _ => Err(Failure::Final("the view has nothing".into())),
        }
    }
}
