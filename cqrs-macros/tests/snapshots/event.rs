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
    #[diagnostic::do_not_recommend]
    impl<__Expected, __A> __cqrs::Concerns<{ __cqrs::key("product") }, __Expected, __A>
    for ProductCreated {
        const TYPE: &'static __cqrs::str = "product-created";
        const SEVERAL: __cqrs::bool = true;
        const REPEATED: __cqrs::bool = true;
        type Id = ProductId;
        fn concerned(&self, tag: &__cqrs::Tag) -> __cqrs::Option<&Self::Id> {
            if <ProductId as __cqrs::AggregateId>::tag(&self.product_id, "product")
                == *tag
            {
                return __cqrs::Some(&self.product_id);
            }
            let found: __cqrs::Option<&Self::Id> = <Vec<
                ProductId,
            > as __cqrs::AggregateIds>::find(&self.parts, "product", tag);
            if found.is_some() {
                return found;
            }
            __cqrs::None
        }
    }
    #[diagnostic::do_not_recommend]
    impl<__Expected, __A> __cqrs::Concerns<{ __cqrs::key("category") }, __Expected, __A>
    for ProductCreated {
        const TYPE: &'static __cqrs::str = "product-created";
        const SEVERAL: __cqrs::bool = false;
        const REPEATED: __cqrs::bool = true;
        type Id = <Vec<CategoryId> as __cqrs::AggregateIds>::Id;
        fn concerned(&self, tag: &__cqrs::Tag) -> __cqrs::Option<&Self::Id> {
            let found: __cqrs::Option<&Self::Id> = <Vec<
                CategoryId,
            > as __cqrs::AggregateIds>::find(&self.categories, "category", tag);
            if found.is_some() {
                return found;
            }
            __cqrs::None
        }
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < ProductCreated > (& ["product", "category"],
        __cqrs::Source { file : __cqrs::file!(), line : __cqrs::line!(), module :
        __cqrs::module_path!() }, "A product is there.", || __cqrs::Probe:: <
        ProductCreated > ::new().schema()).with_schemas(|| __cqrs::Probe:: <
        ProductCreated > ::new().schemas()).with_fields(&
        [__cqrs::Field::new("product_id", "ProductId", "").of("product"),
        __cqrs::Field::new("categories", "Vec<CategoryId>", "").of("category"),
        __cqrs::Field::new("parts", "Vec<ProductId>", "").of("product"),
        __cqrs::Field::new("name", "String", "")]).with_repeated(& ["product",
        "category"])
    }
};
