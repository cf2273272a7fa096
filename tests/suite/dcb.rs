//! The examples of the dynamic consistency boundary: rules that one aggregate cannot hold, each
//! raced by 32 tasks on every store.

mod cart;
mod course;
mod invoice;
mod shown_price;
mod subscription;
mod user_name;
