use proc_macro2::{Group, TokenStream};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Generics, Ident, ImplItem, Meta, Signature, Token, Type, Visibility, braced, token,
};

use crate::errors::{self, Errors};
use crate::fingerprint::CodeHash;
use crate::source;

/// An `impl` block, the bodies of its methods as they were written.
pub struct ImplBlock {
    attrs: Vec<Attribute>,
    impl_token: Token![impl],
    generics: Generics,
    of_trait: Option<(Type, Token![for])>,
    self_ty: Type,
    brace: token::Brace,
    inner: Vec<Attribute>,
    members: Vec<Member>,
}

/// The type that an [`ImplBlock`] is of.
pub struct Subject {
    /// The type.
    pub ty: Type,
    /// The last part of its path.
    pub ident: Ident,
    /// The documentation of the block.
    pub docs: String,
}

/// A method, as that which bears the macro's mark, `#[apply]` or `#[on]`.
pub struct Marked {
    /// Its signature.
    pub sig: Signature,
    /// Its `#[cfg(..)]`s, to put on whatever refers to it.
    pub cfg: Vec<Attribute>,
    /// Hash of all of it, without the mark.
    pub fingerprint: CodeHash,
}

enum Member {
    Method(Box<Method>),
    Other(Box<ImplItem>),
}

struct Method {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: Group,
    /// Whether it bore a mark.
    is_marked: bool,
}

impl Method {
    fn with_cfg(&self) -> Marked {
        let attrs = self.attrs.iter();
        let cfg = attrs.filter(|attr| attr.path().is_ident("cfg"));
        Marked {
            sig: self.sig.clone(),
            cfg: cfg.cloned().collect(),
            fingerprint: CodeHash::of(self),
        }
    }
}

impl ImplBlock {
    /// Takes the mark off all methods that bear it, and returns these.
    pub fn take_marked(&mut self, mark: &'static str, errors: &mut Errors) -> Vec<Marked> {
        let marked = self.take_marked_as(&[mark], errors);
        marked.into_iter().map(|(_, method)| method).collect()
    }

    /// Whether a method bears the mark.
    pub fn has_mark(&self, mark: &str) -> bool {
        self.members.iter().any(|member| match member {
            Member::Method(method) => method.attrs.iter().any(|attr| attr.path().is_ident(mark)),
            Member::Other(_) => false,
        })
    }

    /// Takes the marks off all methods that bear one of them, and returns these, each with its mark.
    pub fn take_marked_as(
        &mut self,
        marks: &[&'static str],
        errors: &mut Errors,
    ) -> Vec<(&'static str, Marked)> {
        let mut marked = Vec::new();
        for member in &mut self.members {
            let Member::Method(method) = member else {
                continue;
            };
            let mut taken: Option<&'static str> = None;
            method.attrs.retain(|attr| {
                let mut marks = marks.iter().copied();
                let Some(mark) = marks.find(|mark| attr.path().is_ident(mark)) else {
                    return true;
                };
                if !matches!(attr.meta, Meta::Path(_)) {
                    let message = format!("`#[{mark}]` takes no arguments: write `#[{mark}]`");
                    errors.at(attr, message);
                }
                match taken {
                    Some(first) if first != mark => errors.at(
                        attr,
                        format!("a method has one mark, and this has `#[{first}]`: remove one"),
                    ),
                    Some(_) => {}
                    None => taken = Some(mark),
                }
                false
            });
            if let Some(mark) = taken {
                method.is_marked = true;
                marked.push((mark, method.with_cfg()));
            }
        }
        marked
    }

    /// Takes off the marks of another macro, and reports them. `own` are those of this one.
    pub fn refuse_marks(&mut self, foreign: &[(&str, &str)], own: &str, errors: &mut Errors) {
        for member in &mut self.members {
            let Member::Method(method) = member else {
                continue;
            };
            method.attrs.retain(|attr| {
                let mut foreign = foreign.iter();
                let Some((mark, attribute)) = foreign.find(|(mark, _)| attr.path().is_ident(mark))
                else {
                    return true;
                };
                method.is_marked = true;
                errors.at(
                    attr,
                    format!("`#[{mark}]` is for `{attribute}`: write {own} instead"),
                );
                false
            });
        }
    }

    /// The methods that bear no mark, once all marks have been taken.
    pub fn unmarked(&self) -> impl Iterator<Item = Marked> {
        let methods = self.members.iter().filter_map(|member| match member {
            Member::Method(method) if !method.is_marked => Some(method),
            Member::Method(_) | Member::Other(_) => None,
        });
        methods.map(|method| method.with_cfg())
    }

    /// The names and fingerprints of the members without a mark, once all marks have been taken.
    pub fn other_items(&self) -> Vec<(String, CodeHash)> {
        let others = self.members.iter().filter_map(|member| match member {
            Member::Method(method) if method.is_marked => None,
            Member::Method(method) => {
                let name = format!("fn {}", method.sig.ident.unraw());
                Some((name, CodeHash::of(&**method)))
            }
            Member::Other(item) => {
                let name = match &**item {
                    ImplItem::Const(item) => format!("const {}", item.ident.unraw()),
                    _ => "impl".to_owned(),
                };
                Some((name, CodeHash::of(item)))
            }
        });
        others.collect()
    }

    /// The type, if the block is of a type with a name and without parameters. `attribute` is the
    /// macro's, for messages.
    pub fn subject(&self, attribute: &str, errors: &mut Errors) -> Option<Subject> {
        let ident = name(&self.self_ty);
        if let Some((of_trait, _)) = &self.of_trait {
            errors.at(
                of_trait,
                format!("`{attribute}` belongs on an `impl` block without a trait: write `impl TheType {{ .. }}`"),
            );
        }
        if !self.generics.params.is_empty() {
            errors.at(
                &self.generics,
                format!("`{attribute}` belongs on one concrete type, since the registry needs one: remove the parameters"),
            );
        }
        if ident.is_none() {
            errors.at(
                &self.self_ty,
                format!(
                    "`{attribute}` belongs on a type with a name: write `impl TheType {{ .. }}`"
                ),
            );
        }
        let plain = self.of_trait.is_none() && self.generics.params.is_empty();
        ident.filter(|_| plain).map(|ident| Subject {
            ty: self.self_ty.clone(),
            ident,
            docs: source::docs(&self.attrs),
        })
    }
}

/// The course of an attribute on an `impl` block, which is emitted without the marks of its
/// methods, also when something is wrong.
pub fn attribute<M: ToTokens>(
    attribute: &str,
    item: TokenStream,
    read: impl FnOnce(&mut ImplBlock, &mut Errors) -> Option<M>,
) -> TokenStream {
    let mut errors = Errors::default();
    let Ok(mut block) = syn::parse2::<ImplBlock>(item.clone()) else {
        let message = format!(
            "`{attribute}` belongs on an `impl` block: write it above `impl TheType {{ .. }}`"
        );
        errors.add(syn::Error::new(errors::place(item.clone()), message));
        return quote!(#item #errors);
    };
    let model = read(&mut block, &mut errors);
    quote!(#block #errors #model)
}

/// The last part of a type's path.
pub fn name(ty: &Type) -> Option<Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.clone()),
        // `macro_rules!` passes a `$ty` in an invisible group.
        Type::Group(group) => name(&group.elem),
        _ => None,
    }
}

impl Parse for ImplBlock {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let impl_token = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let first: Type = input.parse()?;
        let (of_trait, self_ty) = if input.peek(Token![for]) {
            (Some((first, input.parse()?)), input.parse()?)
        } else {
            (None, first)
        };
        generics.where_clause = input.parse()?;
        let content;
        let brace = braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let mut members = Vec::new();
        while !content.is_empty() {
            members.push(content.parse()?);
        }
        Ok(Self {
            attrs,
            impl_token,
            generics,
            of_trait,
            self_ty,
            brace,
            inner,
            members,
        })
    }
}

impl Parse for Member {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(method) = ahead.parse() {
            input.advance_to(&ahead);
            return Ok(Self::Method(Box::new(method)));
        }
        input.parse().map(|item| Self::Other(Box::new(item)))
    }
}

impl Parse for Method {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
            is_marked: false,
        })
    }
}

impl ToTokens for ImplBlock {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.impl_token.to_tokens(tokens);
        self.generics.to_tokens(tokens);
        if let Some((of_trait, for_token)) = &self.of_trait {
            of_trait.to_tokens(tokens);
            for_token.to_tokens(tokens);
        }
        self.self_ty.to_tokens(tokens);
        self.generics.where_clause.to_tokens(tokens);
        self.brace.surround(tokens, |tokens| {
            tokens.append_all(&self.inner);
            for member in &self.members {
                match member {
                    Member::Method(method) => method.to_tokens(tokens),
                    Member::Other(item) => item.to_tokens(tokens),
                }
            }
        });
    }
}

impl ToTokens for Method {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}
