const _: () = {
    #[allow(unused_imports)]
    use cqrs::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for NightFell {
        const NAME: &'static __cqrs::str = "night-fell";
        const VERSION: __cqrs::u32 = 1u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < NightFell > (& [], __cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < NightFell > ::new().schema()).with_schemas(||
        __cqrs::Probe:: < NightFell > ::new().schemas()).with_retired(& ["day-ended",
        "dusk-fell"])
    }
};
