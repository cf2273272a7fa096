//! The operations page of the catalog, in a browser and in the README.

use std::fs;

use serde_json::json;
use test_tools::{Browser, Theme};

use crate::program::{Program, workspace};
use crate::serve::Served;

/// Maximum size of the picture in the README, in bytes.
const MAX_PICTURE: usize = 100_000;

/// The size of the window that the picture shows.
const WINDOW: (u32, u32) = (1100, 960);

/// `UPDATE_EXPECT=1` takes it anew.
#[test]
fn the_readme_has_a_picture_of_the_operations_page() {
    let file = workspace().join("docs/operations-page.webp");
    if std::env::var_os("UPDATE_EXPECT").is_some()
        && let Some(picture) = picture()
    {
        fs::write(&file, picture).expect("is written");
    }
    let readme = fs::read_to_string(workspace().join("README.md")).expect("is there");
    assert!(readme.contains("](docs/operations-page.webp)"));
    let picture = fs::read(file).expect("is there");
    assert!(picture.starts_with(b"RIFF") && picture.get(8..12) == Some(b"WEBP"));
    assert!(picture.len() < MAX_PICTURE, "{} bytes", picture.len());
}

/// The page of the catalog after its demo.
fn picture() -> Option<Vec<u8>> {
    let mut browser = Browser::start("the picture of the operations page")?;
    let (served, _program) = of_the_demo();
    browser.prefer(Theme::Light);
    let (width, height) = WINDOW;
    browser.resize(width, height);
    browser.open(&format!("http://{}/ops", served.address));
    // Rates are known once the page was asked for twice.
    browser.wait_for("/\\d/.test(document.getElementById('rate').textContent)");
    let picture = browser.picture();
    assert_eq!(served.stop(), Some(0));
    Some(picture)
}

/// The catalog with what its demo has recorded.
fn of_the_demo() -> (Served, Program) {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let served = Served::start(&program, &["--as", "operator", "serve", "--ops"]);
    (served, program)
}

#[test]
fn the_life_of_a_product_is_seen_in_a_browser() {
    let Some(mut browser) = Browser::start("the operations page of the catalog") else {
        return;
    };
    let (served, _program) = of_the_demo();
    browser.open(&format!(
        "http://{}/ops/aggregates?name=product",
        served.address
    ));
    browser.evaluate("document.querySelector('input[name=id]').focus(), null");
    for letter in "P001".chars() {
        browser.press(&letter.to_string());
    }
    browser.press("Enter");
    browser.wait_for("document.readyState === 'complete' && document.querySelector('h1')?.textContent === 'product P001'");
    // The price was changed from 1200 to 1150 at position 3.
    browser.evaluate(
        "document.querySelector('input[name=from]').value = 1, \
         document.querySelector('input[name=to]').value = 3, \
         document.querySelector('input[name=to]').form.requestSubmit()",
    );
    browser.wait_for("document.querySelector('.differences code')?.textContent === '/price'");
    let changed = browser.evaluate("document.querySelector('.differences li').textContent");
    assert_eq!(changed, json!("/price changed \"1200.00\" → \"1150.00\""));
    assert_eq!(browser.told(), [""; 0]);
    assert_eq!(served.stop(), Some(0));
}
