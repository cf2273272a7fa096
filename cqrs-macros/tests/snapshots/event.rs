const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for ProductCreated {
        const NAME: &'static __cqrs::str = "product-created";
        const VERSION: __cqrs::u32 = 2u32;
        fn tags(&self, tags: &mut __cqrs::Tags) {
            tags.push(
                <ProductId as __cqrs::AggregateId>::tag(&self.product_id, "product"),
            );
            <Vec<
                CategoryId,
            > as __cqrs::AggregateIds>::tag_each(&self.categories, "category", tags);
            <Vec<
                ProductId,
            > as __cqrs::AggregateIds>::tag_each(&self.parts, "product", tags);
        }
    }
    impl<__A> __cqrs::Concerns<{ __cqrs::key("product") }, ProductId, __A>
    for ProductCreated {
        const SEVERAL: __cqrs::bool = true;
        fn concerned(&self, tag: &__cqrs::Tag) -> __cqrs::Option<&ProductId> {
            if <ProductId as __cqrs::AggregateId>::tag(&self.product_id, "product")
                == *tag
            {
                return __cqrs::Some(&self.product_id);
            }
            if let __cqrs::Some(id) = <Vec<
                ProductId,
            > as __cqrs::AggregateIds>::find(&self.parts, "product", tag) {
                return __cqrs::Some(id);
            }
            __cqrs::None
        }
    }
    impl<
        __A,
    > __cqrs::Concerns<
        { __cqrs::key("category") },
        <Vec<CategoryId> as __cqrs::AggregateIds>::Id,
        __A,
    > for ProductCreated {
        const SEVERAL: __cqrs::bool = false;
        fn concerned(
            &self,
            tag: &__cqrs::Tag,
        ) -> __cqrs::Option<&<Vec<CategoryId> as __cqrs::AggregateIds>::Id> {
            if let __cqrs::Some(id) = <Vec<
                CategoryId,
            > as __cqrs::AggregateIds>::find(&self.categories, "category", tag) {
                return __cqrs::Some(id);
            }
            __cqrs::None
        }
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < ProductCreated > (& ["product", "category"],
        __cqrs::Source { file : __cqrs::file!(), line : __cqrs::line!(), module :
        __cqrs::module_path!() }, "A product is there.", || __cqrs::Probe:: <
        ProductCreated > ::new().schema())
    }
};
