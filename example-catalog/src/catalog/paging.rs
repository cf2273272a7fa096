//! Pages of long answers.

use cqrs_core::ensure;
use cqrs_core::error::Invalid;

/// Maximum number of items of a page.
const MOST: u32 = 100;

pub(crate) const fn first_page() -> u32 {
    1
}

pub(crate) const fn usual_page_size() -> u32 {
    20
}

/// Checks the number and size of a page.
pub(crate) fn check(page: u32, page_size: u32) -> Result<(), Invalid> {
    ensure!(page > 0, Invalid::field("page", "pages are counted from 1"));
    ensure!(
        (1..=MOST).contains(&page_size),
        Invalid::field(
            "page_size",
            format!("{page_size} on a page, 1 to {MOST} fit")
        )
    );
    Ok(())
}

/// Number of items before the page.
pub(crate) fn before(page: u32, page_size: u32) -> u64 {
    u64::from(page.saturating_sub(1)) * u64::from(page_size)
}
