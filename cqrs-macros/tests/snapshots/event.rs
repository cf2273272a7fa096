const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for ProductCreated {
        const NAME: &'static __cqrs::str = "product-created";
        const VERSION: __cqrs::u32 = 2u32;
        fn tags(&self, tags: &mut __cqrs::Tags) {
            tags.add("product", &self.product_id);
            for id in &self.categories {
                tags.add("category", id);
            }
            for id in &self.parts {
                tags.add("product", id);
            }
        }
    }
    impl __cqrs::Concerns<{ __cqrs::key("product") }, ProductId> for ProductCreated {}
    impl __cqrs::Concerns<
        { __cqrs::key("category") },
        <Vec<CategoryId> as __cqrs::IntoIterator>::Item,
    > for ProductCreated {}
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < ProductCreated > (& ["product", "category"],
        __cqrs::Source { file : __cqrs::file!(), line : __cqrs::line!(), module :
        __cqrs::module_path!() }, "A product is there.", || __cqrs::Probe:: <
        ProductCreated > ::new().schema())
    }
};
