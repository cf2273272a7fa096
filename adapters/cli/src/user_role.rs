/// A role of an actor, with its permissions.
#[derive(Clone)]
pub(crate) struct UserRole {
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
}
