impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "`ids(..)` has two ids or more: write `ids(Student = StudentId, Course = CourseId)`, or `id = TheId` for an aggregate of one id"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "`ids` takes arguments in parentheses: write `ids(Student = StudentId, Course = CourseId)`"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "`ids` takes arguments in parentheses: write `ids(Student = StudentId, Course = CourseId)`"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "`ids` takes arguments in parentheses: write `ids(Student = StudentId, Course = CourseId)`"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "each id has a key and a type: write `ids(Student = StudentId, Course = CourseId)`"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "`student` is there twice: an aggregate has one id of each key, so remove this"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "write the aggregate, or its name as a string: `#[id(Product)]`"
}
impl Subscription {
    fn made(&mut self, event: &Made) {}
}
::core::compile_error! {
    "the state of an aggregate of several ids is not stored, but folded from the events that bear all of them: remove this"
}
::core::compile_error! {
    "the state of an aggregate of several ids is not stored, but folded from the events that bear all of them: remove this"
}
::core::compile_error! {
    "an aggregate of several ids has the names in `ids(..)` in its tags: remove this"
}
::core::compile_error! {
    "an aggregate has one id, `id = ..`, or several, `ids(..)`: remove one"
}
