use crate::module::Module;
use crate::registry::Registry;
use crate::wiring::{Plan, Problems, Scope};

/// Checks everything that is registered in this process, as `build` would, but for services, the
/// authorizer and the store, which only the program that builds a dispatcher knows.
///
/// # Panics
/// With the report, when something does not fit together.
#[track_caller]
pub fn verify() {
    check(&Scope::default());
}

/// Checks these modules; see [`verify`].
///
/// # Panics
/// With the report, when something does not fit together.
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
