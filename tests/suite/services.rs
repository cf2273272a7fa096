//! What a dispatcher is given: services, stores, modules.

use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;

mod mail {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    pub trait Mailer: Send + Sync {}
    pub struct Smtp;
    impl Mailer for Smtp {}

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Invite {}

    #[command_handler]
    fn invite(_: Invite, _mailer: Service<dyn Mailer>) {}
}

fn builder() -> Builder {
    Dispatcher::builder().module(mail::module())
}

async fn report(builder: Builder) -> String {
    let error = builder.build().await.err().expect("is not whole");
    error.to_string()
}

#[tokio::test]
async fn a_service_that_is_missing_is_told_with_those_that_nobody_takes() {
    let app = builder().store(Memory::new()).provide(Arc::new(mail::Smtp));
    let report = report(app).await;
    let write = "write `.provide::<dyn suite::services::mail::Mailer>(..)` on the builder: \
                 `suite::services::mail::Smtp` was provided, but no handler takes it";
    assert!(report.ends_with(write), "{report}");
}

#[tokio::test]
async fn services_that_nobody_takes_or_that_are_given_twice_are_warned_of() {
    let mailer = || -> Arc<dyn mail::Mailer> { Arc::new(mail::Smtp) };
    let app = builder().store(Memory::new()).provide(mailer());
    let app = app.build().await.expect("builds");
    assert_eq!(app.warnings(), []);

    let app = builder().store(Memory::new()).provide(mailer());
    let app = app.provide(Arc::new(mail::Smtp)).provide(mailer());
    let app = app.build().await.expect("builds");
    let [unused, doubled] = app.warnings() else {
        panic!("{:?}", app.warnings());
    };
    let what = "no handler takes the service `suite::services::mail::Smtp`";
    assert_eq!(unused.what, what);
    assert_eq!((unused.at.len(), unused.at[0].file), (1, file!()));
    let what = "the service `dyn suite::services::mail::Mailer` was provided 2 times: \
                handlers get the last";
    assert_eq!(doubled.what, what);
    assert_eq!((doubled.at.len(), doubled.at[0].file), (2, file!()));
}

#[tokio::test]
async fn two_stores_are_refused() {
    let mailer: Arc<dyn mail::Mailer> = Arc::new(mail::Smtp);
    let app = builder().provide(mailer).store(Memory::new());
    let app = app.store(Memory::new());
    let report = report(app).await;
    let what = "the wiring has 1 problem\n\nthe dispatcher was given 2 stores\n";
    assert!(report.starts_with(what), "{report}");
    assert_eq!(report.matches(file!()).count(), 2, "{report}");
}

mod split {
    pub mod messages {
        use cqrs_core::prelude::*;
        cqrs_core::module!();

        #[derive(Command, Clone, Serialize, Deserialize)]
        pub struct Dig {}

        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = u64)]
        pub struct CountHoles {}
    }

    pub mod handlers {
        use cqrs_core::prelude::*;
        cqrs_core::module!();

        #[command_handler]
        fn dig(_: super::messages::Dig) {}
    }

    pub mod views {
        use cqrs_core::prelude::*;
        cqrs_core::module!();

        #[derive(Event, Serialize, Deserialize)]
        #[event(name = "dug", version = 1)]
        pub struct Dug {}

        #[derive(ReadModel, Clone, Serialize, Deserialize)]
        pub struct Hole {
            #[key]
            pub id: u32,
        }

        pub struct Holes;

        #[projection(name = "holes", version = 1)]
        impl Holes {
            #[on]
            fn dug(_: &Dug, _: &mut Views<Hole>) {}
        }
    }

    pub mod queries {
        use cqrs_core::prelude::*;
        cqrs_core::module!();

        #[query_handler]
        async fn count(
            _: super::messages::CountHoles,
            holes: Read<super::views::Hole>,
        ) -> Result<u64> {
            holes.count().await
        }
    }
}

#[tokio::test]
async fn what_a_module_that_was_not_taken_in_has_is_named() {
    let builder = || Dispatcher::builder().store(Memory::new());
    let messages = report(builder().module(split::messages::module())).await;
    let dig = "= write `.module(..)` on the builder for `suite::services::split::handlers`, \
               whose `dig` handles it (";
    let count = "= write `.module(..)` on the builder for `suite::services::split::queries`, \
                 whose `count` handles it (";
    assert!(messages.contains(dig), "{messages}");
    assert!(messages.contains(count), "{messages}");
    let queries = report(builder().module(split::queries::module())).await;
    let holes = "= write `.module(..)` on the builder for `suite::services::split::views`, \
                 whose projection `holes` keeps it (";
    assert!(queries.contains(holes), "{queries}");

    let views = builder().module(split::views::module());
    let views = views.build().await.expect("builds");
    let error = views.execute(split::messages::Dig {}).await;
    let error = error.expect_err("has no handler").to_string();
    let elsewhere = "this dispatcher has no handler for `Dig`: the one in \
                     `suite::services::split::handlers` (";
    assert!(error.starts_with(elsewhere), "{error}");
    let error = views.query(split::messages::CountHoles {}).await;
    let error = error.expect_err("has no handler").to_string();
    assert!(
        error.contains("`suite::services::split::queries` ("),
        "{error}"
    );
}
