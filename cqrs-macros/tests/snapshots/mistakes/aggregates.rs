impl Product {
    fn created(&mut self, event: &Created) {}
}
::core::compile_error! {
    "an aggregate has an id: write `#[aggregate(id = ProductId)]`, with the type of its id"
}
impl Product {
    fn created(&mut self, event: &Created) {}
}
::core::compile_error! {
    "where the state is kept: write `storage = \"events\"` to fold it from the events, or `storage = \"state\"` to keep it in the store"
}
::core::compile_error! {
    "unknown key `idd`: did you mean `id`? known keys: `id`, `name`, `storage`, `crate`"
}
::core::compile_error! {
    "an aggregate's name begins its tags, `product:P001`: it has letters in it and no colon"
}
impl Product {
    fn helper() {}
}
::core::compile_error! {
    "an aggregate is folded from events: mark the methods that do so with `#[apply]`, `#[apply] fn created(&mut self, event: &ProductCreated) { .. }`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Aggregate for Product {
        type Id = ProductId;
        const NAME: &'static __cqrs::str = "product";
        const EVENTS: &'static [&'static __cqrs::str] = &[];
        fn apply(
            &mut self,
            event: &__cqrs::Recorded,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match event.event_type.as_str() {
                _ => {}
            }
            __cqrs::Ok(())
        }
        const STORAGE: __cqrs::Storage = __cqrs::Storage::Events;
        fn save(
            &self,
        ) -> __cqrs::Result<__cqrs::Option<__cqrs::Vec<__cqrs::u8>>, __cqrs::Error> {
            __cqrs::Ok(__cqrs::None)
        }
        fn restore(_: &[__cqrs::u8]) -> __cqrs::Option<Self> {
            __cqrs::None
        }
    }
    impl<C, const ROLE: __cqrs::u64> __cqrs::Borrowed<C, ROLE> for Product
    where
        C: __cqrs::HasId<{ __cqrs::key("product") }, ProductId, ROLE>,
    {
        fn describe() -> __cqrs::Input {
            __cqrs::Input::aggregate::<Self>()
        }
        fn load(command: &C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
            loads.add::<Self>(place, command.id());
        }
        fn take<'a>(
            scope: &'a __cqrs::CommandScope<'a>,
            place: __cqrs::usize,
        ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
            scope.state(place)
        }
    }
    __cqrs::submit! {
        __cqrs::AggregateEntry::of:: < Product > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() })
    }
};
struct Product;
::core::compile_error! {
    "`#[aggregate]` belongs on an `impl` block: `impl TheType { .. }`"
}
impl<T> Product<T> {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[aggregate]` belongs on one concrete type, since the registry needs one: remove the parameters"
}
impl Default for Product {
    fn default() -> Self {}
}
::core::compile_error! {
    "`#[aggregate]` belongs on an `impl` block without a trait: write `impl TheType { .. }`"
}
impl [Product] {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[aggregate]` belongs on a type with a name: write `impl TheType { .. }`"
}
