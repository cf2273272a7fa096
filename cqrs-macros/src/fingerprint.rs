//! Hashes of code, by which a program notices that it has other code than the one before.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;

use crate::hygiene::code;

/// Attributes that change nothing about what the code does.
const SILENT: &[&str] = &["doc", "allow", "expect", "warn", "deny"];

/// Hash of code: its tokens, without comments, attributes for readers and lints, and commas at the end
/// of a list. Whatever `rustfmt` or another version of the compiler makes of the text, it stays the same.
///
/// A macro sees the code with all of its `#[cfg(..)]`. Which of them are enabled is decided when the program is
/// compiled, so the expression of a fingerprint asks for that.
pub struct CodeHash {
    hash: u64,
    /// What is in the `cfg`s of the code, each once.
    conditions: Vec<TokenStream>,
}

impl CodeHash {
    /// That of code.
    pub fn of(code: &impl ToTokens) -> Self {
        let code = code.to_token_stream();
        Self {
            hash: of(&code),
            conditions: conditions(code),
        }
    }

    /// That of the text of code. Its spaces count.
    pub fn of_text(code: &TokenStream) -> Self {
        let mut hash = Fnv::new();
        hash.add(&code.to_string());
        Self {
            hash: hash.0,
            conditions: conditions(code.clone()),
        }
    }
}

impl ToTokens for CodeHash {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { hash, conditions } = self;
        tokens.extend(if conditions.is_empty() {
            hash.to_token_stream()
        } else {
            let enabled = conditions.iter().map(|it| code!(__cqrs::cfg!(#it)));
            code!(__cqrs::conditional_fingerprint(#hash, &[#(#enabled),*]))
        });
    }
}

/// What is in `#[cfg(..)]`, `cfg!(..)` and `#[cfg_attr(.., ..)]` in the code, each once.
fn conditions(code: TokenStream) -> Vec<TokenStream> {
    let mut found = Vec::new();
    find_conditions(code, &mut found);
    found
}

fn find_conditions(code: TokenStream, found: &mut Vec<TokenStream>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    for (place, token) in tokens.iter().enumerate() {
        if let (TokenTree::Ident(ident), Some(group)) = (token, arguments(&tokens[place + 1..])) {
            let condition: Option<TokenStream> = match ident.to_string().as_str() {
                "cfg" => Some(group.stream()),
                "cfg_attr" => Some(group.stream().into_iter().take_while(is_no_comma).collect()),
                _ => None,
            };
            let is_new = |text: String| !found.iter().any(|it| it.to_string() == text);
            // In a macro that the code defines, it is not known yet.
            found.extend(condition.filter(|it| {
                let text = it.to_string();
                !text.contains('$') && is_new(text)
            }));
        }
        if let TokenTree::Group(group) = token {
            find_conditions(group.stream(), found);
        }
    }
}

/// The parentheses after a name, or after a name with `!`.
fn arguments(tokens: &[TokenTree]) -> Option<&Group> {
    match tokens {
        [TokenTree::Punct(bang), TokenTree::Group(group), ..] if bang.as_char() == '!' => {
            Some(group)
        }
        [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    }
}

fn is_no_comma(token: &TokenTree) -> bool {
    !matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

/// The hash of code without its conditions.
pub fn of(code: &impl ToTokens) -> u64 {
    let mut hash = Fnv::new();
    add(code.to_token_stream(), &mut hash);
    hash.0
}

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.byte(byte);
        }
    }

    /// Adds a token, which ends here.
    fn token(&mut self, text: &str) {
        self.add(text);
        self.byte(0);
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
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

    #[test]
    fn each_condition_is_found_once() {
        let of_text = |text: &str| {
            let found = conditions(text.parse().expect("tokens"));
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(of_text("fn a() { b(1); #[inline] c(d) }").is_empty());
        let body = "fn a() { #[cfg(test)] b(); if cfg!(test) { #[cfg(not(unix))] { c() } } }";
        assert_eq!(of_text(body), ["test", "not (unix)"]);
        assert_eq!(of_text("#[cfg_attr(unix, inline)] fn a() {}"), ["unix"]);
        let defined = "macro_rules! a { ($b:meta) => { #[cfg($b)] c() } }";
        assert!(of_text(defined).is_empty());
    }
}
