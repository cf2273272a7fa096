//! Links between the Markdown files of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("exists")
}

/// Every Markdown file below `directory`, except in build output, installed tools and generated pages.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(directory).expect("is a directory") {
        let path = entry.expect("is readable").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir()
            && name != "target"
            && name != ".git"
            && name != ".tools"
            && !path.ends_with("cqrs-core/guides")
        {
            pages.extend(self::pages(&path));
        } else if path.extension().is_some_and(|it| it == "md") {
            pages.push(path);
        }
    }
    pages
}

/// The lines of a page that are not in a block of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// What follows each `](`, up to its parenthesis, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(page) {
        // Every other part is between backquotes.
        let text: String = line
            .split('`')
            .enumerate()
            .map(|(n, part)| if n % 2 == 0 { part } else { "code" })
            .collect();
        let targets = text.split("](").skip(1);
        links.extend(targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    links
}

/// The anchors of a page's headings, as they are made on most sites: lower case, without
/// punctuation, with hyphens for spaces.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Why a link of `page` leads nowhere.
fn broken(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => page.to_owned(),
        _ => page.parent().expect("is in a directory").join(file),
    };
    if !target.exists() {
        return Some("no such file".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    let anchors = anchors(&fs::read_to_string(&target).unwrap_or_default());
    (!anchors.contains(anchor)).then(|| format!("none of the headings: {anchors:?}"))
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading() {
    let pages = pages(&root());
    assert!(pages.len() > 40, "{}", pages.len());
    let mut problems = Vec::new();
    let mut checked = 0;
    for page in &pages {
        for link in links(&fs::read_to_string(page).expect("is readable")) {
            checked += 1;
            if let Some(problem) = broken(page, &link) {
                problems.push(format!("{}: {link}: {problem}", page.display()));
            }
        }
    }
    assert!(checked > 150, "{checked}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_found() {
    let page = root().join("README.md");
    assert_eq!(broken(&page, "docs/README.md#guides"), None);
    assert!(broken(&page, "docs/missing.md").is_some());
    assert!(broken(&page, "docs/README.md#missing").is_some());
    assert_eq!(
        links("[a](b.md), `[c](d.md)`, [`e`](f.md#g)"),
        ["b.md", "f.md#g"]
    );
    assert!(links("```text\n[a](b.md)\n```").is_empty());
}

#[test]
fn the_book_and_the_overview_list_every_guide_and_every_decision() {
    let docs = root().join("docs");
    for contents in ["SUMMARY.md", "README.md"] {
        let page = fs::read_to_string(docs.join(contents)).expect("is readable");
        let listed: BTreeSet<PathBuf> = links(&page).iter().map(|link| docs.join(link)).collect();
        for folder in ["guides", "decisions"] {
            for page in pages(&docs.join(folder)) {
                assert!(
                    listed.contains(&page),
                    "{contents} does not list {}",
                    page.display()
                );
            }
        }
    }
}

#[test]
fn every_guide_is_compiled_and_run() {
    let tested = include_str!("../lib.rs");
    for page in pages(&root().join("docs/guides")) {
        let name = page.file_name().unwrap_or_default().to_string_lossy();
        let included = format!("../docs/guides/{name}\"");
        assert!(tested.contains(&included), "tests/lib.rs lacks {name}");
    }
}
