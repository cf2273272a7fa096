use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::{FnArg, Signature};

use crate::errors::Errors;
use crate::hygiene::code;
use crate::impl_block::Marked;
use crate::{source, types};

const EXAMPLE: &str = "#[setup] async fn tables(tx: &mut Tx<Postgres>) -> Result<()>";

/// Reads the method marked `#[setup]`, if there is one.
pub fn read(marked: Vec<Marked>, errors: &mut Errors) -> Option<Marked> {
    let mut marked = marked.into_iter();
    let setup = marked.next()?;
    for other in marked {
        let message = "a projection has one `#[setup]` method: merge them";
        errors.at(&other.sig.ident, message);
    }
    let fits = check(&setup.sig, errors);
    Some(setup).filter(|_| fits)
}

fn check(sig: &Signature, errors: &mut Errors) -> bool {
    types::monomorphic(&sig.generics, "a `#[setup]` method", errors);
    let mut inputs = sig.inputs.iter();
    match (inputs.next(), inputs.next()) {
        (Some(FnArg::Typed(input)), None) => {
            types::nameable(&input.ty, "a `#[setup]` method", errors);
            true
        }
        (Some(FnArg::Receiver(this)), _) => {
            let message = format!("a `#[setup]` method has no `self`: write `{EXAMPLE}`");
            errors.at(this, message);
            false
        }
        (None, _) => {
            let message = format!("a `#[setup]` method takes a transaction: write `{EXAMPLE}`");
            errors.at(&sig.ident, message);
            false
        }
        (_, Some(second)) => {
            let message =
                format!("a `#[setup]` method takes a transaction only: write `{EXAMPLE}`");
            errors.at(second, message);
            false
        }
    }
}

/// The member of the projection's impl that runs it.
pub fn method(setup: &Marked) -> TokenStream {
    let Marked {
        sig,
        cfg,
        fingerprint,
    } = setup;
    let ident = &sig.ident;
    let inputs = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    let borrows = inputs.map(|input| {
        let (ty, ends) = (
            types::outside(&input.ty, &sig.generics),
            types::ends(&input.ty),
        );
        let bound = types::bound(&ty, ends, &code!(__cqrs::SetupInput<'_>));
        let scope = code!(scope);
        let lent = quote_spanned!(ends.1=> #bound::borrow(&mut #bound::acquire(#scope)?));
        (bound, lent)
    });
    let (bounds, lent): (Vec<_>, Vec<_>) = borrows.unzip();
    let output = types::returned(sig);
    let call = code!(Self::#ident(#(#lent),*));
    let finished = |call: &TokenStream| code!(<#output as __cqrs::IntoHandlerResult>::into_handler_result(#call));
    let run = if sig.asyncness.is_some() {
        // A future that cannot be sent between threads is underlined at the method's name.
        let span = ident.span().resolved_at(Span::mixed_site());
        let body = finished(&code!(#call.await));
        quote_spanned!(span=> __cqrs::Reply::later(async move { #body }))
    } else {
        let body = finished(&call);
        code!(__cqrs::Reply::now(|| { #body }))
    };
    let (name, line) = (ident.unraw().to_string(), source::line(ident));
    code! {
        #(#cfg)*
        fn setup() -> __cqrs::Option<__cqrs::Setup> {
            __cqrs::Some(__cqrs::Setup {
                name: #name,
                line: #line,
                fingerprint: #fingerprint,
                inputs: __cqrs::Vec::from([#(#bounds::describe()),*]),
                run: |scope| #run,
            })
        }
    }
}
