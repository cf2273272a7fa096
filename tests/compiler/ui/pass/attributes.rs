//! Documentation and attributes on everything, above and below those of the framework.
#![deny(unused_must_use, missing_docs)]

use cqrs_core::prelude::*;

/// Opens a shop.
///
/// In a street.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(name = "open-shop")]
#[command(permission = "shops")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Opens a shop")]
#[non_exhaustive]
pub struct OpenShop {
    /// Which.
    #[id(Shop)]
    #[serde(rename = "shop")]
    pub shop_name: String,
    #[doc = "Where."]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
}

/** A shop is open. */
#[derive(Event, Debug, Serialize, Deserialize)]
#[event(name = "shop-opened", version = 2)]
#[serde(rename_all = "camelCase")]
#[repr(C)]
pub struct ShopOpened {
    /// Which.
    #[id(Shop)]
    #[doc(alias = "name")]
    pub shop_name: String,
}

/// What happens to shops.
#[derive(Event, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum ShopEvent {
    /// It is open.
    #[allow(dead_code)]
    Opened(#[doc = "The event."] ShopOpened),
}

/// A shop.
#[derive(Debug, Default)]
#[must_use]
pub struct Shop {
    open: bool,
}

/// What a shop folds.
#[allow(clippy::unused_self)]
#[aggregate(id = String)]
#[deny(unused_variables)]
impl Shop {
    #![allow(clippy::needless_pass_by_ref_mut)]

    /// It is open.
    #[inline]
    #[apply]
    #[allow(unused_variables)]
    fn opened(&mut self, event: &ShopOpened) {
        self.open = true;
    }

    /// Whether it is.
    #[must_use]
    #[inline(always)]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Always.
    pub const LIMIT: u32 = 1;
}

/// Opens it.
#[inline]
#[must_use = "or the shop stays closed"]
#[command_handler]
#[allow(unused_variables, clippy::unused_async)]
#[doc(alias = "establish")]
pub async fn open(
    command: OpenShop,
    #[allow(unused_mut)] mut shop: &Shop,
    unused: &Context,
) -> Option<ShopEvent> {
    #![allow(unused_assignments)]
    let opened = ShopOpened { shop_name: command.shop_name };
    (!shop.is_open()).then_some(ShopEvent::Opened(opened))
}

/// A shop, to be shown.
#[derive(ReadModel, Clone, Debug, Serialize, Deserialize)]
#[read_model(name = "open_shops")]
#[serde(rename_all = "camelCase")]
pub struct ShopView {
    /// Which.
    #[key]
    #[serde(rename = "id")]
    pub shop: String,
    /// How many letters.
    #[serde(default)]
    #[index]
    #[deprecated = "count them"]
    pub letters: u64,
}

/// Keeps the views.
#[derive(Debug)]
pub struct Shops;

#[expect(unused_variables)]
#[projection(name = "shops", version = 1)]
impl Shops {
    /// It is open.
    #[on]
    #[inline]
    #[allow(deprecated)]
    fn opened(
        event: &ShopOpened,
        #[allow(unused_mut)] mut recorded: &Recorded,
        views: &mut Views<ShopView>,
    ) -> Result<()> {
        let shop = event.shop_name.clone();
        views.put(ShopView { letters: shop.len() as u64, shop });
        Ok(())
    }
}

/// How many.
#[derive(Query, Clone, Debug, Serialize, Deserialize)]
#[query(name = "count-shops")]
#[query(returns = u64,)]
pub struct CountShops {}

/// Counts.
#[query_handler]
#[cold]
#[allow(dead_code)]
async fn count(_query: CountShops, views: Read<ShopView>) -> Result<u64> {
    views.count().await
}

/// Reacts.
#[must_use]
#[event_handler(name = "bell", start = "origin",)]
#[track_caller]
fn react(_event: ShopOpened) -> Result<()> {
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).authorizer(AllowAll).build().await?;
    let receipt = app.execute_json("open-shop", br#"{"shop": "corner"}"#).await?;
    app.query(CountShops {}).after(&receipt).await?;
    assert_eq!(app.query_json("count-shops", b"{}").await?, 1);
    Ok(())
}
