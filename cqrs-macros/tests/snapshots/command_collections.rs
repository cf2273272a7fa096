const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for MoveMoney {
        type Error = __cqrs::Rejected;
        type Handler = __cqrs::CommandFn<MoveMoney>;
        const NAME: &'static __cqrs::str = "MoveMoney";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<MoveMoney>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::CommandFn<MoveMoney>> {
            static CELL: __cqrs::HandlerCell<__cqrs::CommandFn<MoveMoney>> = __cqrs::HandlerCell::new();
            &CELL
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        __Expected,
        __A,
    > __cqrs::HasIds<
        { __cqrs::key("account") },
        __Expected,
        { __cqrs::key("from") },
        __A,
    > for MoveMoney {
        type Id = <BTreeSet<AccountId> as __cqrs::AggregateIds>::Id;
        fn ids(&self) -> __cqrs::Vec<&Self::Id> {
            <BTreeSet<AccountId> as __cqrs::AggregateIds>::ids(&self.from_ids)
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        __Expected,
        __A,
    > __cqrs::HasIds<{ __cqrs::key("account") }, __Expected, { __cqrs::key("to") }, __A>
    for MoveMoney {
        type Id = <Vec<AccountId> as __cqrs::AggregateIds>::Id;
        fn ids(&self) -> __cqrs::Vec<&Self::Id> {
            <Vec<AccountId> as __cqrs::AggregateIds>::ids(&self.r#to)
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        const __ROLE: __cqrs::u64,
        __Expected,
        __A,
    > __cqrs::HasId<{ __cqrs::key("account") }, __Expected, __ROLE, __A> for MoveMoney {
        type Id = AccountId;
        fn id(&self) -> &AccountId {
            &self.fees
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < MoveMoney > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < MoveMoney > ::new().schema()).with_fields(&
        [__cqrs::Field::new("from_ids", "BTreeSet<AccountId>", "").of("account"),
        __cqrs::Field::new("to", "Vec<AccountId>", "").of("account"),
        __cqrs::Field::new("fees", "AccountId", "").of("account")])
    }
};
