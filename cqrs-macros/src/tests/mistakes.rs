//! Each snapshot has the item as it was and every error at once.

use proc_macro2::TokenStream;
use quote::quote;

use super::{expect, expect_errors};
use crate::command::CommandItem;
use crate::errors::derive;
use crate::query::QueryItem;
use crate::read_model::ReadModelItem;
use crate::{aggregate, command_handler, event, event_handler, projection, query_handler};

#[test]
fn command_keys() {
    let item = quote! {
        #[command(permision = "x", error = "Quoted", name = 1, name = "again", attempts = 0, crate = 5)]
        struct Create {
            #[id]
            a: A,
            #[id(Product)]
            #[id(Category)]
            b: B,
            #[id(Product, each)]
            c: C,
            #[id(Product, eahc)]
            d: D,
            #[id("a:b")]
            e: E,
            #[id(5)]
            f: F,
        }
    };
    expect_errors("command_keys", derive(item, CommandItem::read));
}

/// A type has its trait also when something is wrong with it.
#[test]
fn expansions_in_spite_of_errors() {
    let items = [
        derive(
            quote!(
                #[command(permision = "x")]
                enum Create {
                    A,
                }
            ),
            CommandItem::read,
        ),
        derive(
            quote!(
                struct Get {
                    id: u8,
                }
            ),
            QueryItem::read,
        ),
        event::derive(quote!(
            struct Created {
                #[id]
                id: u8,
            }
        )),
    ];
    expect("mistakes/expanded", quote!(#(#items)*));
}

#[test]
fn command_roles() {
    let item = quote! {
        struct Transfer {
            #[id(Account)]
            from: AccountId,
            #[id(Account)]
            from_id: AccountId,
            #[id(Account, each)]
            to: Vec<AccountId>,
            #[id(Account, each)]
            to_ids: Vec<AccountId>,
        }
    };
    expect_errors("command_roles", derive(item, CommandItem::read));
}

#[test]
fn shapes() {
    let items = [
        derive(
            quote!(
                enum Create {
                    A,
                }
            ),
            CommandItem::read,
        ),
        derive(
            quote!(
                struct Create(u8);
            ),
            CommandItem::read,
        ),
        derive(
            quote!(
                struct Create<'a, T> {
                    a: &'a T,
                }
            ),
            CommandItem::read,
        ),
        derive(quote!(#[query] union Get { a: u8 }), QueryItem::read),
        derive(
            quote!(
                struct View(#[key] u8);
            ),
            ReadModelItem::read,
        ),
        derive(
            quote!(
                struct View<T> {
                    #[key]
                    id: T,
                }
            ),
            ReadModelItem::read,
        ),
    ];
    expect_errors("shapes", quote!(#(#items)*));
}

#[test]
fn unreadable_keys() {
    let items = [
        derive(
            quote!(
                #[query(returns = X permission)]
                struct A;
            ),
            QueryItem::read,
        ),
        derive(
            quote!(
                #[query = "x"]
                struct B;
            ),
            QueryItem::read,
        ),
        derive(
            quote!(
                #[query("x")]
                struct C;
            ),
            QueryItem::read,
        ),
        derive(
            quote!(
                #[query(returns, permission = "", rows = "own_orders")]
                struct D;
            ),
            QueryItem::read,
        ),
    ];
    expect_errors("unreadable_keys", quote!(#(#items)*));
}

#[test]
fn events() {
    let items = [
        event::derive(quote!(
            struct ProductCreated;
        )),
        event::derive(quote!(
            #[event(name = "x")]
            struct NoVersion;
        )),
        event::derive(quote!(
            #[event(version = 7)]
            struct NoName;
        )),
        event::derive(quote!(
            #[event(name = "x", version = 0)]
            struct Zero;
        )),
        event::derive(quote!(
            #[event(name = "x", version = "1")]
            struct Text;
        )),
        event::derive(quote!(
            enum Nothing {}
        )),
        event::derive(quote! {
            #[event(name = "x", versoin = 1)]
            enum Sum { A, B(X, Y), C { x: X }, #[id(Product)] D(#[id(Product)] X) }
        }),
    ];
    expect_errors("events", quote!(#(#items)*));
}

#[test]
fn read_models() {
    let items = [
        derive(
            quote!(
                struct Keyless {
                    id: u8,
                }
            ),
            ReadModelItem::read,
        ),
        derive(
            quote!(
                #[read_model(name = "No Name")]
                struct Named {
                    #[key]
                    id: u8,
                }
            ),
            ReadModelItem::read,
        ),
        derive(
            quote!(
                struct Größe {
                    #[key]
                    id: u8,
                }
            ),
            ReadModelItem::read,
        ),
        derive(
            quote!(
                struct Twice {
                    #[key]
                    a: u8,
                    #[key(x)]
                    b: u8,
                    #[index]
                    #[index]
                    c: u8,
                }
            ),
            ReadModelItem::read,
        ),
    ];
    expect_errors("read_models", quote!(#(#items)*));
}

#[test]
fn aggregates() {
    let apply = quote!(impl Product { #[apply] fn created(&mut self, event: &Created) {} });
    let items = [
        aggregate::attribute(TokenStream::new(), apply.clone()),
        aggregate::attribute(
            quote!(id = ProductId, storage = "disk", name = "a:b", idd = 1),
            apply.clone(),
        ),
        aggregate::attribute(
            quote!(id = ProductId),
            quote!(impl Product { fn helper() {} }),
        ),
        aggregate::attribute(
            quote!(id = ProductId),
            quote!(
                struct Product;
            ),
        ),
        aggregate::attribute(
            quote!(id = ProductId),
            quote!(
                impl<T> Product<T> {
                    #[apply]
                    fn a(&mut self, a: &A) {}
                }
            ),
        ),
        aggregate::attribute(
            quote!(id = ProductId),
            quote!(impl Default for Product { fn default() -> Self {} }),
        ),
        aggregate::attribute(
            quote!(id = ProductId),
            quote!(impl [Product] { #[apply] fn a(&mut self, a: &A) {} }),
        ),
    ];
    expect_errors("aggregates", quote!(#(#items)*));
}

#[test]
fn several_ids() {
    let apply = quote!(impl Subscription { #[apply] fn made(&mut self, event: &Made) {} });
    let args = [
        quote!(ids(Student = StudentId)),
        quote!(ids()),
        quote!(ids = (StudentId, CourseId)),
        quote!(ids),
        quote!(ids(Student, Course)),
        quote!(ids(Student = StudentId, Student = CourseId)),
        quote!(ids(5 = StudentId)),
        quote!(
            id = PairId,
            ids(Student = StudentId, Course = CourseId),
            storage = "state",
            snapshot_every = 100,
            name = "pair"
        ),
    ];
    let items = args.map(|args| aggregate::attribute(args, apply.clone()));
    expect_errors("several_ids", quote!(#(#items)*));
}

#[test]
fn apply_methods() {
    let item = quote! {
        impl Product {
            #[apply]
            fn good(&mut self, event: &Good) {}
            #[apply]
            fn again(&mut self, event: &Good) {}
            #[apply]
            async fn is_async(&mut self, event: &A) {}
            #[apply]
            fn shared(&self, event: &B) {}
            #[apply]
            fn by_value(&mut self, event: C) {}
            #[apply]
            fn without_event(&mut self) {}
            #[apply]
            fn with_more(&mut self, event: &D, recorded: &Recorded, more: u8) {}
            #[apply]
            fn returning(&mut self, event: &E) -> Result<()> {}
            #[apply(x)]
            unsafe fn generic<T>(&mut self, event: &F, recorded: &impl Is) {}
            #[apply]
            #[cfg(a)]
            fn one_way(&mut self, event: &G) {}
            #[apply]
            #[cfg(not(a))]
            fn other_way(&mut self, event: &G) {}
        }
    };
    expect_errors(
        "apply_methods",
        aggregate::attribute(quote!(id = ProductId), item),
    );
}

#[test]
fn command_handlers() {
    let handlers = [
        quote!(
            struct Handler;
        ),
        quote!(
            fn nothing() {}
        ),
        quote!(
            fn method(&self, cmd: Create) {}
        ),
        quote!(
            fn borrows(cmd: &Create) {}
        ),
        quote!(
            fn generic<'a, T: Is, const N: usize>(cmd: Create, t: &'a T) {}
        ),
        quote!(
            fn opaque(cmd: impl Is, res: Service<impl Is>) -> impl Is {}
        ),
        quote!(
            unsafe extern "C" fn foreign(cmd: Create) {}
        ),
        quote!(
            fn conditional(cmd: Create, #[cfg(a)] a: &A) {}
        ),
    ];
    let items = handlers.map(|item| command_handler::attribute(TokenStream::new(), item));
    let keys = command_handler::attribute(
        quote!(crat = "x", name),
        quote!(
            fn keys(cmd: Create) {}
        ),
    );
    expect_errors("command_handlers", quote!(#(#items)* #keys));
}

#[test]
fn other_handlers() {
    let items = [
        query_handler::attribute(
            TokenStream::new(),
            quote!(
                mod handlers {}
            ),
        ),
        query_handler::attribute(
            TokenStream::new(),
            quote!(
                fn borrows(query: &Get) {}
            ),
        ),
        event_handler::attribute(
            TokenStream::new(),
            quote!(
                enum Handler {}
            ),
        ),
        event_handler::attribute(
            quote!(start = "later"),
            quote!(
                fn late(event: Created) {}
            ),
        ),
    ];
    expect_errors("other_handlers", quote!(#(#items)*));
}

#[test]
fn projections() {
    let items = [
        projection::attribute(TokenStream::new(), quote!(impl Bare {})),
        projection::attribute(
            quote!(name = "a b", version = 0),
            quote!(impl Named { #[on] fn a(a: &A) {} }),
        ),
        projection::attribute(
            quote!(name = "a", version = 1),
            quote!(
                struct List;
            ),
        ),
        projection::attribute(
            quote!(name = "a", version = 1),
            quote! {
                impl List {
                    #[on]
                    fn good(event: &Good) {}
                    #[on]
                    fn again(event: &Good) {}
                    #[on]
                    fn with_self(&self, event: &A) {}
                    #[on]
                    fn by_value(event: B) {}
                    #[on]
                    fn by_mut(event: &mut B) {}
                    #[on]
                    fn nothing() {}
                    #[on]
                    fn conditional(event: &C, #[cfg(a)] a: &Recorded) -> impl Is {}
                }
            },
        ),
        projection::attribute(
            quote!(name = "a", version = 1),
            quote! {
                impl Tables {
                    #[on]
                    fn good(event: &Good) {}
                    #[setup]
                    fn first(tx: &mut Tx<A>, views: &mut Views<V>) {}
                    #[setup]
                    fn second(tx: &mut Tx<A>) {}
                }
            },
        ),
        projection::attribute(
            quote!(name = "a", version = 1),
            quote! {
                impl WithSelf {
                    #[on]
                    fn good(event: &Good) {}
                    #[setup]
                    fn setup(&mut self) {}
                }
            },
        ),
        projection::attribute(
            quote!(name = "a", version = 1),
            quote! {
                impl WithoutAny {
                    #[on]
                    fn good(event: &Good) {}
                    #[setup]
                    fn setup() {}
                }
            },
        ),
    ];
    expect_errors("projections", quote!(#(#items)*));
}
