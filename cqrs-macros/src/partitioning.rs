use proc_macro2::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::hygiene::code;
use crate::suggest;

/// What a projection or reaction is divided by, and what it does with an event that keeps failing.
pub struct Partitioning {
    /// The name of the aggregate by whose id its events are divided.
    partition: Option<String>,
    parks: bool,
}

impl Partitioning {
    pub fn read(args: &mut Args, errors: &mut Errors) -> Self {
        let is_partitioned = args.has("partition");
        Self {
            partition: args.aggregate("partition", errors),
            parks: parks(args, is_partitioned, errors),
        }
    }

    /// The constants that differ from their defaults.
    pub fn constants(&self) -> TokenStream {
        let partition = self.partition.as_ref().map(|name| {
            code! {
                const PARTITION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(#name);
            }
        });
        let on_failure = self.parks.then(|| {
            code! {
                const ON_FAILURE: __cqrs::OnFailure = __cqrs::OnFailure::Park;
            }
        });
        code!(#partition #on_failure)
    }
}

fn parks(args: &mut Args, is_partitioned: bool, errors: &mut Errors) -> bool {
    let Some(value) = args.string("on_failure", errors) else {
        return false;
    };
    match value.value().as_str() {
        "stop" => false,
        "park" if is_partitioned => true,
        "park" => {
            errors.at(
                &value,
                "only the events of one id can be parked while the others go on: write `partition = \
                 Order` beside it, the aggregate that has the id",
            );
            false
        }
        unknown => {
            let message = suggest::no_such("on_failure", unknown, &["stop", "park"]);
            errors.at(
                &value,
                format!(
                    "{message} write `on_failure = \"stop\"` to stop at an event that keeps failing, \
                     or `on_failure = \"park\"` to go on with the events of other ids"
                ),
            );
            false
        }
    }
}
