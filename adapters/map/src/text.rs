use std::fmt::Write;

/// Text for HTML and XML, between tags and in attributes with quotes. What XML forbids becomes a replacement
/// character.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if letter.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// Text for a string of Mermaid, in which each letter may be a number.
pub(crate) fn mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_' | '.' | ':' | ',') {
            escaped.push(letter);
        } else if letter.is_control() {
            escaped.push(' ');
        } else {
            let _ = write!(escaped, "#{};", u32::from(letter));
        }
    }
    escaped
}

/// A string of DOT, with its quotes. Backslashes begin escapes such as `\N`, so they are doubled.
pub(crate) fn dot(text: &str) -> String {
    let mut escaped = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            _ if letter.is_control() => escaped.push(' '),
            _ => escaped.push(letter),
        }
    }
    escaped.push('"');
    escaped
}

/// About how wide a text is, in fractions of the size of its font: not less than in usual fonts without serifs.
pub(crate) fn width(text: &str) -> f64 {
    text.chars().map(letter_width).sum()
}

fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.32,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' | '"' => 0.41,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.95,
        '\u{2e80}'.. => 1.05,
        _ if letter.is_uppercase() => 0.72,
        _ => 0.62,
    }
}

/// The text, or its ends around an ellipsis if it is wider than that.
pub(crate) fn fit(text: &str, max_width: f64) -> String {
    if width(text) <= max_width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let half = |letters: &mut dyn Iterator<Item = &char>| {
        let mut left = max_width / 2.0 - 0.5;
        let mut count = 0;
        for &letter in letters {
            left -= letter_width(letter);
            if left < 0.0 {
                break;
            }
            count += 1;
        }
        count
    };
    let start = half(&mut letters.iter());
    let end = half(&mut letters.iter().rev());
    let ends = [&letters[..start], &['…'], &letters[letters.len() - end..]];
    ends.concat().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_language_acts_on_is_escaped() {
        let text = "a<b>&\"'\u{0}`\\\n";
        assert_eq!(escape(text), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}`\\\n");
        assert_eq!(mermaid(text), "a#60;b#62;#38;#34;#39; #96;#92; ");
        assert_eq!(dot(text), "\"a<b>&\\\"' `\\\\\\n\"");
    }

    #[test]
    fn a_long_text_keeps_its_ends() {
        assert_eq!(fit("short", 10.0), "short");
        let fitted = fit("a-name-that-is-longer-than-its-box", 10.0);
        assert_eq!(fitted, "a-name-…-its-box");
        assert!(width(&fitted) <= 10.0 + 0.62);
    }
}
