//! Read models: what a projection writes and a query reads.

mod buffer;
mod encode;
mod find;
mod indexed;
mod loader;
mod model;
mod writer;

pub(crate) use buffer::ErasedBuffer;
pub use buffer::ViewBuffer;
pub use encode::MAX_KEY_BYTES;
pub use find::{Find, Page, Read};
pub use indexed::Indexed;
pub(crate) use loader::{LoadRequest, Loader};
pub use model::{Index, ReadModel};

pub use crate::store::SortKey;
pub use writer::Views;
