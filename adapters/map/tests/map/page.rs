use crate::{hostile_map, library};

/// What comes after each occurrence of `start`, up to `end`.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Vec<&'t str> {
    text.split(start)
        .skip(1)
        .map(|rest| rest.split(end).next().unwrap_or_default())
        .collect()
}

#[test]
fn all_text_is_escaped() {
    let page = hostile_map().html();
    // The page's own elements, and no others.
    for (element, count) in [
        ("<script", 1),
        ("<style", 1),
        ("<img", 0),
        ("<svg", 1),
        ("<b ", 0),
    ] {
        assert_eq!(page.matches(element).count(), count, "{element}");
    }
    let ours = ["</script>", "</style>", "</svg>"];
    assert!(ours.iter().all(|end| page.matches(end).count() == 1));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;document.title"));
    // No attribute has escaped from its quotes.
    for tag in between(&page, "<", ">") {
        let outside: String = tag.split('"').step_by(2).collect();
        assert!(
            !outside.contains("onerror") && !outside.contains("onclick"),
            "{tag}"
        );
    }
    for text in [hostile_map().svg(), page] {
        assert!(!text.contains("<b onclick") && !text.contains("<script>document"));
    }
}

#[test]
fn nothing_is_asked_of_a_server() {
    for page in [library().html(), hostile_map().html()] {
        let addresses: Vec<_> = between(&page, "http", "\"")
            .into_iter()
            .filter(|it| it.starts_with("://") || it.starts_with("s://"))
            .collect();
        // The name of SVG, which nobody fetches.
        assert_eq!(addresses, ["://www.w3.org/2000/svg"]);
        for word in [
            "@import",
            "url(",
            "fetch(",
            "XMLHttpRequest",
            "import(",
            "src=x",
            "<link",
            "<iframe",
            "<object",
        ] {
            let found = page.replace("src=x onerror", "").contains(word);
            assert!(!found, "{word}");
        }
        for target in between(&page, "href=\"", "\"") {
            assert!(target.starts_with('#'), "{target}");
        }
    }
}

#[test]
fn the_policy_allows_the_style_and_the_script_of_the_page_alone() {
    let page = library().html();
    let policy = between(
        &page,
        "http-equiv=\"Content-Security-Policy\" content=\"",
        "\"",
    )[0];
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert_eq!(policy.matches("'sha256-").count(), 2);
    assert!(!page.contains(" style=\""), "a style in an attribute");
}

#[test]
fn all_that_is_known_of_a_message_is_in_the_page() {
    let page = library().html();
    let articles = between(&page, "<article", "</article>");
    assert_eq!(articles.len(), 18);
    let of = |name: &str| {
        let heading = format!("<h3>{name}</h3>");
        *articles
            .iter()
            .find(|it| it.contains(&heading))
            .expect("is there")
    };
    let lend = of("LendBook");
    for text in [
        "command, needs <code>library:lend</code>",
        "<p class=\"docs\">Lends a book.</p><p class=\"docs\">Nobody else may have it.</p>",
        "<li><code>book: u32</code><p>The number on its spine. Id of <code>book</code>.</p></li>",
        "emits event <a href=\"#d",
        "handled by <code>lend</code>",
        "tests/map/library.rs:",
        "Somebody else waits for it.",
    ] {
        assert!(lend.contains(text), "{text}: {lend}");
    }
    assert!(of("Remind").contains("<code>Remind</code> has no state."));
    assert!(of("Remind").contains("its rejection is taken by process manager"));
    assert!(of("book-lent").contains("event, version 2"));
    assert!(of("loan").contains("schedules event <a href=\"#d"));
    assert!(of("loan").contains("</a> in <code>overdue</code>"));
    assert!(of("CountBooks").contains("needs <code>library:read</code>"));
}

#[test]
fn every_reference_leads_to_an_element() {
    let page = library().html();
    for target in between(&page, "href=\"#", "\"") {
        assert_eq!(
            page.matches(&format!(" id=\"{target}\"")).count(),
            1,
            "{target}"
        );
    }
}
