//! A program, and what becomes of it: each module is the program after another change.

use cqrs_core::Module;

macro_rules! programs {
    ($($name:ident { $($item:item)* })*) => {
        $(
            #[allow(dead_code)]
            mod $name {
                use cqrs_core::prelude::*;

                cqrs_core::module!();

                $($item)*
            }
        )*

        /// The module of a program.
        pub(super) fn module_of(program: &str) -> Module {
            match program {
                $(stringify!($name) => $name::module(),)*
                other => panic!("there is no program `{other}`"),
            }
        }
    };
}

programs! {
    first {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32, kind: Kind }

        #[derive(Serialize, Deserialize, JsonSchema)]
        pub enum Kind { Net, Gross }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    with_default {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            cents: u32,
            kind: super::first::Kind,
            #[serde(default)]
            currency: Option<String>,
        }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed {}
    }
    without_default {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32, kind: super::first::Kind, currency: String }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    removed {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32 }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    came_back {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            cents: u32,
            #[serde(default)]
            kind: u8,
        }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    narrower {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u16, kind: super::first::Kind }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    renamed_variant {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32, kind: Kind }

        #[derive(Serialize, Deserialize, JsonSchema)]
        pub enum Kind { Net, Total }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    aliased {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            #[serde(alias = "cents")]
            amount: u32,
            kind: super::first::Kind,
        }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    nested {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            cents: u32,
            discount: Discount,
        }

        #[derive(Serialize, Deserialize, JsonSchema)]
        pub enum Discount {
            None,
            Of { cents: u32 },
        }
    }
    aliased_outside {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            #[serde(alias = "cents")]
            amount: u32,
            discount: Discount,
        }

        #[derive(Serialize, Deserialize, JsonSchema)]
        pub enum Discount {
            None,
            Of { amount: u32 },
        }
    }
    in_euros {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            #[serde(default = "euros")]
            currency: String,
            #[serde(default = "now")]
            time: String,
        }

        fn euros() -> String {
            "EUR".into()
        }

        /// Another one with each call.
        fn now() -> String {
            use std::sync::atomic::{AtomicU32, Ordering};
            static CALLS: AtomicU32 = AtomicU32::new(0);
            format!("{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
        }
    }
    in_dollars {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet {
            #[serde(default = "dollars")]
            currency: String,
            #[serde(default)]
            time: String,
        }

        fn dollars() -> String {
            "USD".into()
        }
    }
    gone {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32, kind: super::first::Kind }
    }
    retired {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1, retired = ["shop-closed"])]
        pub struct PriceSet { cents: u32, kind: super::first::Kind }
    }
    renamed {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32, kind: super::first::Kind }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-shut", version = 1, was = ["shop-closed"])]
        pub struct ShopShut;
    }
    not_renamed_any_more {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32, kind: super::first::Kind }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-shut", version = 1)]
        pub struct ShopShut;
    }
    raised {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 2)]
        pub struct PriceSet { euros: u32, kind: super::first::Kind }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    upcast {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 2)]
        pub struct PriceSet { euros: u32, kind: super::first::Kind }

        #[derive(Serialize, Deserialize)]
        struct PriceSetV1 { cents: u32, kind: super::first::Kind }

        #[upcast(event = "price-set", from = 1)]
        fn from_1(PriceSetV1 { cents, kind }: PriceSetV1) -> PriceSet {
            let euros = cents / 100;
            PriceSet { euros, kind }
        }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    failing_upcaster {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "price-set", version = 2)]
        pub struct PriceSet { euros: u32, kind: super::first::Kind }

        #[upcast(event = "price-set", from = 1)]
        fn from_1(_: serde_json::Value) -> Result<PriceSet> {
            Err(Error::message("there were no euros"))
        }

        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "shop-closed", version = 1)]
        pub struct ShopClosed;
    }
    without_schema {
        #[derive(Event, Serialize, Deserialize)]
        #[event(name = "price-set", version = 1)]
        pub struct PriceSet { cents: u32 }
    }
    validated {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "code-set", version = 1)]
        pub struct CodeSet { code: super::Code }
    }
    with_an_example {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "code-set", version = 1)]
        pub struct CodeSet {
            #[schemars(example = "x-1")]
            code: super::Code,
        }
    }
    states {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "till-opened", version = 1)]
        pub struct TillOpened {
            #[id(Till)]
            till: u32,
            sum: u32,
        }

        #[derive(Default, Serialize, Deserialize, JsonSchema)]
        pub struct Till { sum: u32 }

        #[aggregate(id = u32, snapshot_every = 10)]
        impl Till {
            #[apply]
            fn opened(&mut self, event: &TillOpened) {
                self.sum = event.sum;
            }
        }

        #[derive(Default, Serialize, Deserialize, JsonSchema)]
        pub struct Closing { step: u32 }

        #[process_manager(name = "closing", id(Till = u32))]
        impl Closing {
            #[start]
            fn opened(&mut self, _: &TillOpened) {
                self.step += 1;
            }
        }

        #[derive(ReadModel, Clone, Serialize, Deserialize, JsonSchema)]
        pub struct TillCard {
            #[key]
            till: u32,
            #[index]
            sum: u32,
        }

        pub struct Tills;

        #[projection(name = "tills", version = 1)]
        impl Tills {
            #[on]
            fn opened(event: &TillOpened, views: &mut Views<TillCard>) {
                views.put(TillCard { till: event.till, sum: event.sum });
            }
        }
    }
    other_states {
        #[derive(Event, Serialize, Deserialize, JsonSchema)]
        #[event(name = "till-opened", version = 1)]
        pub struct TillOpened {
            #[id(Till)]
            till: u32,
            sum: u32,
        }

        #[derive(Default, Serialize, Deserialize, JsonSchema)]
        pub struct Till { sum: u32, count: u32 }

        #[aggregate(id = u32, snapshot_every = 10)]
        impl Till {
            #[apply]
            fn opened(&mut self, event: &TillOpened) {
                self.sum = event.sum;
                self.count += 1;
            }
        }

        #[derive(Default, Serialize, Deserialize, JsonSchema)]
        pub struct Closing { step: u32, reason: String }

        #[process_manager(name = "closing", id(Till = u32))]
        impl Closing {
            #[start]
            fn opened(&mut self, _: &TillOpened) {
                self.step += 1;
            }
        }

        #[derive(ReadModel, Clone, Serialize, Deserialize, JsonSchema)]
        pub struct TillCard {
            #[key]
            till: u32,
            #[index]
            sum: u64,
        }

        pub struct Tills;

        #[projection(name = "tills", version = 1)]
        impl Tills {
            #[on]
            fn opened(event: &TillOpened, views: &mut Views<TillCard>) {
                views.put(TillCard { till: event.till, sum: event.sum.into() });
            }
        }
    }
}

/// A text that begins with `x-`.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
struct Code(String);

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with("x-") {
            Ok(Self(text))
        } else {
            Err("does not begin with `x-`".to_owned())
        }
    }
}
