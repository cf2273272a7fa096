use syn::Ident;
use syn::ext::IdentExt;

/// `BillingAccount` as `billing-account`.
pub fn kebab(ident: &Ident) -> String {
    words(ident).join("-")
}

/// `ProductView` as `product_view`.
pub fn snake(ident: &Ident) -> String {
    words(ident).join("_")
}

/// `current_price` as `CURRENT_PRICE`.
pub fn screaming(ident: &Ident) -> Ident {
    // No keyword is in capitals, so a raw identifier needs no prefix any more.
    Ident::new(&ident.unraw().to_string().to_uppercase(), ident.span())
}

/// The role that distinguishes parameters of one aggregate. `from_id`, `from_ids`, `from` and `_from`
/// are all `from`.
pub fn role(ident: &Ident) -> String {
    let text = ident.unraw().to_string();
    let name = text.trim_start_matches('_');
    let role = name.strip_suffix("_ids");
    match role.or_else(|| name.strip_suffix("_id")) {
        Some(role) if !role.is_empty() => role.to_owned(),
        _ => name.to_owned(),
    }
}

/// The lower-case words of a name in camel case; an acronym is one word.
fn words(ident: &Ident) -> Vec<String> {
    let name: Vec<char> = ident.unraw().to_string().chars().collect();
    let mut words = vec![String::new()];
    for (place, &letter) in name.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| name.get(place));
        let after = name.get(place + 1);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            });
        if begins || letter == '_' {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), letter != '_') {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn ident(name: &str) -> Ident {
        name.strip_prefix("r#").map_or_else(
            || Ident::new(name, Span::call_site()),
            |raw| Ident::new_raw(raw, Span::call_site()),
        )
    }

    #[test]
    fn type_names_become_wire_names() {
        let cases = [
            ("Product", "product"),
            ("BillingAccount", "billing-account"),
            ("HTTPServer", "http-server"),
            ("ProductV2", "product-v2"),
            ("Sha256Sum", "sha256-sum"),
            ("A", "a"),
            ("ABTest", "ab-test"),
            ("Odd_Name", "odd-name"),
            ("r#Raw", "raw"),
            ("Ärger", "ärger"),
        ];
        for (name, wire) in cases {
            assert_eq!(kebab(&ident(name)), wire);
            assert_eq!(snake(&ident(name)), wire.replace('-', "_"));
        }
    }

    #[test]
    fn fields_become_constants() {
        assert_eq!(screaming(&ident("current_price")), "CURRENT_PRICE");
        assert_eq!(screaming(&ident("r#type")), "TYPE");
    }

    #[test]
    fn roles_forget_what_is_only_spelling() {
        for name in ["from", "from_id", "_from", "__from_id"] {
            assert_eq!(role(&ident(name)), "from");
        }
        assert_eq!(role(&ident("r#type")), "type");
        assert_eq!(role(&ident("id")), "id");
        assert_eq!(role(&ident("_id")), "id");
    }
}
