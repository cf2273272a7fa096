::core::compile_error! {
    "`name` is given twice: keep one"
}
::core::compile_error! {
    "`error` takes a type, without quotes: write `error = TheType`"
}
::core::compile_error! {
    "`name` takes a string: write `name = \"..\"`"
}
::core::compile_error! {
    "`crate` takes the framework's path: write `crate = \"my_crate::cqrs\"`"
}
::core::compile_error! {
    "unknown key `permision`: did you mean `permission`? known keys: `error`, `permission`, `name`, `crate`"
}
::core::compile_error! {
    "`#[id]` says of which aggregate: write `#[id(Product)]`"
}
::core::compile_error! {
    "a field has one `#[id(..)]`: remove this one"
}
::core::compile_error! {
    "unknown word `eahc`: did you mean `each`? known words: `each`"
}
::core::compile_error! {
    "an aggregate's name begins its tags, `product:P001`: it has letters in it and no colon"
}
::core::compile_error! {
    "write the aggregate, or its name as a string: `#[id(Product)]`"
}
::core::compile_error! {
    "a command loads one aggregate per `#[id(..)]`: `each` is for events; remove it, or write one field per aggregate"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for Create {
        type Error = __cqrs::Infallible;
        const NAME: &'static __cqrs::str = "Create";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Create>::new().check(self)
        }
        fn cell() -> &'static __cqrs::CommandCell<Self> {
            static CELL: __cqrs::CommandCell<Create> = __cqrs::CommandCell::new();
            &CELL
        }
    }
    impl __cqrs::HasId<{ __cqrs::key("product") }, B, { __cqrs::key("b") }> for Create {
        fn id(&self) -> &B {
            &self.b
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < Create > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < Create > ::new().schema())
    }
};
