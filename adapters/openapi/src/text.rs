/// The first sentence of a documentation comment, without its period.
pub(crate) fn summary(docs: &str) -> Option<String> {
    let paragraph = docs.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = line.split(". ").next().unwrap_or_default();
    let text = sentence.trim_end_matches('.');
    (!text.is_empty()).then(|| text.to_owned())
}

/// The part of a type of problem that stands for a variant: `out-of-stock` from `OutOfStock`, and from the names that Serde
/// may make of it.
pub(crate) fn kebab(name: &str) -> String {
    let is_screaming = !name.chars().any(char::is_lowercase);
    let mut kebab = String::new();
    for character in name.chars() {
        if character == '_' || character == '-' {
            kebab.push('-');
            continue;
        }
        if character.is_uppercase() && !is_screaming && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_first_sentence() {
        let docs = "Adds a product\nto the catalog. Its id is new.\n\nMore.";
        assert_eq!(
            summary(docs).as_deref(),
            Some("Adds a product to the catalog")
        );
        assert_eq!(
            summary("Version 1.5 of it."),
            Some("Version 1.5 of it".into())
        );
        assert_eq!(summary(""), None);
    }

    #[test]
    fn all_names_of_a_variant_give_one_type() {
        for name in [
            "OutOfStock",
            "outOfStock",
            "out_of_stock",
            "out-of-stock",
            "OUT_OF_STOCK",
        ] {
            assert_eq!(kebab(name), "out-of-stock", "{name}");
        }
    }
}
