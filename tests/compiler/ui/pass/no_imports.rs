//! Full paths everywhere.

#[derive(::cqrs_core::Command, ::std::clone::Clone, ::serde::Serialize, ::serde::Deserialize)]
#[command(error = ::cqrs_core::Rejected, permission = "shops")]
struct OpenShop {
    #[id(Shop)]
    shop: ::std::string::String,
}

#[derive(::cqrs_core::Event, ::serde::Serialize, ::serde::Deserialize)]
#[event(name = "shop-opened", version = 1)]
struct ShopOpened {
    #[id(crate::Shop)]
    shop: ::std::string::String,
}

#[derive(::std::default::Default)]
struct Shop {
    open: bool,
}

#[::cqrs_core::aggregate(id = ::std::string::String)]
impl crate::Shop {
    #[apply]
    fn opened(&mut self, _: &crate::ShopOpened, _: &::cqrs_core::Recorded) {
        self.open = true;
    }
}

#[::cqrs_core::command_handler]
fn open(
    command: crate::OpenShop,
    shop: &crate::Shop,
    _: &::cqrs_core::Context,
    bell: ::cqrs_core::Service<dyn ::std::any::Any + ::std::marker::Send + ::std::marker::Sync>,
) -> ::std::result::Result<::std::option::Option<crate::ShopOpened>, ::cqrs_core::Rejected> {
    ::std::assert!(bell.is::<()>());
    let opened = ShopOpened { shop: command.shop };
    ::std::result::Result::Ok((!shop.open).then_some(opened))
}

#[derive(::cqrs_core::ReadModel, ::std::clone::Clone, ::serde::Serialize, ::serde::Deserialize)]
struct ShopView {
    #[key]
    shop: ::std::string::String,
    #[index]
    number: ::std::primitive::u8,
}

struct Shops;

#[::cqrs_core::projection(name = "shops", version = 1)]
impl Shops {
    #[on]
    fn opened(
        event: &ShopOpened,
        _: &::cqrs_core::Recorded,
        views: &mut ::cqrs_core::Views<ShopView>,
    ) -> ::cqrs_core::Result<()> {
        let shop = ::std::clone::Clone::clone(&event.shop);
        views.put(ShopView { shop, number: 1 });
        ::std::result::Result::Ok(())
    }
}

#[derive(::cqrs_core::Query, ::std::clone::Clone, ::serde::Serialize, ::serde::Deserialize)]
#[query(returns = ::std::primitive::u64)]
struct CountShops;

#[::cqrs_core::query_handler]
async fn count(
    _: CountShops,
    views: ::cqrs_core::Read<ShopView>,
) -> ::cqrs_core::Result<::std::primitive::u64> {
    views.find().eq(ShopView::NUMBER, &1).count().await
}

#[::cqrs_core::event_handler]
async fn react(_: ShopOpened, _: &::cqrs_core::Dispatcher) {}

fn main() {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let bell = ::std::sync::Arc::new(());
        let app = ::cqrs_core::Dispatcher::builder()
            .store(::cqrs_core::Memory::new())
            .authorizer(::cqrs_core::AllowAll)
            .provide::<dyn ::std::any::Any + ::std::marker::Send + ::std::marker::Sync>(bell);
        let app = app.build().await.expect("builds");
        let shop = ::std::convert::From::from("corner");
        let receipt = app.execute(OpenShop { shop }).await.expect("opens");
        let count = app.query(CountShops).after(&receipt).await.expect("answers");
        ::std::assert_eq!(count, 1);
    });
}
