use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, LitStr, PatType, ReturnType, Signature, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::event_method::{self, EventMethod, Mark, Message};
use crate::fingerprint::CodeHash;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::impl_block::{self, ImplBlock, Marked, Subject};
use crate::partitioning::Partitioning;
use crate::{case, checkpoint, earlier_name, setup, source, types};

const ON: Mark = Mark {
    name: "`#[on]`",
    method: "an `#[on]` method",
    message: Message::Event,
    example: "event: &ProductCreated",
    attribute: "#[projection]",
    noun: "fold",
    has_self: false,
};

const WHAT: &str = "a projection";

/// An `impl` block marked `#[projection]`.
struct ProjectionItem {
    framework: Framework,
    subject: Subject,
    name: String,
    /// The name in the store, if that is an earlier one.
    was: Option<String>,
    version: u32,
    partitioning: Partitioning,
    /// The names and fingerprints of the members without a mark.
    other_items: Vec<(String, CodeHash)>,
    /// The code of which somebody says that nothing has changed.
    unchanged: Option<u64>,
    methods: Vec<EventMethod>,
    setup: Option<Marked>,
    /// Checks that the other functions are no folds.
    unmarked: Vec<TokenStream>,
}

/// `#[projection]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    impl_block::attribute("#[projection]", item, |block, errors| {
        ProjectionItem::read(args, block, errors)
    })
}

impl ProjectionItem {
    fn read(args: TokenStream, block: &mut ImplBlock, errors: &mut Errors) -> Option<Self> {
        let mut args = Args::of_macro(args, errors);
        let complete = args.has("name") && args.has("version");
        let name = args.string("name", errors);
        let was = earlier_name::read(&mut args, WHAT, errors);
        let version = args.version(errors).unwrap_or(1);
        let partitioning = Partitioning::read(&mut args, errors);
        let unchanged = unchanged(&mut args, errors);
        let framework = args.framework(errors);

        let marked = block.take_marked("on", errors);
        let setups = block.take_marked("setup", errors);
        let other_items = block.other_items();
        let unmarked = block
            .unmarked()
            .filter(|method| writes(&method.sig))
            // Without any fold that is an error of its own.
            .filter(|_| !marked.is_empty())
            .filter_map(|method| event_method::is_no_event(&method, &ON))
            .collect();
        let subject = block.subject("#[projection]", errors);
        if let (Some(Subject { ident, .. }), false) = (&subject, complete) {
            let name = name
                .as_ref()
                .map_or_else(|| case::kebab(ident), LitStr::value);
            let message = format!(
                "a projection has a name and a version, which name its checkpoint: write \
                 `#[projection(name = \"{name}\", version = {version})]`"
            );
            args.missing(ident, message, errors);
        }
        args.finish(errors);
        if let (Some(subject), true) = (&subject, marked.is_empty()) {
            errors.at(
                &subject.ident,
                "a projection folds events: mark the functions that do so with `#[on]`, \
                 `#[on] fn created(event: &ProductCreated, views: &mut Views<ProductView>) { .. }`",
            );
        }
        let methods = EventMethod::read_all(marked, &ON, folds, errors);
        let setup = setup::read(setups, errors);
        let subject = subject?;
        let name =
            checkpoint::name(name, WHAT, errors).unwrap_or_else(|| case::kebab(&subject.ident));
        earlier_name::check(was.as_ref(), &name, WHAT, errors);
        let was = checkpoint::name(was, WHAT, errors);
        Some(Self {
            framework,
            subject,
            name,
            was,
            version,
            partitioning,
            other_items,
            unchanged,
            methods,
            setup,
            unmarked,
        })
    }
}

impl ToTokens for ProjectionItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            subject: Subject { ty, ident, docs },
            name,
            was,
            version,
            partitioning,
            other_items,
            unchanged,
            methods,
            setup,
            unmarked,
            ..
        } = self;
        let was = earlier_name::constant(was.as_deref());
        let constants = partitioning.constants();
        let other_items = (!other_items.is_empty()).then(|| {
            let items = other_items
                .iter()
                .map(|(name, fingerprint)| code!((#name, #fingerprint)));
            code! {
                const OTHER_ITEMS: &'static [(&'static __cqrs::str, __cqrs::u64)] = &[#(#items),*];
            }
        });
        let unchanged = unchanged.map(|fingerprint| {
            code! {
                const UNCHANGED: __cqrs::Option<__cqrs::u64> = __cqrs::Some(#fingerprint);
            }
        });
        let (source, docs) = (source::of(ident), source::with_docs(docs));
        let folds = methods.iter().map(fold);
        let setup = setup.as_ref().map(setup::method);
        let items = code! {
            impl __cqrs::Projection for #ty {
                const NAME: &'static __cqrs::str = #name;
                #was
                const VERSION: __cqrs::u32 = #version;
                const SOURCE: __cqrs::Source = #source;
                #constants
                #other_items
                #unchanged

                fn folds() -> __cqrs::Vec<__cqrs::Fold> {
                    let mut folds = __cqrs::Vec::new();
                    #(#folds)*
                    folds
                }

                #setup
            }
            #(#unmarked)*
            __cqrs::submit! {
                __cqrs::ProjectionEntry::of::<#ty>()
                    #docs
            }
        };
        tokens.extend(self.framework.block(&items));
    }
}

/// Adds an `#[on]` method to `folds`. What its inputs borrow from is held by the call's own
/// temporaries.
fn fold(method: &EventMethod) -> TokenStream {
    let EventMethod {
        sig,
        cfg,
        event,
        inputs,
        fingerprint,
        ..
    } = method;
    let ident = &sig.ident;
    let (inputs, lent): (Vec<_>, Vec<_>) = inputs.iter().map(|arg| input(arg, sig)).unzip();
    let output = types::returned(sig);
    let call = code!(Self::#ident(&event, #(#lent),*));
    let body = |call: &TokenStream| {
        code! {
            let event = recorded.decode::<#event>()?;
            <#output as __cqrs::IntoHandlerResult>::into_handler_result(#call)
        }
    };
    let folded = if sig.asyncness.is_some() {
        // A future that cannot be sent between threads is underlined at the method's name.
        let span = ident.span().resolved_at(Span::mixed_site());
        let body = body(&code!(#call.await));
        quote_spanned!(span=> __cqrs::Reply::later(async move { #body }))
    } else {
        let body = body(&call);
        code!(__cqrs::Reply::now(|| { #body }))
    };
    let (name, line) = (ident.unraw().to_string(), source::line(ident));
    let scope = if inputs.is_empty() {
        code!(_)
    } else {
        code!(scope)
    };
    code! {
        #(#cfg)*
        folds.push(__cqrs::Fold {
            name: #name,
            line: #line,
            fingerprint: #fingerprint,
            event: __cqrs::wire_name::<#event>(),
            inputs: __cqrs::Vec::from([#(#inputs::describe()),*]),
            run: |recorded, #scope| #folded,
        });
    }
}

/// An input as the trait that it must meet, and as the method takes it.
fn input(arg: &PatType, sig: &Signature) -> (TokenStream, TokenStream) {
    let (ty, ends) = (types::outside(&arg.ty, &sig.generics), types::ends(&arg.ty));
    let input = types::bound(&ty, ends, &code!(__cqrs::FoldInput<'_>));
    let scope = code!(scope);
    let lent = quote_spanned!(ends.1=> #input::borrow(&mut #input::acquire(#scope)?));
    (input, lent)
}

/// Reports everything that is not allowed on an `#[on]` method. Returns whether there was nothing.
fn folds(sig: &Signature, errors: &mut Errors) -> bool {
    let mut folds = true;
    let mut report = |place: &dyn ToTokens, message: &str| {
        errors.at(place, message);
        folds = false;
    };
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(this) => report(
                this,
                "an `#[on]` method has no `self`: what it writes is in `views: &mut Views<V>`",
            ),
            FnArg::Typed(input) => {
                for attr in types::conditions(&input.attrs) {
                    report(
                        attr,
                        "an `#[on]` method takes the same inputs always: put the `cfg` on the method",
                    );
                }
            }
        }
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        types::nameable(ty, "an `#[on]` method", errors);
    }
    folds
}

/// Whether a function takes something to write.
fn writes(sig: &Signature) -> bool {
    sig.inputs.iter().any(|input| match input {
        FnArg::Typed(input) => {
            matches!(&*input.ty, Type::Reference(reference) if reference.mutability.is_some())
        }
        FnArg::Receiver(_) => false,
    })
}

/// The fingerprint of `unchanged = ".."`.
fn unchanged(args: &mut Args, errors: &mut Errors) -> Option<u64> {
    let text = args.string("unchanged", errors)?;
    let number = u64::from_str_radix(&text.value(), 16).ok();
    if number.is_none() {
        errors.at(
            text,
            "`unchanged` takes the fingerprint that `build` reports, 16 hexadecimal digits: leave it \
             out until then",
        );
    }
    number
}
