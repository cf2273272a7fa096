const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for Transfer {
        type Error = __cqrs::Rejected;
        type Handler = __cqrs::CommandFn<Transfer>;
        const NAME: &'static __cqrs::str = "Transfer";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Transfer>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::CommandFn<Transfer>> {
            static CELL: __cqrs::HandlerCell<__cqrs::CommandFn<Transfer>> = __cqrs::HandlerCell::new();
            &CELL
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        __Expected,
        __A,
    > __cqrs::HasId<{ __cqrs::key("account") }, __Expected, { __cqrs::key("from") }, __A>
    for Transfer {
        type Id = AccountId;
        fn id(&self) -> &AccountId {
            &self.from_id
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        __Expected,
        __A,
    > __cqrs::HasId<{ __cqrs::key("account") }, __Expected, { __cqrs::key("to") }, __A>
    for Transfer {
        type Id = AccountId;
        fn id(&self) -> &AccountId {
            &self.r#to
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < Transfer > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < Transfer > ::new().schema()).with_fields(&
        [__cqrs::Field::new("from_id", "AccountId", "").of("account"),
        __cqrs::Field::new("to", "AccountId", "").of("account")])
    }
};
