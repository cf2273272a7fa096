//! What an actor holds, for functions of rows and for handlers, is what the authorizer knows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use cqrs_core::app::{AccessRequest, Builder};
use cqrs_core::prelude::*;
use cqrs_core::{Authorizer, HeldPermissions};

use crate::support::stores::on_each_with;

mod cellar {
    use cqrs_core::prelude::*;
    use cqrs_core::views::Rows;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct LayDown {
        pub bottle: u32,
        pub owner: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "bottle-laid-down", version = 1)]
    pub struct BottleLaidDown {
        pub bottle: u32,
        pub owner: String,
    }

    #[command_handler]
    fn lay_down(LayDown { bottle, owner }: LayDown) -> BottleLaidDown {
        BottleLaidDown { bottle, owner }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Bottle {
        #[key]
        pub id: u32,
        #[index]
        pub owner: String,
    }

    pub struct Bottles;

    #[projection(name = "bottles", version = 1)]
    impl Bottles {
        #[on]
        fn laid_down(event: &BottleLaidDown, bottles: &mut Views<Bottle>) {
            let owner = event.owner.clone();
            let id = event.bottle;
            bottles.put(Bottle { id, owner });
        }
    }

    fn own_bottles(actor: &Actor) -> Rows<Bottle> {
        if actor.holds("bottles:all") {
            return Rows::all();
        }
        Rows::eq(Bottle::OWNER, &actor.name().to_owned())
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64, rows = own_bottles)]
    pub struct CountBottles {}

    #[query_handler]
    async fn count(_: CountBottles, bottles: Read<Bottle>) -> Result<u64> {
        bottles.count().await
    }

    /// The actor as a handler has it.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Uncork {}

    #[command_handler]
    fn uncork(_: Uncork, context: &Context) -> Result<(), Rejected> {
        let holds = |actor: &Actor| actor.holds("bottles:all");
        ensure!(context.actor().is_some_and(holds), "it is not yours");
        Ok(())
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = bool)]
    pub struct MayUncork {}

    #[query_handler]
    fn may_uncork(_: MayUncork, context: &Context) -> bool {
        let actor = context.actor();
        actor.is_some_and(|actor| actor.holds("bottles:all"))
    }

    /// Shows all to those that are admitted.
    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64, permission = "bottles:all")]
    pub struct CountAllBottles {}

    #[query_handler]
    async fn count_all(_: CountAllBottles, bottles: Read<Bottle>) -> Result<u64> {
        bottles.count().await
    }
}

/// A dispatcher whose handler asks another one, with the actor of its context.
mod street {
    use std::sync::Arc;

    use cqrs_core::Authorizer;
    use cqrs_core::prelude::*;

    use super::cellar::{CountAllBottles, MayUncork};
    cqrs_core::module!();

    pub struct Neighbor(pub Dispatcher);

    /// Whether the actor holds everything here, is admitted by the neighbor, and holds everything there.
    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = (bool, bool, bool))]
    pub struct AskNeighbor {}

    #[query_handler]
    async fn ask(
        _: AskNeighbor,
        context: &Context,
        neighbor: Service<Neighbor>,
    ) -> Result<(bool, bool, bool)> {
        let actor = context.actor().cloned();
        let actor = actor.ok_or_else(|| Error::message("nobody asks"))?;
        let here = actor.holds("bottles:all");
        let Neighbor(app) = &*neighbor;
        let count = app.query(CountAllBottles {}).actor(actor.clone()).await;
        let there = app.query(MayUncork {}).actor(actor).await?;
        Ok((here, count.is_ok(), there))
    }

    pub async fn beside(neighbor: Dispatcher, authorizer: impl Authorizer) -> Dispatcher {
        let builder = Dispatcher::builder().module(module()).store(Memory::new());
        let builder = builder.provide(Arc::new(Neighbor(neighbor)));
        let app = builder.authorizer(authorizer).build().await;
        app.expect("builds")
    }
}

/// Knows who may do everything.
#[derive(Clone, Default)]
struct Stewards(Arc<Mutex<BTreeSet<String>>>);

impl Stewards {
    fn set(&self, names: &[&str]) {
        let names = names.iter().map(|&name| name.to_owned());
        *self.0.lock().expect("no panic") = names.collect();
    }
}

impl Authorizer for Stewards {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let is_held = |actor| self.holds(actor, request.permission);
        ensure!(request.actor.is_some_and(is_held), "no steward");
        Ok(())
    }

    fn holds(&self, actor: &Actor, permission: &str) -> bool {
        assert_ne!(actor.name(), "eve", "the book of stewards is lost");
        actor.holds(permission) || self.0.lock().expect("no panic").contains(actor.name())
    }
}

async fn filled(app: &Dispatcher) {
    for (bottle, owner) in [(1, "ann"), (2, "bob"), (3, "ann")] {
        let owner = owner.to_owned();
        let laid = app.execute(cellar::LayDown { bottle, owner });
        let receipt = laid.await.expect("is laid down");
        let query = app.query(cellar::CountBottles {}).after(&receipt);
        let count = query.actor(Actor::new("kim").with("bottles:all")).await;
        assert_eq!(count.expect("is answered"), u64::from(bottle));
    }
}

/// What this actor sees and may do, at every entry.
async fn assert_sees(app: &Dispatcher, actor: &Actor, count: u64, holds: bool) {
    let who = || actor.clone();
    let typed = app.query(cellar::CountBottles {}).actor(who()).await;
    assert_eq!(typed.expect("is answered"), count, "{actor:?}");
    let session = app.session().actor(who());
    let in_session = session.query(cellar::CountBottles {}).await;
    assert_eq!(in_session.expect("is answered"), count, "{actor:?}");
    let named = app.query_json("CountBottles", b"{}").actor(who()).await;
    assert_eq!(named.expect("is answered"), count, "{actor:?}");
    let may = app.query(cellar::MayUncork {}).actor(who()).await;
    assert_eq!(may.expect("is answered"), holds, "{actor:?}");
    let typed = app.execute(cellar::Uncork {}).actor(who()).await;
    assert_eq!(typed.is_ok(), holds, "{actor:?}: {typed:?}");
    let named = app.execute_json("Uncork", b"{}").actor(who()).await;
    assert_eq!(named.is_ok(), holds, "{actor:?}: {named:?}");
}

#[tokio::test]
async fn the_authorizer_knows_what_an_actor_holds() {
    let stewards = Stewards::default();
    let with = |builder: Builder| builder.authorizer(stewards.clone());
    on_each_with(cellar::module(), with, |app| {
        let stewards = stewards.clone();
        async move {
            filled(&app).await;
            let (ann, cora) = (Actor::new("ann"), Actor::new("cora"));
            let keeper = Actor::new("kim").with("bottles:all");
            stewards.set(&[]);
            let mut watch = app.watch(cellar::CountBottles {}).actor(cora.clone());
            let first = watch.next().await.expect("answers");
            assert_eq!(first.expect("is answered").output, 0);
            assert_sees(&app, &ann, 2, false).await;
            assert_sees(&app, &cora, 0, false).await;
            assert_sees(&app, &keeper, 3, true).await;

            stewards.set(&["cora"]);
            assert_sees(&app, &ann, 2, false).await;
            assert_sees(&app, &cora, 3, true).await;
            let owner = "bob".to_owned();
            let laid = app.execute(cellar::LayDown { bottle: 4, owner });
            laid.await.expect("is laid down");
            let next = watch.next().await.expect("answers");
            assert_eq!(next.expect("is answered").output, 4);

            stewards.set(&[]);
            assert_sees(&app, &cora, 0, false).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_panic_of_the_authorizer_is_an_error_of_the_call() {
    let with = |builder: Builder| builder.authorizer(Stewards::default());
    on_each_with(cellar::module(), with, |app| async move {
        filled(&app).await;
        let eve = || Actor::new("eve");
        let lost = "the book of stewards is lost";
        let rows = app.query(cellar::CountBottles {}).actor(eve()).await;
        let error = rows.expect_err("panics").to_string();
        assert!(error.contains(lost), "{error}");
        let uncorked = app.execute(cellar::Uncork {}).actor(eve()).await;
        let error = uncorked.expect_err("panics").to_string();
        assert!(error.contains(lost), "{error}");
        assert_sees(&app, &Actor::new("ann"), 2, false).await;
    })
    .await;
}

/// The actor of a context that a handler passes on does not take along what its dispatcher knows.
#[tokio::test]
async fn each_dispatcher_asks_its_own_authorizer() {
    let stewards = Stewards::default();
    stewards.set(&["cora"]);
    let builder = || {
        Dispatcher::builder()
            .module(cellar::module())
            .store(Memory::new())
    };
    let ask = async |app: Dispatcher, actor: Actor| {
        let answer = app.query(street::AskNeighbor {}).actor(actor).await;
        answer.expect("is answered")
    };
    let (cora, keeper) = (Actor::new("cora"), Actor::new("kim").with("bottles:all"));

    let by_actor = builder().authorizer(HeldPermissions).build().await;
    let app = street::beside(by_actor.expect("builds"), stewards.clone()).await;
    assert_eq!(ask(app.clone(), cora.clone()).await, (true, false, false));
    assert_eq!(ask(app, keeper.clone()).await, (true, true, true));

    let by_book = builder().authorizer(stewards).build().await;
    let app = street::beside(by_book.expect("builds"), HeldPermissions).await;
    assert_eq!(ask(app.clone(), cora).await, (false, true, true));
    assert_eq!(ask(app, keeper).await, (true, true, true));
}
