use std::fmt::Display;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::Bracket;
use syn::{Attribute, Ident, Lit, LitStr, Meta, Path, Token, Type};

use crate::errors::Errors;
use crate::framework::Framework;
use crate::{id, suggest};

/// The keys given to a macro: `#[command(error = CatalogError, permission = "..")]`. Each is taken
/// once by the macro that knows it; the rest is unknown.
#[derive(Default)]
pub struct Args {
    given: Vec<Arg>,
    known: Vec<&'static str>,
    /// Whether arguments could not be read. Then none is reported as missing.
    unreadable: bool,
}

struct Arg {
    key: Ident,
    value: ArgValue,
}

enum ArgValue {
    Lit(Lit),
    Type(Box<Type>),
    Other(TokenStream),
}

impl Args {
    /// The arguments of an attribute macro.
    pub fn of_macro(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        args.read(tokens, errors);
        args
    }

    /// The arguments of a derive, from all its helper attributes of this name.
    pub fn of_derive(attrs: &[Attribute], name: &str, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
            match &attr.meta {
                Meta::Path(_) => {}
                Meta::List(list) => args.read(list.tokens.clone(), errors),
                Meta::NameValue(_) => {
                    errors.at(attr, format!("write `#[{name}(key = value)]`"));
                    args.unreadable = true;
                }
            }
        }
        args
    }

    /// A key whose value is a type.
    pub fn ty(&mut self, key: &'static str, errors: &mut Errors) -> Option<Type> {
        match self.take(key)? {
            Arg {
                value: ArgValue::Type(ty),
                ..
            } => Some(*ty),
            arg => {
                errors.at(
                    arg,
                    format!("`{key}` takes a type, without quotes: write `{key} = TheType`"),
                );
                None
            }
        }
    }

    /// A key with arguments in parentheses, which are returned; `example` is one.
    pub fn list(
        &mut self,
        key: &'static str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<TokenStream> {
        let arg = self.take(key)?;
        if let ArgValue::Other(tokens) = &arg.value
            && let [TokenTree::Group(group)] = &tokens.clone().into_iter().collect::<Vec<_>>()[..]
            && group.delimiter() == Delimiter::Parenthesis
            && !group.stream().is_empty()
        {
            return Some(group.stream());
        }
        let message = format!("`{key}` takes arguments in parentheses: write `{example}`");
        errors.at(arg, message);
        None
    }

    /// A key whose value is a string that is not blank.
    pub fn string(&mut self, key: &'static str, errors: &mut Errors) -> Option<LitStr> {
        match self.take(key)? {
            Arg {
                value: ArgValue::Lit(Lit::Str(text)),
                ..
            } if !text.value().trim().is_empty() => Some(text),
            arg => {
                errors.at(
                    arg,
                    format!("`{key}` takes a string: write `{key} = \"..\"`"),
                );
                None
            }
        }
    }

    /// A key whose value is an array of strings that are not blank; `example` is one.
    pub fn strings(
        &mut self,
        key: &'static str,
        example: &str,
        errors: &mut Errors,
    ) -> Vec<LitStr> {
        let Some(arg) = self.take(key) else {
            return Vec::new();
        };
        let listed = match &arg.value {
            ArgValue::Other(tokens) => strings.parse2(tokens.clone()).ok(),
            _ => None,
        };
        listed.unwrap_or_else(|| {
            let message = format!("`{key}` takes strings in brackets: write `{key} = [{example}]`");
            errors.at(arg, message);
            Vec::new()
        })
    }

    /// A key whose value is the path of a function, or an array of several; `example` is one.
    pub fn paths(&mut self, key: &'static str, example: &str, errors: &mut Errors) -> Vec<Path> {
        let Some(arg) = self.take(key) else {
            return Vec::new();
        };
        let read = match &arg.value {
            ArgValue::Type(ty) => paths.parse2(ty.to_token_stream()).ok(),
            ArgValue::Other(tokens) => paths.parse2(tokens.clone()).ok(),
            ArgValue::Lit(_) => None,
        };
        read.unwrap_or_else(|| {
            let message = format!(
                "`{key}` takes a function, or several in brackets: write `{key} = {example}`"
            );
            errors.at(arg, message);
            Vec::new()
        })
    }

    /// A key whose value is an aggregate, or the name of one as a string. Returns the name.
    pub fn aggregate(&mut self, key: &'static str, errors: &mut Errors) -> Option<String> {
        let arg = self.take(key)?;
        let name = match &arg.value {
            ArgValue::Lit(Lit::Str(text)) => return errors.ok(id::aggregate_name(text)),
            ArgValue::Type(ty) => id::name.parse2(ty.to_token_stream()).ok(),
            _ => None,
        };
        if name.is_none() {
            let message = format!("`{key}` takes an aggregate: write `{key} = Order`");
            errors.at(arg, message);
        }
        name
    }

    /// A version: a number from 1.
    pub fn version(&mut self, errors: &mut Errors) -> Option<u32> {
        self.number("version", 1, errors)
    }

    /// A whole number from 1; `example` is one.
    pub fn number(&mut self, key: &'static str, example: u32, errors: &mut Errors) -> Option<u32> {
        let arg = self.take(key)?;
        let number = match &arg.value {
            ArgValue::Lit(Lit::Int(number)) => {
                number.base10_parse().ok().filter(|number| *number > 0)
            }
            _ => None,
        };
        if number.is_none() {
            let message = format!("`{key}` takes a whole number from 1: write `{key} = {example}`");
            errors.at(arg, message);
        }
        number
    }

    /// A duration, in seconds; `example` is one.
    pub fn duration(
        &mut self,
        key: &'static str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<u64> {
        let arg = self.take(key)?;
        let seconds = match &arg.value {
            ArgValue::Lit(Lit::Str(text)) => seconds(&text.value()),
            _ => None,
        };
        if seconds.is_none() {
            let message = format!(
                "`{key}` takes a number of `d`, `h`, `m` or `s`: write `{key} = \"{example}\"`"
            );
            errors.at(arg, message);
        }
        seconds
    }

    /// The type that was given to a key, if it was one and is not yet taken.
    pub fn given_type(&self, key: &str) -> Option<&Type> {
        let arg = self.given.iter().find(|arg| arg.is(key))?;
        match &arg.value {
            ArgValue::Type(ty) => Some(ty),
            ArgValue::Lit(_) | ArgValue::Other(_) => None,
        }
    }

    /// The framework's path: `crate = "path"`.
    pub fn framework(&mut self, errors: &mut Errors) -> Framework {
        let path = self.take("crate").and_then(|arg| {
            let path = match &arg.value {
                ArgValue::Lit(Lit::Str(text)) => text.parse_with(Path::parse_mod_style).ok(),
                ArgValue::Type(ty) => Path::parse_mod_style.parse2(ty.to_token_stream()).ok(),
                _ => None,
            };
            if path.is_none() {
                errors.at(
                    arg,
                    "`crate` takes the framework's path: write `crate = \"my_crate::cqrs\"`",
                );
            }
            path
        });
        Framework::at(path)
    }

    /// Reports a key that must be given. `place` is underlined.
    pub fn missing(&self, place: impl ToTokens, message: impl Display, errors: &mut Errors) {
        if !self.unreadable {
            errors.at(place, message);
        }
    }

    /// Whether a key was given, perhaps misspelled, and not yet taken.
    pub fn has(&self, key: &str) -> bool {
        self.given.iter().any(|arg| {
            arg.is(key) || suggest::meant(&arg.key.unraw().to_string(), &[key]).is_some()
        })
    }

    /// Reports keys that are known but do not belong on this item.
    pub fn refuse(&mut self, keys: &[&str], message: &str, errors: &mut Errors) {
        let refused = self
            .given
            .extract_if(.., |arg| keys.iter().any(|key| arg.is(key)));
        refused.for_each(|arg| errors.at(arg, message));
    }

    /// Reports the keys that nothing took.
    pub fn finish(self, errors: &mut Errors) {
        for arg in &self.given {
            let key = arg.key.unraw().to_string();
            errors.at(&arg.key, suggest::unknown("key", &key, &self.known));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Arg> {
        self.known.push(key);
        let place = self.given.iter().position(|arg| arg.is(key))?;
        Some(self.given.remove(place))
    }

    fn read(&mut self, tokens: TokenStream, errors: &mut Errors) {
        let parsed = Punctuated::<Arg, Token![,]>::parse_terminated.parse2(tokens);
        let Some(args) = errors.ok(parsed) else {
            self.unreadable = true;
            return;
        };
        for arg in args {
            let key = arg.key.unraw().to_string();
            if self.given.iter().any(|other| other.is(&key)) {
                errors.at(&arg.key, format!("`{key}` is given twice: keep one"));
            } else {
                self.given.push(arg);
            }
        }
    }
}

impl Arg {
    fn is(&self, key: &str) -> bool {
        self.key.unraw() == key
    }
}

impl Parse for Arg {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected `key = value`"));
        }
        let key = input.call(Ident::parse_any)?;
        let equals = input.parse::<Option<Token![=]>>()?;
        let value = match equals {
            Some(_) => input.parse()?,
            None => ArgValue::Other(until_comma(input)?),
        };
        Ok(Self { key, value })
    }
}

impl Parse for ArgValue {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if input.peek(Lit) {
            return input.parse().map(Self::Lit);
        }
        if input.peek(Bracket) {
            // An array of several is none, and would be an error of the whole input if it were tried there.
            let tokens = until_comma(input)?;
            return Ok(match syn::parse2(tokens.clone()) {
                Ok(ty) => Self::Type(Box::new(ty)),
                Err(_) => Self::Other(tokens),
            });
        }
        let ahead = input.fork();
        match ahead.parse() {
            Ok(ty) => {
                input.advance_to(&ahead);
                Ok(Self::Type(Box::new(ty)))
            }
            Err(_) => until_comma(input).map(Self::Other),
        }
    }
}

impl ToTokens for Arg {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.key.to_tokens(tokens);
        match &self.value {
            ArgValue::Lit(lit) => lit.to_tokens(tokens),
            ArgValue::Type(ty) => ty.to_tokens(tokens),
            ArgValue::Other(other) => other.to_tokens(tokens),
        }
    }
}

fn until_comma(input: ParseStream) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// The seconds of `30d`, `12h`, `5m` or `90s`.
fn seconds(text: &str) -> Option<u64> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "d" => 24 * 60 * 60,
        "h" => 60 * 60,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    let count: u64 = count.parse().ok()?;
    count.checked_mul(unit)
}

/// A path, or several in brackets.
fn paths(input: ParseStream) -> syn::Result<Vec<Path>> {
    if !input.peek(Bracket) {
        return Ok(vec![input.call(Path::parse_mod_style)?]);
    }
    let content;
    syn::bracketed!(content in input);
    let paths = content.parse_terminated(Path::parse_mod_style, Token![,])?;
    if paths.is_empty() {
        return Err(content.error("is empty"));
    }
    Ok(paths.into_iter().collect())
}

/// Strings in brackets, none of them blank.
fn strings(input: ParseStream) -> syn::Result<Vec<LitStr>> {
    let content;
    syn::bracketed!(content in input);
    let strings = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    match strings.iter().find(|text| text.value().trim().is_empty()) {
        Some(blank) => Err(syn::Error::new(blank.span(), "is blank")),
        None => Ok(strings.into_iter().collect()),
    }
}
