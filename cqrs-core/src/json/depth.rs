/// Whether JSON nests objects and arrays more than `limit` levels deep. Stops at the first such
/// level.
///
/// Brackets in strings do not count. The result is unreliable for malformed JSON, which the parser
/// refuses anyway; the parser's own limit is higher.
pub(super) fn exceeds(json: &[u8], limit: usize) -> bool {
    // Text this short cannot hold that many brackets.
    if json.len() <= limit {
        return false;
    }
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_outside_of_strings_are_counted() {
        let cases: [(&str, usize); 7] = [
            ("1", 0),
            ("[]", 1),
            (r#"{"a": [1, {}]}"#, 3),
            ("[[], [], []]", 2),
            (r#"["[[[", "{{{"]"#, 1),
            (r#"["\"[[[", {"\\": []}]"#, 3),
            (r#"["\\\"[[["]"#, 1),
        ];
        for (json, depth) in cases {
            assert!(!exceeds(json.as_bytes(), depth), "{json}");
            if let Some(below) = depth.checked_sub(1) {
                assert!(exceeds(json.as_bytes(), below), "{json}");
            }
        }
    }

    #[test]
    fn text_that_is_no_json_does_no_harm() {
        for text in ["]]]][", "\"[[[", "\"\\", "[\"\\\"", "}{}{"] {
            assert!(!exceeds(text.as_bytes(), 1), "{text}");
        }
    }
}
