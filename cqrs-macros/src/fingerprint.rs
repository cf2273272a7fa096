//! Hashes of code, by which a program notices that it has other code than the one before.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// Attributes that change nothing about what the code does.
const SILENT: &[&str] = &["doc", "allow", "expect", "warn", "deny"];

/// Hash of code: its tokens, without comments, attributes for readers and lints, and commas at the end
/// of a list. Whatever `rustfmt` or another version of the compiler makes of the text, it stays the same.
pub fn of(code: &impl ToTokens) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    add(code.to_token_stream(), &mut hash);
    hash.0
}

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
struct Fnv(u64);

impl Fnv {
    /// Adds a token, which ends here.
    fn token(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn add(tokens: TokenStream, hash: &mut Fnv) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => match tokens.peek() {
                Some(TokenTree::Group(group)) if is_silent(&group.stream()) => {
                    tokens.next();
                }
                _ => hash.token("#"),
            },
            TokenTree::Punct(punct) if punct.as_char() == ',' && tokens.peek().is_none() => {}
            TokenTree::Punct(punct) => hash.token(punct.as_char().encode_utf8(&mut [0; 4])),
            TokenTree::Ident(ident) => hash.token(&ident.to_string()),
            TokenTree::Literal(literal) => hash.token(&literal.to_string()),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    // Invisible, from `macro_rules!`.
                    Delimiter::None => ("", ""),
                };
                if !open.is_empty() {
                    hash.token(open);
                }
                add(group.stream(), hash);
                if !close.is_empty() {
                    hash.token(close);
                }
            }
        }
    }
}

/// Whether this is the content of an attribute that changes nothing.
fn is_silent(attribute: &TokenStream) -> bool {
    match attribute.clone().into_iter().next() {
        Some(TokenTree::Ident(ident)) => SILENT.iter().any(|silent| ident == silent),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> u64 {
        of(&text.parse::<TokenStream>().expect("tokens"))
    }

    #[test]
    fn what_changes_nothing_does_not_count() {
        let plain = of_text("fn a(b: u32) -> u32 { c(b, 1) }");
        for same in [
            "fn a ( b : u32 )\n-> u32 {\n    c(b, 1)\n}",
            "/// Documented.\nfn a(b: u32) -> u32 { c(b, 1) }",
            "#[allow(dead_code)] fn a(b: u32,) -> u32 { /* why */ c(b, 1,) }",
        ] {
            assert_eq!(of_text(same), plain, "{same}");
        }
    }

    #[test]
    fn everything_else_counts() {
        let all = [
            "fn a(b: u32) -> u32 { c(b, 1) }",
            "fn a(b: u32) -> u32 { c(b, 2) }",
            "fn a(b: u32) -> u32 { c(b) }",
            "fn a(b: u64) -> u64 { c(b, 1) }",
            "#[cfg(test)] fn a(b: u32) -> u32 { c(b, 1) }",
            "fn a(b: u32) -> u32 { c[b, 1] }",
            "fn a(b: u32) -> u32 { cb(1) }",
        ];
        for (place, one) in all.iter().enumerate() {
            for other in &all[place + 1..] {
                assert_ne!(of_text(one), of_text(other), "{one} and {other}");
            }
        }
    }

    /// Fingerprints are stored, so this must not change.
    #[test]
    fn a_fingerprint_stays_what_it_is() {
        assert_eq!(of_text("fn a() {}"), 14_957_643_157_259_256_553);
    }
}
