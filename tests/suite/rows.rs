//! Each actor sees its own rows, by every way to ask.

use std::collections::BTreeSet;

use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::views::{Cursor, CursorPage, Page, Rows};
use serde_json::{Value, json};

use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct StoreCrates {
    pub crates: Vec<Crate>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "crates-stored", version = 1)]
pub struct CratesStored {
    pub crates: Vec<Crate>,
}

#[command_handler]
fn store_crates(StoreCrates { crates }: StoreCrates) -> CratesStored {
    CratesStored { crates }
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crate {
    #[key]
    pub id: u32,
    #[index]
    pub owner: String,
    #[index]
    pub grams: u64,
    pub is_open: bool,
}

/// What the crates of an owner weigh.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    #[key]
    #[index]
    pub owner: String,
    pub grams: u64,
}

pub struct Warehouse;

#[projection(name = "warehouse", version = 1)]
impl Warehouse {
    #[on]
    fn stored(
        event: &CratesStored,
        crates: &mut Views<Crate>,
        loads: &mut Views<Load>,
    ) -> Result<()> {
        for stored in &event.crates {
            crates.put(stored.clone());
            let Crate { owner, grams, .. } = stored;
            let first = || Load {
                owner: owner.clone(),
                grams: *grams,
            };
            loads.upsert(owner, first, |load| load.grams += grams)?;
        }
        Ok(())
    }
}

/// Owners see their crates, weighers heavy ones of everybody, auditors of theirs the heavy ones, keepers all, and the banned
/// none.
fn visible_crates(actor: &Actor) -> Rows<Crate> {
    let own = Rows::eq(Crate::OWNER, &actor.name().to_owned());
    match duty(actor) {
        "keep" => Rows::all(),
        "weigh" => Rows::range(Crate::GRAMS, 500..),
        "audit" => own.and(Rows::range(Crate::GRAMS, 500..)),
        "banned" => own.and(Rows::none()),
        "broken" => panic!("the rule is broken"),
        _ => own.and(Rows::all()),
    }
}

fn duty(actor: &Actor) -> &'static str {
    let duties = ["keep", "weigh", "audit", "banned", "broken"];
    let held = duties.into_iter().find(|duty| actor.holds(duty));
    held.unwrap_or_default()
}

/// The same, as a test expects it.
fn may_see(actor: &Actor, seen: &Crate) -> bool {
    match duty(actor) {
        "keep" => true,
        "weigh" => seen.grams >= 500,
        "audit" => seen.owner == actor.name() && seen.grams >= 500,
        "banned" => false,
        _ => seen.owner == actor.name(),
    }
}

fn own_load(actor: &Actor) -> Rows<Load> {
    Rows::eq(Load::OWNER, &actor.name().to_owned())
}

#[derive(Query, Clone, Debug, Serialize, Deserialize)]
#[query(returns = CursorPage<Crate>, rows = visible_crates)]
pub struct ListCrates {
    pub by_grams: bool,
    pub descending: bool,
    pub only_open: bool,
    pub least: u64,
    pub take: u64,
    pub after: Option<Cursor>,
}

#[query_handler]
async fn list_crates(query: ListCrates, crates: Read<Crate>) -> Result<CursorPage<Crate>> {
    let mut found = crates.find().range(Crate::GRAMS, query.least..);
    if query.by_grams {
        found = found.order_by(Crate::GRAMS);
    }
    if query.descending {
        found = found.descending();
    }
    if query.only_open {
        found = found.filter(|it| it.is_open);
    }
    found
        .after(query.after)
        .take(query.take)
        .cursor_page()
        .await
}

/// Everything else that can be read of a read model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    pub page: Page<Crate>,
    pub open: Page<Crate>,
    pub first: Option<Crate>,
    pub count: u64,
    pub all: u64,
    /// By their keys.
    pub found: Vec<u32>,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Overview, rows = visible_crates)]
pub struct LookAround {}

#[query_handler]
async fn look_around(_: LookAround, crates: Read<Crate>) -> Result<Overview> {
    let mut found = Vec::new();
    for id in 0..COUNT {
        if let Some(seen) = crates.get(&id).await? {
            assert_eq!(seen.id, id);
            found.push(id);
        }
    }
    Ok(Overview {
        page: crates.find().skip(1).take(2).page().await?,
        open: crates.find().filter(|it| it.is_open).page().await?,
        first: crates.find().descending().first().await?,
        count: crates.find().range(Crate::GRAMS, 300..).count().await?,
        all: crates.count().await?,
        found,
    })
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = (Vec<u32>, Vec<Load>), rows = [visible_crates, own_load])]
pub struct CratesAndLoads {}

#[query_handler]
async fn crates_and_loads(
    _: CratesAndLoads,
    loads: Read<Load>,
    crates: Read<Crate>,
) -> Result<(Vec<u32>, Vec<Load>)> {
    let seen = crates.find().all().await?;
    let ids = seen.into_iter().map(|it| it.id).collect();
    Ok((ids, loads.find().all().await?))
}

/// Has no rows, and shows all to everybody.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct CountAllCrates {}

#[query_handler]
async fn count_all(_: CountAllCrates, crates: Read<Crate>) -> Result<u64> {
    crates.count().await
}

const COUNT: u32 = 40;

/// Owners whose names begin alike, and one whose name is empty.
const OWNERS: [&str; 5] = ["anne", "ann", "annе", "bob", ""];

fn crates() -> Vec<Crate> {
    let ids = 0..COUNT;
    let crates = ids.map(|id| Crate {
        id,
        owner: OWNERS[id as usize % OWNERS.len()].to_owned(),
        grams: u64::from(id * 37 % 10) * 100,
        is_open: id % 3 == 0,
    });
    crates.collect()
}

fn actors() -> Vec<Actor> {
    let owners = OWNERS.map(Actor::new).into_iter();
    let others = [
        Actor::new("stranger"),
        Actor::new("kim").with("keep"),
        Actor::new("wim").with("weigh"),
        Actor::new("bob").with("audit"),
        Actor::new("anne").with("banned"),
    ];
    owners.chain(others).collect()
}

fn ids<'c>(crates: impl IntoIterator<Item = &'c Crate>) -> Vec<u32> {
    crates.into_iter().map(|it| it.id).collect()
}

async fn filled(app: &Dispatcher) {
    let crates = crates();
    let receipt = app.execute(StoreCrates { crates }).await.expect("is done");
    let all = app.query(CountAllCrates {}).after(&receipt).await;
    assert_eq!(all.expect("is answered"), u64::from(COUNT));
}

/// All pages of a query, one after the other.
async fn pages(app: &Dispatcher, actor: &Actor, mut query: ListCrates) -> Vec<Crate> {
    let mut all = Vec::new();
    loop {
        let page = app.query(query.clone()).actor(actor.clone()).await;
        let page = page.expect("is answered");
        all.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}

#[tokio::test]
async fn every_search_is_within_the_rows_of_the_actor() {
    on_each(module(), |app| async move {
        filled(&app).await;
        for actor in actors() {
            let all = crates();
            let visible: Vec<_> = all.iter().filter(|it| may_see(&actor, it)).collect();
            for choice in 0..32_u64 {
                let bit = |place: u64| choice >> place & 1 == 1;
                let query = ListCrates {
                    by_grams: bit(0),
                    descending: bit(1),
                    only_open: bit(2),
                    least: if bit(3) { 300 } else { 0 },
                    take: if bit(4) { 3 } else { 100 },
                    after: None,
                };
                let mut expected = visible.clone();
                expected.retain(|it| it.grams >= query.least && (it.is_open || !query.only_open));
                // Keys are sorted as texts.
                expected.sort_by_key(|it| (query.by_grams.then_some(it.grams), it.id.to_string()));
                if query.descending {
                    expected.reverse();
                }
                let case = format!("{actor:?}: {query:?}");
                let found = pages(&app, &actor, query).await;
                assert_eq!(ids(&found), ids(expected), "{case}");
            }
        }
    })
    .await;
}

fn expected_overview(actor: &Actor) -> Overview {
    let mut visible = crates();
    visible.retain(|it| may_see(actor, it));
    let count = |of: &dyn Fn(&Crate) -> bool| visible.iter().filter(|it| of(it)).count() as u64;
    let mut by_key = visible.clone();
    by_key.sort_by_key(|it| it.id.to_string());
    Overview {
        page: Page {
            items: by_key.iter().skip(1).take(2).cloned().collect(),
            total: visible.len() as u64,
        },
        open: Page {
            items: by_key.iter().filter(|it| it.is_open).cloned().collect(),
            total: count(&|it| it.is_open),
        },
        first: by_key.last().cloned(),
        count: count(&|it| it.grams >= 300),
        all: visible.len() as u64,
        found: ids(&visible),
    }
}

#[tokio::test]
async fn the_rows_hold_at_every_entry() {
    on_each(module(), |app| async move {
        filled(&app).await;
        for actor in actors() {
            let expected = expected_overview(&actor);
            let as_json = serde_json::to_value(&expected).expect("is JSON");
            let who = || actor.clone();
            let typed = app.query(LookAround {}).actor(who()).await;
            assert_eq!(typed.expect("is answered"), expected, "{actor:?}");
            let in_session = app.session().actor(who()).query(LookAround {}).await;
            assert_eq!(in_session.expect("is answered"), expected, "{actor:?}");
            let named = app.query_json("LookAround", b"{}").actor(who()).await;
            assert_eq!(named.expect("is answered"), as_json, "{actor:?}");
            let mut watch = app.watch(LookAround {}).actor(who());
            let answer = watch.next().await.expect("answers").expect("is answered");
            assert_eq!(answer.output, expected, "{actor:?}");
            let mut watch = app.watch_json("LookAround", b"{}").actor(who());
            let answer = watch.next().await.expect("answers").expect("is answered");
            assert_eq!(answer.output, as_json, "{actor:?}");

            let (seen, loads) = app
                .query(CratesAndLoads {})
                .actor(who())
                .await
                .expect("is answered");
            let seen: BTreeSet<_> = seen.into_iter().collect();
            assert_eq!(seen, expected.found.iter().copied().collect(), "{actor:?}");
            let owners: Vec<_> = loads.into_iter().map(|it| it.owner).collect();
            let own: Vec<_> = OWNERS
                .into_iter()
                .filter(|it| *it == actor.name())
                .collect();
            assert_eq!(owners, own, "{actor:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_tells_changes_of_own_rows_only() {
    on_each(module(), |app| async move {
        filled(&app).await;
        let query = |after| ListCrates {
            by_grams: false,
            descending: false,
            only_open: false,
            least: 0,
            take: 100,
            after,
        };
        let mut watch = app.watch(query(None)).actor(Actor::new("bob"));
        let first = watch.next().await.expect("answers").expect("is answered");
        let before = first.output.items.len();
        let stored = |id, owner: &str| StoreCrates {
            crates: vec![Crate {
                id,
                owner: owner.to_owned(),
                grams: 1,
                is_open: true,
            }],
        };
        // The other's crate changes nothing, and the next answer is about the own one.
        app.execute(stored(100, "anne")).await.expect("is done");
        app.execute(stored(101, "bob")).await.expect("is done");
        let next = watch.next().await.expect("answers").expect("is answered");
        let items = next.output.items;
        assert_eq!(items.len(), before + 1);
        assert!(items.iter().all(|it| it.owner == "bob"), "{items:?}");
        // A crate that is given away is not seen any more.
        app.execute(stored(101, "anne")).await.expect("is done");
        let next = watch.next().await.expect("answers").expect("is answered");
        assert_eq!(next.output.items.len(), before);
    })
    .await;
}

#[tokio::test]
async fn without_an_actor_there_are_no_rows_and_nothing_is_read() {
    let app = Dispatcher::builder().module(module()).store(Memory::new());
    let app = app.authorizer(AllowAll).build().await.expect("builds");
    let text = "an unknown actor may not send `LookAround`: it shows each actor its own rows, and the \
                call names none";
    let refused = |error: QueryError| {
        assert!(matches!(error.kind(), QueryErrorKind::Denied(_)), "{error}");
        assert_eq!(error.to_string(), text);
    };
    refused(app.query(LookAround {}).await.expect_err("typed"));
    let in_session = app.session().query(LookAround {}).await;
    refused(in_session.expect_err("in a session"));
    // Before the JSON is read.
    let named = app.query_json("LookAround", b"no JSON").await;
    refused(named.expect_err("by name"));
    let mut watch = app.watch(LookAround {});
    refused(watch.next().await.expect("answers").expect_err("watched"));
    let mut watch = app.watch_json("LookAround", b"no JSON");
    refused(watch.next().await.expect("answers").expect_err("by name"));
    refused(app.permit_query("LookAround", None).expect_err("asked"));
    let anne = Actor::new("anne");
    app.permit_query("LookAround", Some(&anne)).expect("may");
    app.permit_query("CountAllCrates", None).expect("may");
}

#[tokio::test]
async fn a_rule_that_panics_is_an_error_of_the_query() {
    on_each(module(), |app| async move {
        let actor = Actor::new("eve").with("broken");
        let error = app.query(LookAround {}).actor(actor).await;
        let error = error.expect_err("panics").to_string();
        assert!(error.contains("the rule is broken"), "{error}");
        let anne = Actor::new("anne");
        app.query(LookAround {}).actor(anne).await.expect("goes on");
    })
    .await;
}

/// A cursor that somebody has made up is a place within the own rows.
#[tokio::test]
async fn a_cursor_of_another_actor_leads_to_own_rows() {
    on_each(module(), |app| async move {
        filled(&app).await;
        let query = |after: Option<Value>| {
            let query = json!({
                "by_grams": true, "descending": false, "only_open": false, "least": 0, "take": 2,
                "after": after,
            });
            query.to_string()
        };
        let keeper = Actor::new("kim").with("keep");
        let first = query(None);
        let page = app.query_json("ListCrates", first.as_bytes());
        let page = page.actor(keeper).await.expect("is answered");
        let next = page["next"].clone();
        assert!(next.is_string(), "{page}");
        let second = query(Some(next));
        let page = app.query_json("ListCrates", second.as_bytes());
        let page = page.actor(Actor::new("bob")).await.expect("is answered");
        let items = page["items"].as_array().expect("is a list");
        assert_eq!(items.len(), 2);
        assert!(items.iter().all(|it| it["owner"] == "bob"), "{page}");
    })
    .await;
}

#[test]
fn the_model_says_which_queries_have_rows() {
    let app = cqrs_core::app::model();
    let rows = |name: &str| {
        let mut nodes = app.nodes.iter();
        nodes
            .find(|it| it.id.name == name)
            .expect("is there")
            .has_rows
    };
    assert!(rows("LookAround") && rows("CratesAndLoads") && !rows("CountAllCrates"));
}
