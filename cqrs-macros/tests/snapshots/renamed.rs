impl Item {
    fn listed(&mut self, _: &ItemListed) {}
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Aggregate for Item {
        type Id = u32;
        const NAME: &'static __cqrs::str = "item";
        const WAS: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some("product");
        const EVENTS: &'static [&'static __cqrs::str] = &[
            <ItemListed as __cqrs::Concerns<{ __cqrs::key("item") }, u32, Self>>::TYPE,
        ];
        const STORAGE: __cqrs::Storage = __cqrs::Storage::Events;
        const READS_RECORDED: __cqrs::bool = false;
        fn tags(id: &u32) -> __cqrs::Tags {
            __cqrs::Tags::from(<u32 as __cqrs::AggregateId>::tag(id, "item"))
        }
        fn apply(
            &mut self,
            event: &__cqrs::Envelope<'_>,
            _: &__cqrs::Tag,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match event.event_type.as_str() {
                <ItemListed as __cqrs::Concerns<
                    { __cqrs::key("item") },
                    u32,
                    Self,
                >>::TYPE => {
                    let decoded = event.decode::<ItemListed>()?;
                    self.listed(&decoded);
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
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Borrowed<__C, __ROLE> for Item
    where
        __C: __cqrs::HasId<
            { __cqrs::key("item") },
            u32,
            __ROLE,
            Self,
            Id: __cqrs::IdOf<Self, u32, __C>,
        >,
    {
        fn describe() -> __cqrs::Input {
            __cqrs::Input::aggregate::<Self>()
        }
        fn load(command: &__C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
            loads
                .add::<Self>(place, __cqrs::IdOf::<Self, u32, __C>::id_of(command.id()));
        }
        fn take<'a>(
            scope: &'a __cqrs::CommandScope<'a>,
            place: __cqrs::usize,
        ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
            scope.state(place)
        }
    }
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Listed<__C, __ROLE> for Item
    where
        __C: __cqrs::HasIds<
            { __cqrs::key("item") },
            u32,
            __ROLE,
            Self,
            Id: __cqrs::IdOf<Self, u32, __C>,
        >,
    {
        type Id = u32;
        fn ids(command: &__C) -> __cqrs::Vec<&u32> {
            command
                .ids()
                .into_iter()
                .map(__cqrs::IdOf::<Self, u32, __C>::id_of)
                .collect()
        }
    }
    impl<'a> __cqrs::ApplyInput<'a, u32, Item> for &'a u32 {
        const IS_ID: __cqrs::bool = true;
        fn take(
            event: &'a __cqrs::Envelope<'_>,
            id: impl __cqrs::FnOnce() -> __cqrs::Option<Self>,
        ) -> __cqrs::Result<Self, __cqrs::Error> {
            __cqrs::concerned(event, id())
        }
    }
    impl __cqrs::StoredApplyInput<Item> for &u32 {}
    const _: () = {
        let knows_id = __cqrs::any(&[]);
        __cqrs::assert!(
            knows_id || ! < ItemListed as __cqrs::Concerns < { __cqrs::key("item") },
            u32, Item > > ::SEVERAL,
            "`ItemListed` concerns several aggregates of this type, and `listed` does not know which of them it folds: write `id: &u32` after the event, or `_: &u32` if it makes no difference"
        );
        let () = <<ItemListed as __cqrs::Concerns<
            { __cqrs::key("item") },
            u32,
            Item,
        >>::Id as __cqrs::IdOf<Item, u32, ItemListed>>::FITS;
    };
    __cqrs::submit! {
        __cqrs::AggregateEntry::of:: < Item > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() })
    }
};
impl ItemList {
    fn listed(_: &ItemListed) {}
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projection for ItemList {
        const NAME: &'static __cqrs::str = "items";
        const WAS: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some("products");
        const VERSION: __cqrs::u32 = 1u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            let mut folds = __cqrs::Vec::new();
            folds
                .push(__cqrs::Fold {
                    name: "listed",
                    line: __cqrs::line!(),
                    fingerprint: 8513701552265528578u64,
                    event: __cqrs::wire_name::<ItemListed>(),
                    inputs: __cqrs::Vec::from([]),
                    run: |recorded, _| __cqrs::Reply::now(|| {
                        let event = recorded.decode::<ItemListed>()?;
                        <() as __cqrs::IntoHandlerResult>::into_handler_result(
                            Self::listed(&event),
                        )
                    }),
                });
            folds
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < ItemList > ()
    }
};
impl Listing {
    fn listed(&mut self, _: &ItemListed) {}
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::ProcessManager for Listing {
        type Id = u32;
        const NAME: &'static __cqrs::str = "listing";
        const WAS: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some("offer");
        const KEY: &'static __cqrs::str = "item";
        const FINGERPRINT: __cqrs::u64 = 608834016792496663u64;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn steps() -> __cqrs::Vec<__cqrs::Step<Self>> {
            let mut steps: __cqrs::Vec<__cqrs::Step<Self>> = __cqrs::Vec::new();
            steps
                .push(__cqrs::Step {
                    name: "listed",
                    line: __cqrs::line!(),
                    kind: __cqrs::StepKind::Start,
                    event: __cqrs::Some(
                        <ItemListed as __cqrs::Correlated<
                            { __cqrs::key("item") },
                            u32,
                            Self,
                        >>::TYPE,
                    ),
                    effects: <() as __cqrs::IntoStep>::kinds,
                    run: |process, scope| {
                        let event = <ItemListed as __cqrs::Correlated<
                            { __cqrs::key("item") },
                            u32,
                            Self,
                        >>::decode(scope.recorded())?;
                        <() as __cqrs::IntoStep>::into_effects(process.listed(&event))
                    },
                });
            steps
        }
    }
    impl<'a> __cqrs::StepInput<'a, u32, Listing> for &'a u32 {
        fn take(
            recorded: &'a __cqrs::Recorded,
            id: __cqrs::Option<Self>,
        ) -> __cqrs::Result<Self, __cqrs::Error> {
            __cqrs::correlated(recorded, id)
        }
    }
    const _: () = {
        let _ = <ItemListed as __cqrs::Correlated<
            { __cqrs::key("item") },
            u32,
            Listing,
        >>::SEVERAL;
        <<ItemListed as __cqrs::Correlated<
            { __cqrs::key("item") },
            u32,
            Listing,
        >>::Id as __cqrs::CorrelationId<Listing, u32, ItemListed>>::FITS
    };
    __cqrs::submit! {
        __cqrs::ProcessEntry::of:: < Listing > ().with_schemas(|| __cqrs::Probe:: <
        Listing > ::new().schemas())
    }
};
fn announce_item(_: ItemListed) {}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Handler {}
    impl __cqrs::EventHandler for __Handler {
        type Event = ItemListed;
        const NAME: &'static __cqrs::str = "announce_item";
        const WAS: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(
            "announce_product",
        );
        const FROM_START: __cqrs::bool = true;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([])
        }
        fn sends() -> __cqrs::Vec<&'static __cqrs::str> {
            <() as __cqrs::IntoReaction>::sends()
        }
        fn handle<'a>(
            event: Self::Event,
            _: &'a __cqrs::ReactionScope<'a>,
        ) -> __cqrs::ReactionReply<'a> {
            __cqrs::Reply::now(|| {
                <() as __cqrs::IntoReaction>::into_reaction(announce_item(event))
            })
        }
    }
    __cqrs::submit! {
        __cqrs::ReactionEntry::of:: < __Handler > ()
    }
};
