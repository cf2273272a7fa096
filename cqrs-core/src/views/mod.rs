//! Read models, which projections write and queries read.

mod buffer;
mod cursor;
mod encode;
mod erased_buffer;
mod find;
mod indexed;
mod key_filter;
mod loader;
mod model;
mod own_view;
mod rows;
mod writer;

pub(crate) use buffer::ViewBuffer;
pub use cursor::Cursor;
pub(crate) use erased_buffer::ErasedBuffer;
pub use find::{CursorPage, Find, Page, Read};
pub use indexed::Indexed;
pub(crate) use loader::{Loader, ViewRequest};
pub use model::{Index, ReadModel};
pub(crate) use own_view::{FoldTrace, only_own_view};
pub use rows::Rows;
#[doc(hidden)]
pub use rows::SelectsRows;

pub use crate::store::SortKey;
pub use writer::Views;
