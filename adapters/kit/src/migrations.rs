//! A numbered list of migrations.

/// The migrations of a database's schema, in order. Each brings the schema from the version before,
/// its place in the list, to the next one: an empty database has version 0, and the first migration
/// makes version 1 of it. A migration that was released is never changed; new ones are added.
#[derive(Clone, Copy, Debug)]
pub struct Migrations(&'static [&'static str]);

impl Migrations {
    /// The migrations with these texts.
    pub const fn new(texts: &'static [&'static str]) -> Self {
        Self(texts)
    }

    /// The version that the last migration brings the schema to.
    pub fn latest(self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// The migrations that bring a schema of `version` to the latest, each with the version that it
    /// brings the schema to.
    pub fn after(self, version: i64) -> impl Iterator<Item = (i64, &'static str)> {
        let numbered = (1..).zip(self.0.iter().copied());
        numbered.filter(move |(number, _)| *number > version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_applied_to_older_schemas_only() {
        let migrations = Migrations::new(&["one", "two", "three"]);
        assert_eq!(migrations.latest(), 3);
        assert_eq!(
            migrations.after(1).collect::<Vec<_>>(),
            [(2, "two"), (3, "three")]
        );
        assert_eq!(migrations.after(0).count(), 3);
        assert_eq!(migrations.after(3).count(), 0);
        assert_eq!(migrations.after(4).count(), 0, "a newer program made it");
    }
}
