//! What the catalog stores fits `schema.lock.json` and the payloads in `golden`.

use example_catalog::{checkout, orders, sales};

#[test]
fn what_is_stored_still_fits() {
    cqrs_core::testing::verify_schemas!(
        example_catalog::module(),
        orders::module(),
        checkout::module(),
        sales::module(),
    );
}
