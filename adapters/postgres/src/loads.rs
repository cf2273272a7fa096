use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cqrs_core::store::ModelSchema;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::fault::{Fault, Kind};
use crate::link::Pool;
use crate::store::Shared;
use crate::table::Table;
use crate::{Postgres, table};

/// Statements that are under way for one read model, at most: while one is on its way, the answer
/// to another is being read.
const UNDER_WAY: usize = 2;

/// Keys of one statement that answers several callers, at most. Who asks for more than that has a
/// statement of his own.
const KEYS: usize = 256;

/// What was found under the keys of one caller, in their order.
type Found = Result<Vec<Option<Vec<u8>>>, Fault>;

/// Loads of views. A caller who is alone is served at once; of many, those who come while
/// statements for their read model are under way share the next one, which is sent after they
/// asked: nobody gets an answer from before.
#[derive(Default)]
pub(crate) struct Loads(Mutex<HashMap<String, Model>>);

/// The loads of one read model.
#[derive(Default)]
struct Model {
    under_way: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    keys: Vec<String>,
    found: oneshot::Sender<Found>,
}

/// The right to have a statement under way. The next one begins when it is dropped.
struct Turn {
    store: Postgres,
    table: Table,
}

/// The views with these keys, `None` where there is none, in the order asked.
pub(crate) async fn load(store: &Postgres, model: &ModelSchema, keys: Vec<String>) -> Found {
    let table = Table::of(&store.shared().schema, model)?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    if keys.len() > KEYS {
        return select(store.shared(), &table, &keys).await;
    }
    let waits = {
        let mut loads = store.shared().loads.lock();
        let model = loads.entry(table.model.clone()).or_default();
        if model.under_way < UNDER_WAY {
            model.under_way += 1;
            None
        } else {
            let (found, waits) = oneshot::channel();
            let keys = keys.clone();
            model.waiting.push_back(Waiting { keys, found });
            Some(waits)
        }
    };
    let Some(waits) = waits else {
        let turn = Turn {
            store: store.clone(),
            table,
        };
        return select(turn.store.shared(), &turn.table, &keys).await;
    };
    match waits.await {
        Ok(found) => found,
        // The statement failed by the fault of another caller's keys, or of these.
        Err(_) => select(store.shared(), &table, &keys).await,
    }
}

/// The same from where they are written, for the projection that writes them.
pub(crate) async fn load_to_fold(shared: &Shared, model: &ModelSchema, keys: Vec<String>) -> Found {
    let table = Table::of(&shared.schema, model)?;
    select_from(&shared.pool, &table, &keys).await
}

async fn select(shared: &Shared, table: &Table, keys: &[String]) -> Found {
    select_from(&shared.reads, table, keys).await
}

async fn select_from(pool: &Pool, table: &Table, keys: &[String]) -> Found {
    let keys: Vec<_> = keys.iter().map(|key| table::stored(key)).collect();
    let client = pool.get().await?;
    let select = client.prepare(&table.load()).await?;
    let mut found: HashMap<String, Vec<u8>> = HashMap::new();
    for row in client.query(&select, &[&keys]).await? {
        found.insert(row.try_get(0)?, row.try_get(1)?);
    }
    // A key may have been asked for twice.
    let bodies = keys.iter().map(|key| found.get(key.as_ref()).cloned());
    Ok(bodies.collect())
}

impl Loads {
    /// No other code runs while the lock is held, so a poisoned one still guards whole data.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Model>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a turn. If callers are waiting, the next turn is theirs.
    fn end(&self, table: &Table) -> Vec<Waiting> {
        let mut loads = self.lock();
        let Some(model) = loads.get_mut(&table.model) else {
            return Vec::new();
        };
        let mut keys = 0;
        let fits = model.waiting.iter().take_while(|next| {
            keys += next.keys.len();
            keys <= KEYS
        });
        let fits = fits.count();
        let callers: Vec<_> = model.waiting.drain(..fits).collect();
        if callers.is_empty() {
            model.under_way -= 1;
        }
        callers
    }
}

impl Turn {
    /// Loads for all of these callers with one statement.
    async fn serve(self, mut callers: Vec<Waiting>) {
        // Who is gone meanwhile needs no answer.
        callers.retain(|caller| !caller.found.is_closed());
        if callers.is_empty() {
            return;
        }
        let mut keys = Vec::with_capacity(callers.len());
        for caller in &mut callers {
            keys.extend(caller.keys.iter().cloned());
        }
        match select(self.store.shared(), &self.table, &keys).await {
            Ok(found) => {
                let mut found = found.into_iter();
                for Waiting { keys, found: to } in callers {
                    let _ = to.send(Ok(found.by_ref().take(keys.len()).collect()));
                }
            }
            // One of the callers' keys, and not known whose: each tries by himself.
            Err(fault) if fault.kind() == Kind::Data => {}
            Err(fault) => {
                for caller in callers {
                    let _ = caller.found.send(Err(fault.clone()));
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let callers = self.store.shared().loads.end(&self.table);
        if callers.is_empty() {
            return;
        }
        let next = Self {
            store: self.store.clone(),
            table: self.table.clone(),
        };
        // Without a runtime, as when it shuts down, callers are told by being dropped.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(next.serve(callers));
        }
    }
}
