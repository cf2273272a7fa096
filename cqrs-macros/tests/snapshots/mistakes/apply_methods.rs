impl Product {
    fn good(&mut self, event: &Good) {}
    fn again(&mut self, event: &Good) {}
    async fn is_async(&mut self, event: &A) {}
    fn shared(&self, event: &B) {}
    fn by_value(&mut self, event: C) {}
    fn without_event(&mut self) {}
    fn with_more(&mut self, event: &D, recorded: &Recorded, more: u8) {}
    fn returning(&mut self, event: &E) -> Result<()> {}
    unsafe fn generic<T>(&mut self, event: &F, recorded: &impl Is) {}
    #[cfg(a)]
    fn one_way(&mut self, event: &G) {}
    #[cfg(not(a))]
    fn other_way(&mut self, event: &G) {}
}
::core::compile_error! {
    "`#[apply]` takes no arguments: write `#[apply]`"
}
::core::compile_error! {
    "`good` and `again` both take `Good`: an event has one `#[apply]`, so merge them"
}
::core::compile_error! {
    "an `#[apply]` method borrows its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[apply]` method takes its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[apply]` method has no type parameters, since the registry holds one function: write the type"
}
::core::compile_error! {
    "an `#[apply]` method is called by safe code: remove `unsafe`"
}
::core::compile_error! {
    "the wiring names the types of an `#[apply]` method: write the type instead of `impl ..`"
}
::core::compile_error! {
    "an `#[apply]` method only computes: remove `async`"
}
::core::compile_error! {
    "an `#[apply]` method changes the state: write `&mut self` as its first parameter"
}
::core::compile_error! {
    "an `#[apply]` method takes its event and, if it needs it, `recorded: &Recorded`: remove this"
}
::core::compile_error! {
    "an `#[apply]` method returns nothing, since what happened cannot be refused: remove this, and check in the command handler"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Aggregate for Product {
        type Id = ProductId;
        const NAME: &'static __cqrs::str = "product";
        const EVENTS: &'static [&'static __cqrs::str] = &[
            <Good as __cqrs::Concerns<{ __cqrs::key("product") }, ProductId>>::TYPE,
            <F as __cqrs::Concerns<{ __cqrs::key("product") }, ProductId>>::TYPE,
            #[cfg(a)]
            <G as __cqrs::Concerns<{ __cqrs::key("product") }, ProductId>>::TYPE,
            #[cfg(not(a))]
            <G as __cqrs::Concerns<{ __cqrs::key("product") }, ProductId>>::TYPE,
        ];
        fn apply(
            &mut self,
            event: &__cqrs::Recorded,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match event.event_type.as_str() {
                <Good as __cqrs::Event>::NAME => {
                    self.good(&event.decode::<Good>()?);
                }
                <F as __cqrs::Event>::NAME => {
                    self.generic(&event.decode::<F>()?, event);
                }
                #[cfg(a)]
                <G as __cqrs::Event>::NAME => {
                    self.one_way(&event.decode::<G>()?);
                }
                #[cfg(not(a))]
                <G as __cqrs::Event>::NAME => {
                    self.other_way(&event.decode::<G>()?);
                }
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
