/// What the permission of an actor that stands for a role begins with. No message has such a permission from a token.
pub(super) const ROLE: &str = "role:";
