const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for MoveMoney {
        type Error = __cqrs::Rejected;
        const NAME: &'static __cqrs::str = "MoveMoney";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<MoveMoney>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::CommandCell<Self> {
            static CELL: __cqrs::CommandCell<MoveMoney> = __cqrs::CommandCell::new();
            &CELL
        }
    }
    impl<
        __A,
    > __cqrs::HasIds<
        { __cqrs::key("account") },
        <BTreeSet<AccountId> as __cqrs::AggregateIds>::Id,
        { __cqrs::key("from") },
        __A,
    > for MoveMoney {
        fn ids(
            &self,
        ) -> __cqrs::Vec<&<BTreeSet<AccountId> as __cqrs::AggregateIds>::Id> {
            <BTreeSet<AccountId> as __cqrs::AggregateIds>::ids(&self.from_ids)
        }
    }
    impl<
        __A,
    > __cqrs::HasIds<
        { __cqrs::key("account") },
        <Vec<AccountId> as __cqrs::AggregateIds>::Id,
        { __cqrs::key("to") },
        __A,
    > for MoveMoney {
        fn ids(&self) -> __cqrs::Vec<&<Vec<AccountId> as __cqrs::AggregateIds>::Id> {
            <Vec<AccountId> as __cqrs::AggregateIds>::ids(&self.r#to)
        }
    }
    impl<
        const __ROLE: __cqrs::u64,
        __A,
    > __cqrs::HasId<{ __cqrs::key("account") }, AccountId, __ROLE, __A> for MoveMoney {
        fn id(&self) -> &AccountId {
            &self.fees
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < MoveMoney > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < MoveMoney > ::new().schema())
    }
};
