//! A program around a domain in another crate. It chooses the store, and sends messages.
//!
//! `cargo run -p two-crates-app`

use cqrs_core::prelude::*;
use two_crates_domain::{Destination, Destinations, SendParcel};

#[tokio::main]
async fn main() -> Result<()> {
    // Naming `module()` links the library. Without any use of it, the linker would drop the library
    // together with its handlers, and `build` would report messages without handlers.
    let post = Dispatcher::builder()
        .module(two_crates_domain::module())
        .store(Memory::new())
        .build()
        .await?;
    let session = post.session();

    for (number, city) in [(1, "Bern"), (2, "Zürich"), (3, "Bern")] {
        let city = city.to_owned();
        session.execute(SendParcel { number, city }).await?;
    }

    let destinations = session.query(Destinations).await?;
    println!("{destinations:?}");
    let expected = [("Bern", 2), ("Zürich", 1)].map(|(city, parcels)| Destination {
        city: city.to_owned(),
        parcels,
    });
    assert_eq!(destinations, expected);
    Ok(())
}
