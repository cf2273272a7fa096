/// The first sentence of a documentation comment, without its period.
pub(crate) fn summary(docs: &str) -> Option<String> {
    let paragraph = docs.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = line.split(". ").next().unwrap_or_default();
    let text = sentence.trim_end_matches('.');
    (!text.is_empty()).then(|| text.to_owned())
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
}
