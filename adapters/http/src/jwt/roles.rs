use std::collections::BTreeMap;
use std::path::Path;

use cqrs_core::app::AccessRequest;
use cqrs_core::{Actor, Authorizer};
use serde::Deserialize;

use super::role::ROLE;
use super::setup_error::SetupError;
use super::watched_file::WatchedFile;

/// An authorizer that admits by roles. A file says what each role may do, and may give roles to actors by name, beside those
/// of their tokens:
///
/// ```toml
/// [roles]
/// clerk = ["accounts.open", "accounts.read"]
/// auditor = ["accounts.read", "log.*"]
/// admin = ["*"]
///
/// [actors]
/// ann = ["admin"]
/// ```
///
/// With the extension `json`, it is JSON of the same form. It is read again within a second of a change, also for watches
/// that go on; one that is not valid then is reported to `tracing`, and the roles of before stay. An actor of the program,
/// such as that of a process manager, is admitted by the permissions that it [holds](Actor::holds).
///
/// The file also answers what an actor holds in handlers and in functions of rows.
pub struct Roles(WatchedFile<RoleTable>);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    /// The permissions of each role.
    #[serde(default)]
    roles: BTreeMap<String, Vec<String>>,
    /// Roles by the name of the actor.
    #[serde(default)]
    actors: BTreeMap<String, Vec<String>>,
}

impl Roles {
    /// Reads the roles from a TOML or JSON file.
    ///
    /// # Errors
    /// If the file cannot be read, is not valid, or gives an actor a role that it does not have.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        WatchedFile::open(path.as_ref(), RoleTable::read).map(Self)
    }
}

impl Authorizer for Roles {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let permission = request.permission;
        if request
            .actor
            .is_some_and(|actor| self.holds(actor, permission))
        {
            return Ok(());
        }
        Err(format!("it needs the permission `{permission}`"))
    }

    fn holds(&self, actor: &Actor, permission: &str) -> bool {
        // What begins like a role is one, which a token may have named, and no permission.
        let own = !permission.starts_with(ROLE) && actor.holds(permission);
        own || self.0.get().admits(actor, permission)
    }
}

impl RoleTable {
    fn read(path: &Path, text: &str) -> Result<Self, String> {
        let extension = path.extension().and_then(|it| it.to_str());
        let is_json = extension.is_some_and(|it| it.eq_ignore_ascii_case("json"));
        let table: Self = if is_json {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            toml::from_str(text).map_err(|error| error.to_string())?
        };
        let mut given = table.actors.iter().flat_map(|(actor, roles)| {
            let pairs = roles.iter();
            pairs.map(move |role| (actor, role))
        });
        match given.find(|(_, role)| !table.roles.contains_key(*role)) {
            Some((actor, role)) => Err(format!("there is no role `{role}`, which `{actor}` has")),
            None => Ok(table),
        }
    }

    fn admits(&self, actor: &Actor, permission: &str) -> bool {
        let own = self.actors.get(actor.name());
        self.roles.iter().any(|(role, permissions)| {
            permissions.iter().any(|it| covers(it, permission))
                && (own.is_some_and(|own| own.contains(role))
                    || actor.holds(&format!("{ROLE}{role}")))
        })
    }
}

/// `log.*` covers all that begins with `log.`.
fn covers(given: &str, permission: &str) -> bool {
    match given.strip_suffix('*') {
        Some(start) => permission.starts_with(start),
        None => given == permission,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cqrs_core::app::Action;

    use super::*;

    const TABLE: &str = r#"
        [roles]
        clerk = ["accounts.open"]
        auditor = ["log.*"]
        admin = ["*"]
        [actors]
        ann = ["admin"]
    "#;

    fn may(roles: &Roles, actor: Option<&Actor>, permission: &'static str) -> bool {
        let request = AccessRequest {
            actor,
            action: Action::Send,
            permission,
            message: "OpenAccount",
        };
        roles.authorize(&request).is_ok()
    }

    #[test]
    fn a_role_may_what_its_file_says() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("roles.toml");
        fs::write(&path, TABLE).expect("is written");
        let roles = Roles::file(&path).expect("is valid");
        let clerk = Actor::new("carl").with("role:clerk");
        let auditor = Actor::new("dora").with("role:auditor");
        let stranger = Actor::new("eve").with("role:unknown");
        assert!(may(&roles, Some(&clerk), "accounts.open"));
        assert!(!may(&roles, Some(&clerk), "accounts.opener"));
        assert!(!may(&roles, Some(&clerk), "log.read"));
        assert!(may(&roles, Some(&auditor), "log.read"));
        assert!(!may(&roles, Some(&auditor), "log"));
        assert!(may(&roles, Some(&Actor::new("ann")), "accounts.open"));
        assert!(!may(&roles, Some(&stranger), "accounts.open"));
        assert!(!may(&roles, None, "accounts.open"));
        // A token cannot hold a permission by calling it a role.
        assert!(!may(&roles, Some(&clerk), "role:clerk"));
        // An actor of the program has permissions.
        let process = Actor::new("checkout").with("accounts.open");
        assert!(may(&roles, Some(&process), "accounts.open"));
        // It answers handlers by the same file.
        assert!(roles.holds(&clerk, "accounts.open") && roles.holds(&auditor, "log.read"));
        assert!(!roles.holds(&clerk, "log.read") && !roles.holds(&clerk, "role:clerk"));
        assert!(roles.holds(&process, "accounts.open") && !clerk.holds("accounts.open"));
    }

    #[test]
    fn a_change_is_seen_and_a_broken_file_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("roles.json");
        let write = |text: &str| fs::write(&path, text).expect("is written");
        write(r#"{"roles": {"clerk": ["accounts.open"]}}"#);
        let roles = Roles::file(&path).expect("is valid");
        let clerk = Actor::new("carl").with("role:clerk");
        let may_open = |roles: &Roles| {
            roles.0.expire();
            may(roles, Some(&clerk), "accounts.open")
        };
        assert!(may_open(&roles));
        write(r#"{"roles": {"clerk": []}}"#);
        assert!(!may_open(&roles));
        write(r#"{"roles": {"clerk": ["accounts.open"]"#);
        assert!(!may_open(&roles));
        write(r#"{"roles": {"clerk": ["accounts.open"]}}"#);
        assert!(may_open(&roles));
        fs::remove_file(&path).expect("is removed");
        assert!(may_open(&roles));
    }

    #[test]
    fn what_is_no_table_of_roles_is_refused() {
        let read = |text: &str| RoleTable::read(Path::new("roles.toml"), text);
        for text in [
            "[roles",
            "[role]",
            "roles = 1",
            "[roles]\nclerk = \"accounts.open\"",
            "[actors]\nann = [\"admin\"]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("").is_ok());
        let missing = Roles::file("/nowhere/roles.toml");
        assert!(matches!(missing, Err(SetupError::Unreadable { .. })));
    }
}
