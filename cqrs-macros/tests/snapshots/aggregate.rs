impl Product {
    const LIMIT: u32 = { 3 };
    fn created(&mut self, event: &ProductCreated) {
        self.exists = true;
    }
    /// At what price.
    #[cfg(feature = "prices")]
    fn r#move<'a>(&'a mut self, event: &'a events::Repriced, recorded: &Recorded) {
        self.price = event.new_price;
    }
    pub(crate) async fn other(&self) -> u32 {
        Self::LIMIT
    }
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Aggregate for Product {
        type Id = ProductId;
        const NAME: &'static __cqrs::str = "product";
        const EVENTS: &'static [&'static __cqrs::str] = &[
            <ProductCreated as __cqrs::Concerns<
                { __cqrs::key("product") },
                ProductId,
                Self,
            >>::TYPE,
            #[cfg(feature = "prices")]
            <events::Repriced as __cqrs::Concerns<
                { __cqrs::key("product") },
                ProductId,
                Self,
            >>::TYPE,
        ];
        const STORAGE: __cqrs::Storage = __cqrs::Storage::Events;
        const READS_RECORDED: __cqrs::bool = __cqrs::any(
            &[
                #[cfg(feature = "prices")]
                !<&Recorded as __cqrs::ApplyInput<'_, ProductId, Self>>::IS_ID,
            ],
        );
        fn tags(id: &ProductId) -> __cqrs::Tags {
            __cqrs::Tags::from(<ProductId as __cqrs::AggregateId>::tag(id, "product"))
        }
        fn apply(
            &mut self,
            event: &__cqrs::Envelope<'_>,
            tag: &__cqrs::Tag,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match event.event_type.as_str() {
                <ProductCreated as __cqrs::Concerns<
                    { __cqrs::key("product") },
                    ProductId,
                    Self,
                >>::TYPE => {
                    let decoded = event.decode::<ProductCreated>()?;
                    self.created(&decoded);
                }
                #[cfg(feature = "prices")]
                <events::Repriced as __cqrs::Concerns<
                    { __cqrs::key("product") },
                    ProductId,
                    Self,
                >>::TYPE => {
                    let decoded = event.decode::<events::Repriced>()?;
                    self.r#move(
                        &decoded,
                        <&Recorded as __cqrs::ApplyInput<
                            '_,
                            ProductId,
                            Self,
                        >>::take(
                            event,
                            || {
                                <events::Repriced as __cqrs::Concerns<
                                    { __cqrs::key("product") },
                                    ProductId,
                                    Self,
                                >>::concerned(&decoded, tag)
                                    .map(|id| <<events::Repriced as __cqrs::Concerns<
                                        { __cqrs::key("product") },
                                        ProductId,
                                        Self,
                                    >>::Id as __cqrs::IdOf<
                                        Self,
                                        ProductId,
                                        events::Repriced,
                                    >>::id_of(id))
                            },
                        )?,
                    );
                }
                _ => {}
            }
            __cqrs::Ok(())
        }
        fn save(
            &self,
        ) -> __cqrs::Result<__cqrs::Option<__cqrs::Vec<__cqrs::u8>>, __cqrs::Error> {
            __cqrs::Ok(__cqrs::None)
        }
        fn restore(_: &[__cqrs::u8]) -> __cqrs::Option<Self> {
            __cqrs::None
        }
        fn size(&self) -> __cqrs::usize {
            __cqrs::Probe::<Self>::new().size(self)
        }
        fn json(&self) -> __cqrs::Option<__cqrs::Value> {
            __cqrs::Probe::<Self>::new().json(self)
        }
        fn copy(&self) -> __cqrs::Option<Self> {
            __cqrs::Probe::<Self>::new().copy(self)
        }
    }
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Borrowed<__C, __ROLE> for Product
    where
        __C: __cqrs::HasId<
            { __cqrs::key("product") },
            ProductId,
            __ROLE,
            Self,
            Id: __cqrs::IdOf<Self, ProductId, __C>,
        >,
    {
        fn describe() -> __cqrs::Input {
            __cqrs::Input::aggregate::<Self>()
        }
        fn load(command: &__C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
            loads
                .add::<
                    Self,
                >(place, __cqrs::IdOf::<Self, ProductId, __C>::id_of(command.id()));
        }
        fn take<'a>(
            scope: &'a __cqrs::CommandScope<'a>,
            place: __cqrs::usize,
        ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
            scope.state(place)
        }
    }
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Listed<__C, __ROLE> for Product
    where
        __C: __cqrs::HasIds<
            { __cqrs::key("product") },
            ProductId,
            __ROLE,
            Self,
            Id: __cqrs::IdOf<Self, ProductId, __C>,
        >,
    {
        type Id = ProductId;
        fn ids(command: &__C) -> __cqrs::Vec<&ProductId> {
            command
                .ids()
                .into_iter()
                .map(__cqrs::IdOf::<Self, ProductId, __C>::id_of)
                .collect()
        }
    }
    impl<'a> __cqrs::ApplyInput<'a, ProductId, Product> for &'a ProductId {
        const IS_ID: __cqrs::bool = true;
        fn take(
            event: &'a __cqrs::Envelope<'_>,
            id: impl __cqrs::FnOnce() -> __cqrs::Option<Self>,
        ) -> __cqrs::Result<Self, __cqrs::Error> {
            __cqrs::concerned(event, id())
        }
    }
    impl __cqrs::StoredApplyInput<Product> for &ProductId {}
    const _: () = {
        let knows_id = __cqrs::any(&[]);
        __cqrs::assert!(
            knows_id || ! < ProductCreated as __cqrs::Concerns < { __cqrs::key("product")
            }, ProductId, Product > > ::SEVERAL,
            "`ProductCreated` concerns several aggregates of this type, and `created` does not know which of them it folds: write `id: &ProductId` after the event, or `_: &ProductId` if it makes no difference"
        );
        let () = <<ProductCreated as __cqrs::Concerns<
            { __cqrs::key("product") },
            ProductId,
            Product,
        >>::Id as __cqrs::IdOf<Product, ProductId, ProductCreated>>::FITS;
    };
    #[cfg(feature = "prices")]
    const _: () = {
        let knows_id = __cqrs::any(
            &[<&Recorded as __cqrs::ApplyInput<'_, ProductId, Product>>::IS_ID],
        );
        __cqrs::assert!(
            knows_id || ! < events::Repriced as __cqrs::Concerns < {
            __cqrs::key("product") }, ProductId, Product > > ::SEVERAL,
            "`events::Repriced` concerns several aggregates of this type, and `r#move` does not know which of them it folds: write `id: &ProductId` after the event, or `_: &ProductId` if it makes no difference"
        );
        let () = <<events::Repriced as __cqrs::Concerns<
            { __cqrs::key("product") },
            ProductId,
            Product,
        >>::Id as __cqrs::IdOf<Product, ProductId, events::Repriced>>::FITS;
    };
    __cqrs::submit! {
        __cqrs::AggregateEntry::of:: < Product > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() })
    }
};
