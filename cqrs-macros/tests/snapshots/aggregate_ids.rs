impl Subscription {
    fn subscribed(&mut self, _: &StudentSubscribed) {
        self.exists = true;
    }
    fn unsubscribed(&mut self, _: &StudentUnsubscribed, recorded: &Recorded) {
        self.exists = false;
    }
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Aggregate for Subscription {
        type Id = (StudentId, CourseId);
        const NAME: &'static __cqrs::str = "subscription";
        const EVENTS: &'static [&'static __cqrs::str] = &[
            <StudentSubscribed as __cqrs::ConcernsOneOf<
                { __cqrs::key("student") },
                StudentId,
                Self,
            >>::TYPE,
            <StudentUnsubscribed as __cqrs::ConcernsOneOf<
                { __cqrs::key("student") },
                StudentId,
                Self,
            >>::TYPE,
        ];
        const KEYS: &'static [&'static __cqrs::str] = &["student", "course"];
        const STORAGE: __cqrs::Storage = __cqrs::Storage::Events;
        const READS_RECORDED: __cqrs::bool = __cqrs::any(
            &[!<&Recorded as __cqrs::ApplyInput<'_, (StudentId, CourseId), Self>>::IS_ID],
        );
        fn tags(id: &(StudentId, CourseId)) -> __cqrs::Tags {
            __cqrs::Tags::from(
                __cqrs::Vec::from([
                    <StudentId as __cqrs::AggregateId>::tag(&id.0, "student"),
                    <CourseId as __cqrs::AggregateId>::tag(&id.1, "course"),
                ]),
            )
        }
        fn apply(
            &mut self,
            event: &__cqrs::Envelope<'_>,
            _: &__cqrs::Tag,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match event.event_type.as_str() {
                <StudentSubscribed as __cqrs::ConcernsOneOf<
                    { __cqrs::key("student") },
                    StudentId,
                    Self,
                >>::TYPE => {
                    let decoded = event.decode::<StudentSubscribed>()?;
                    self.subscribed(&decoded);
                }
                <StudentUnsubscribed as __cqrs::ConcernsOneOf<
                    { __cqrs::key("student") },
                    StudentId,
                    Self,
                >>::TYPE => {
                    let decoded = event.decode::<StudentUnsubscribed>()?;
                    self.unsubscribed(
                        &decoded,
                        <&Recorded as __cqrs::ApplyInput<
                            '_,
                            (StudentId, CourseId),
                            Self,
                        >>::take(event, || __cqrs::None)?,
                    );
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
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Borrowed<__C, __ROLE> for Subscription
    where
        __C: __cqrs::HasIdOf<
                { __cqrs::key("student") },
                StudentId,
                __ROLE,
                Self,
                Id: __cqrs::IdOf<Self, StudentId, __C>,
            >
            + __cqrs::HasIdOf<
                { __cqrs::key("course") },
                CourseId,
                __ROLE,
                Self,
                Id: __cqrs::IdOf<Self, CourseId, __C>,
            >,
    {
        fn describe() -> __cqrs::Input {
            __cqrs::Input::aggregate::<Self>()
        }
        fn load(command: &__C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
            loads
                .add_tagged::<
                    Self,
                >(
                    place,
                    __cqrs::Tags::from(
                        __cqrs::Vec::from([
                            <StudentId as __cqrs::AggregateId>::tag(
                                __cqrs::IdOf::<
                                    Self,
                                    StudentId,
                                    __C,
                                >::id_of(
                                    <__C as __cqrs::HasIdOf<
                                        { __cqrs::key("student") },
                                        StudentId,
                                        __ROLE,
                                        Self,
                                    >>::id(command),
                                ),
                                "student",
                            ),
                            <CourseId as __cqrs::AggregateId>::tag(
                                __cqrs::IdOf::<
                                    Self,
                                    CourseId,
                                    __C,
                                >::id_of(
                                    <__C as __cqrs::HasIdOf<
                                        { __cqrs::key("course") },
                                        CourseId,
                                        __ROLE,
                                        Self,
                                    >>::id(command),
                                ),
                                "course",
                            ),
                        ]),
                    ),
                );
        }
        fn take<'a>(
            scope: &'a __cqrs::CommandScope<'a>,
            place: __cqrs::usize,
        ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
            scope.state(place)
        }
    }
    impl<__C, const __ROLE: __cqrs::u64> __cqrs::Listed<__C, __ROLE> for Subscription
    where
        __C: __cqrs::ListsSeveral<Self>,
    {
        type Id = (StudentId, CourseId);
        fn ids(_: &__C) -> __cqrs::Vec<&(StudentId, CourseId)> {
            __cqrs::Vec::new()
        }
    }
    const _: () = {
        let knows_id = __cqrs::any(&[]);
        __cqrs::assert!(
            knows_id || ! < StudentSubscribed as __cqrs::ConcernsOneOf < {
            __cqrs::key("student") }, StudentId, Subscription > > ::SEVERAL,
            "`StudentSubscribed` concerns several aggregates of this type, and `subscribed` does not know which of them it folds: record an event for each"
        );
        __cqrs::assert!(
            knows_id || ! < StudentSubscribed as __cqrs::ConcernsOneOf < {
            __cqrs::key("course") }, CourseId, Subscription > > ::SEVERAL,
            "`StudentSubscribed` concerns several aggregates of this type, and `subscribed` does not know which of them it folds: record an event for each"
        );
        let () = <<StudentSubscribed as __cqrs::ConcernsOneOf<
            { __cqrs::key("student") },
            StudentId,
            Subscription,
        >>::Id as __cqrs::IdOf<Subscription, StudentId, StudentSubscribed>>::FITS;
        let () = <<StudentSubscribed as __cqrs::ConcernsOneOf<
            { __cqrs::key("course") },
            CourseId,
            Subscription,
        >>::Id as __cqrs::IdOf<Subscription, CourseId, StudentSubscribed>>::FITS;
    };
    const _: () = {
        let knows_id = __cqrs::any(
            &[
                <&Recorded as __cqrs::ApplyInput<
                    '_,
                    (StudentId, CourseId),
                    Subscription,
                >>::IS_ID,
            ],
        );
        __cqrs::assert!(
            knows_id || ! < StudentUnsubscribed as __cqrs::ConcernsOneOf < {
            __cqrs::key("student") }, StudentId, Subscription > > ::SEVERAL,
            "`StudentUnsubscribed` concerns several aggregates of this type, and `unsubscribed` does not know which of them it folds: record an event for each"
        );
        __cqrs::assert!(
            knows_id || ! < StudentUnsubscribed as __cqrs::ConcernsOneOf < {
            __cqrs::key("course") }, CourseId, Subscription > > ::SEVERAL,
            "`StudentUnsubscribed` concerns several aggregates of this type, and `unsubscribed` does not know which of them it folds: record an event for each"
        );
        let () = <<StudentUnsubscribed as __cqrs::ConcernsOneOf<
            { __cqrs::key("student") },
            StudentId,
            Subscription,
        >>::Id as __cqrs::IdOf<Subscription, StudentId, StudentUnsubscribed>>::FITS;
        let () = <<StudentUnsubscribed as __cqrs::ConcernsOneOf<
            { __cqrs::key("course") },
            CourseId,
            Subscription,
        >>::Id as __cqrs::IdOf<Subscription, CourseId, StudentUnsubscribed>>::FITS;
    };
    __cqrs::submit! {
        __cqrs::AggregateEntry::of:: < Subscription > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() })
    }
};
