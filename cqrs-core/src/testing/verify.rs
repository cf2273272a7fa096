use crate::module::Module;
use crate::registry::Registry;
use crate::wiring::{Plan, Problems, Scope};

/// Checks all registered items of this process as `build` does, except for services, the authorizer
/// and the store, which depend on the program that builds a dispatcher.
///
/// # Panics
/// With the report, if the wiring has problems.
#[track_caller]
pub fn verify() {
    check(&Scope::default());
}

/// Checks these modules. See [`verify`].
///
/// # Panics
/// With the report, if the wiring has problems.
#[track_caller]
pub fn verify_modules(modules: impl IntoIterator<Item = Module>) {
    let mut scope = Scope::default();
    modules.into_iter().for_each(|module| scope.add(module));
    check(&scope);
}

#[track_caller]
fn check(scope: &Scope) {
    let mut problems = Problems::default();
    Plan::new(Registry::get(), scope, &mut problems);
    assert!(problems.is_empty(), "{}", problems.into_error());
}
