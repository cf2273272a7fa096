//! Read models: what a projection writes and a query reads.

mod buffer;
mod encode;
mod find;
mod loader;
mod model;
mod sort_key;
mod writer;

pub(crate) use buffer::ErasedBuffer;
pub use buffer::ViewBuffer;
pub use encode::MAX_KEY_BYTES;
pub use find::{Find, Page, Read};
pub(crate) use loader::{LoadRequest, Loader};
pub use model::{Index, ReadModel};
pub use sort_key::{Indexed, SortKey};
pub use writer::Views;
