//! The core's package has the guides, so that its documentation shows them. They are made from those in
//! `docs`, with links that rustdoc follows:
//!
//! ```sh
//! UPDATE_EXPECT=1 cargo test --workspace --test suite guides::
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_core_shows_the_guides_of_the_book() {
    let written = pages(&root().join("docs/guides"));
    assert!(written.len() > 10, "not all are found");
    let wanted: BTreeMap<_, _> = written
        .iter()
        .map(|(name, page)| (name.clone(), with_links_of_rustdoc(page)))
        .collect();
    let shown = root().join("cqrs-core/guides");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::remove_dir_all(&shown).ok();
        fs::create_dir(&shown).expect("can be made");
        for (name, page) in &wanted {
            fs::write(shown.join(name), page).expect("can be written");
        }
    }
    let pages = pages(&shown);
    let stale = wanted
        .iter()
        .filter(|(name, page)| pages.get(*name) != Some(page));
    let stale: Vec<_> = stale.map(|(name, _)| name).collect();
    assert!(
        stale.is_empty() && pages.len() == wanted.len(),
        "`cqrs-core/guides` is not as `docs/guides`: run this test with `UPDATE_EXPECT=1` ({stale:?})"
    );
}

#[test]
fn every_guide_is_a_page_of_the_core() {
    let module = fs::read_to_string(root().join("cqrs-core/src/guides.rs")).expect("is there");
    for (name, _) in pages(&root().join("docs/guides")) {
        let line = format!("{}: \"{name}\",", module_of(&name));
        assert!(
            module.contains(&line),
            "`cqrs_core::guides` has no `{line}`"
        );
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages of a folder, by the names of their files.
fn pages(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    let pages = entries.map(|entry| {
        let path = entry.expect("can be read").path();
        let name = path.file_name().expect("has a name").to_string_lossy();
        let page = fs::read_to_string(&path).expect("is text");
        (name.into_owned(), page)
    });
    pages.collect()
}

/// `queries-and-read-models.md` as a module is named.
fn module_of(file: &str) -> String {
    file.trim_end_matches(".md").replace('-', "_")
}

/// A page whose links to other guides name their modules. Links to what is not in the package are
/// only their text.
fn with_links_of_rustdoc(page: &str) -> String {
    let mut shown = String::new();
    // Every other part is a block of code.
    for (number, part) in page.split("```").enumerate() {
        if number > 0 {
            shown.push_str("```");
        }
        if number % 2 == 1 {
            shown.push_str(part);
        } else {
            shown.push_str(&prose(part));
        }
    }
    shown
}

fn prose(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((target, after)) = after.split_once(')') else {
            break;
        };
        rest = after;
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        if target.contains("://") || file.is_empty() {
            shown.extend([before, "](", target, ")"]);
        } else if file.contains('/') {
            let (ahead, text) = before.rsplit_once('[').expect("a link begins with `[`");
            shown.extend([ahead, text]);
        } else {
            let module = module_of(file);
            let anchor = if anchor.is_empty() {
                String::new()
            } else {
                format!("#{anchor}")
            };
            shown.extend([before, "](crate::guides::", &module, &anchor, ")"]);
        }
    }
    shown + rest
}
