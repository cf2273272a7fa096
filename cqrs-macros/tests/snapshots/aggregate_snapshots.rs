impl Account {
    fn opened(&mut self, _: &Opened) {}
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Aggregate for Account {
        type Id = AccountId;
        const NAME: &'static __cqrs::str = "account";
        const EVENTS: &'static [&'static __cqrs::str] = &[
            <Opened as __cqrs::Concerns<
                { __cqrs::key("account") },
                AccountId,
                Self,
            >>::TYPE,
        ];
        const STORAGE: __cqrs::Storage = __cqrs::Storage::Snapshots {
            every: 100u32,
        };
        const READS_RECORDED: __cqrs::bool = false;
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(
            "account:read",
        );
        fn tags(id: &AccountId) -> __cqrs::Tags {
            __cqrs::Tags::from(<AccountId as __cqrs::AggregateId>::tag(id, "account"))
        }
        fn apply(
            &mut self,
            event: &__cqrs::Envelope<'_>,
            _: &__cqrs::Tag,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match event.event_type.as_str() {
                <Opened as __cqrs::Concerns<
                    { __cqrs::key("account") },
                    AccountId,
                    Self,
                >>::TYPE => {
                    let decoded = event.decode::<Opened>()?;
                    self.opened(&decoded);
                }
                _ => {}
            }
            __cqrs::Ok(())
        }
        fn save(
            &self,
        ) -> __cqrs::Result<__cqrs::Option<__cqrs::Vec<__cqrs::u8>>, __cqrs::Error> {
            <Account as __cqrs::StorableState>::save(self, 10197710858211110341u64)
        }
        fn restore(body: &[__cqrs::u8]) -> __cqrs::Option<Self> {
            <Account as __cqrs::StorableState>::restore(body, 10197710858211110341u64)
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
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Borrowed<__C, __ROLE> for Account
    where
        __C: __cqrs::HasId<
            { __cqrs::key("account") },
            AccountId,
            __ROLE,
            Self,
            Id: __cqrs::IdOf<Self, AccountId, __C>,
        >,
    {
        fn describe() -> __cqrs::Input {
            __cqrs::Input::aggregate::<Self>()
        }
        fn load(command: &__C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
            loads
                .add::<
                    Self,
                >(place, __cqrs::IdOf::<Self, AccountId, __C>::id_of(command.id()));
        }
        fn take<'a>(
            scope: &'a __cqrs::CommandScope<'a>,
            place: __cqrs::usize,
        ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
            scope.state(place)
        }
    }
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Listed<__C, __ROLE> for Account
    where
        __C: __cqrs::HasIds<
            { __cqrs::key("account") },
            AccountId,
            __ROLE,
            Self,
            Id: __cqrs::IdOf<Self, AccountId, __C>,
        >,
    {
        type Id = AccountId;
        fn ids(command: &__C) -> __cqrs::Vec<&AccountId> {
            command
                .ids()
                .into_iter()
                .map(__cqrs::IdOf::<Self, AccountId, __C>::id_of)
                .collect()
        }
    }
    impl<'a> __cqrs::ApplyInput<'a, AccountId, Account> for &'a AccountId {
        const IS_ID: __cqrs::bool = true;
        fn take(
            event: &'a __cqrs::Envelope<'_>,
            id: impl __cqrs::FnOnce() -> __cqrs::Option<Self>,
        ) -> __cqrs::Result<Self, __cqrs::Error> {
            __cqrs::concerned(event, id())
        }
    }
    impl __cqrs::StoredApplyInput<Account> for &AccountId {}
    const _: () = {
        let knows_id = __cqrs::any(&[]);
        __cqrs::assert!(
            knows_id || ! < Opened as __cqrs::Concerns < { __cqrs::key("account") },
            AccountId, Account > > ::SEVERAL,
            "`Opened` concerns several aggregates of this type, and `opened` does not know which of them it folds: write `id: &AccountId` after the event, or `_: &AccountId` if it makes no difference"
        );
        let () = <<Opened as __cqrs::Concerns<
            { __cqrs::key("account") },
            AccountId,
            Account,
        >>::Id as __cqrs::IdOf<Account, AccountId, Opened>>::FITS;
    };
    __cqrs::submit! {
        __cqrs::AggregateEntry::of:: < Account > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() })
        .with_schemas(|| __cqrs::Probe:: < Account > ::new().schemas())
    }
};
