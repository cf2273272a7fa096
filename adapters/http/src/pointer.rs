/// The JSON pointer to a value, as a fragment, from its path in a message: `#/lines/2/price` from `lines[2].price`.
pub(crate) fn pointer(path: &str) -> String {
    let mut pointer = "#".to_owned();
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        pointer.push('/');
        for character in part.chars() {
            match character {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_pointer() {
        assert_eq!(pointer("price"), "#/price");
        assert_eq!(pointer("lines[2].price"), "#/lines/2/price");
        assert_eq!(pointer("a/b~c"), "#/a~1b~0c");
        assert_eq!(pointer(""), "#");
    }
}
