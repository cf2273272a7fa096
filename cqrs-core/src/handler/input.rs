use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::StoreType;
use crate::error::Error;
use crate::message::{Aggregate, Envelope, Field, Schemas, Storage};
use crate::store::{CommitMode, Fingerprint, ModelSchema, Tag};
use crate::views::{ErasedBuffer, ReadModel, ViewBuffer};

/// An input of a handler, besides its message.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The kind of input.
    pub kind: InputKind,
}

impl Input {
    /// `&A`.
    pub fn aggregate<A: Aggregate>() -> Self {
        Self {
            kind: InputKind::Aggregate(const { &AggregateType::of::<A>() }),
        }
    }

    /// `Service<T>`.
    pub fn service<T: ?Sized + 'static>() -> Self {
        Self {
            kind: InputKind::Service(ServiceType::of::<T>()),
        }
    }

    /// `Read<V>` or `&mut Views<V>`.
    pub fn views<V: ReadModel>() -> Self {
        Self {
            kind: InputKind::Views(ModelType::of::<V>()),
        }
    }

    /// `&Context`.
    pub fn context() -> Self {
        Self {
            kind: InputKind::Context,
        }
    }

    /// An input that is always available.
    pub fn builtin() -> Self {
        Self {
            kind: InputKind::Builtin,
        }
    }

    /// Whether it can only be read, or recorded with the events, so that a function has no other effects through it.
    pub(crate) fn is_free_of_effects(&self) -> bool {
        matches!(
            self.kind,
            InputKind::Aggregate(_) | InputKind::Context | InputKind::Writes(_)
        )
    }
}

/// The kinds of input.
#[derive(Clone, Copy, Debug)]
pub enum InputKind {
    /// `&State`: an aggregate.
    Aggregate(&'static AggregateType),
    /// `Service<T>`: a service given to the builder.
    Service(ServiceType),
    /// `Read<V>` or `&mut Views<V>`.
    Views(ModelType),
    /// `&Context`: always available, but made for a query only if its handler takes it.
    Context,
    /// `&mut Tx<S>` or `ReadTx<S>`: SQL on the store's database.
    Transaction(StoreType),
    /// `&mut Writes<S>`: statements that are executed with the events.
    Writes(StoreType),
    /// `Reader<S>`: the reader of a view store.
    Reader(StoreType),
    /// `&Recorded` or `&Dispatcher`: always available.
    Builtin,
}

/// The type of a service.
#[derive(Clone, Copy, Debug)]
pub struct ServiceType {
    /// The type's identity.
    pub id: TypeId,
    /// The type's Rust name, from `std::any::type_name`.
    pub name: &'static str,
}

impl ServiceType {
    /// The type `T`.
    pub fn of<T: ?Sized + 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: std::any::type_name::<T>(),
        }
    }
}

/// The type of a read model.
#[derive(Clone, Copy)]
pub struct ModelType {
    /// The type's identity.
    pub id: TypeId,
    /// See [`ReadModel::NAME`].
    pub name: &'static str,
    /// See [`ReadModel::DOCS`].
    pub docs: &'static str,
    /// See [`ReadModel::FIELDS`].
    pub fields: &'static [Field],
    /// See [`ReadModel::INDEXES`].
    pub indexes: &'static [&'static str],
    /// See [`ReadModel::FINGERPRINT`].
    pub fingerprint: u64,
    /// See [`ReadModel::INDEX_TYPES`].
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) index_types: &'static [&'static str],
    /// See [`ReadModel::schemas`].
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) schemas: fn() -> Option<Schemas>,
    pub(crate) buffer: fn(Arc<ModelSchema>, CommitMode) -> Arc<dyn ErasedBuffer>,
}

impl ModelType {
    /// The read model `V`.
    pub fn of<V: ReadModel>() -> Self {
        Self {
            id: TypeId::of::<V>(),
            name: V::NAME,
            docs: V::DOCS,
            fields: V::FIELDS,
            indexes: V::INDEXES,
            fingerprint: V::FINGERPRINT,
            index_types: V::INDEX_TYPES,
            schemas: V::schemas,
            buffer: |schema, commits| Arc::new(ViewBuffer::<V>::new(schema, commits)),
        }
    }

    /// Its schema in this version of a projection.
    pub(crate) fn schema(&self, projection: &str, version: u32) -> ModelSchema {
        ModelSchema {
            table: table_of(projection, version, self.name),
            indexes: self.indexes.to_vec(),
        }
    }
}

/// The name of the table into which this code builds a read model again.
pub(crate) fn rebuilt_table_of(
    projection: &str,
    version: u32,
    model: &str,
    code: Fingerprint,
) -> String {
    format!("{}_{code}", table_of(projection, version, model))
}

/// The name of a read model's table in this version of a projection.
pub(crate) fn table_of(projection: &str, version: u32, model: &str) -> String {
    format!("{}_{version}_{model}", projection.replace('-', "_"))
}

impl fmt::Debug for ModelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// An aggregate without its type.
#[derive(Clone, Copy)]
pub struct AggregateType {
    /// See [`Aggregate::NAME`].
    pub name: &'static str,
    /// See [`Aggregate::EVENTS`].
    pub events: &'static [&'static str],
    /// The names of its ids in tags.
    pub keys: &'static [&'static str],
    /// See [`Aggregate::STORAGE`].
    pub storage: Storage,
    /// See [`Aggregate::PERMISSION`].
    pub permission: Option<&'static str>,
    pub(crate) reads_recorded: bool,
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) new: fn() -> Box<dyn AnyState>,
    pub(crate) restore: fn(&[u8]) -> Option<Box<dyn AnyState>>,
}

impl AggregateType {
    /// The aggregate `A`.
    pub const fn of<A: Aggregate>() -> Self {
        Self {
            name: A::NAME,
            events: A::EVENTS,
            keys: A::KEYS,
            storage: A::STORAGE,
            permission: A::PERMISSION,
            reads_recorded: A::READS_RECORDED,
            type_id: TypeId::of::<A>,
            type_name: std::any::type_name::<A>,
            new: || Box::new(A::default()),
            restore: |body| A::restore(body).map(|state| Box::new(state) as Box<dyn AnyState>),
        }
    }
}

impl fmt::Debug for AggregateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The state of an aggregate without its type.
pub trait AnyState: Send + Sync {
    /// Folds an event.
    ///
    /// # Errors
    /// When the event's payload cannot be read.
    fn apply(&mut self, event: &Envelope<'_>, tag: &Tag) -> Result<(), Error>;

    /// The state as JSON, if it is stored.
    ///
    /// # Errors
    /// When the state cannot be written as JSON.
    fn save(&self) -> Result<Option<Vec<u8>>, Error>;

    /// See [`Aggregate::size`].
    fn size(&self) -> usize;

    /// See [`Aggregate::json`].
    fn json(&self) -> Option<Value>;

    /// See [`Aggregate::copy`].
    fn copy(&self) -> Option<Box<dyn AnyState>>;

    /// The state, for the typed reference that a handler takes.
    fn as_any(&self) -> &dyn Any;

    /// The state, for the typed value that a caller takes.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<A: Aggregate> AnyState for A {
    fn apply(&mut self, event: &Envelope<'_>, tag: &Tag) -> Result<(), Error> {
        Aggregate::apply(self, event, tag)
    }

    fn save(&self) -> Result<Option<Vec<u8>>, Error> {
        Aggregate::save(self)
    }

    fn size(&self) -> usize {
        Aggregate::size(self)
    }

    fn json(&self) -> Option<Value> {
        Aggregate::json(self)
    }

    fn copy(&self) -> Option<Box<dyn AnyState>> {
        Aggregate::copy(self).map(|copy| Box::new(copy) as _)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
