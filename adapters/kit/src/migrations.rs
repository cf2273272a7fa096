//! A numbered list of migrations.

/// The migrations of a database schema, in order. An empty database has version 0, the first migration
/// brings it to version 1, and so on. A released migration is never changed; new ones are added.
#[derive(Clone, Copy, Debug)]
pub struct Migrations(&'static [&'static str]);

impl Migrations {
    /// The migrations with these SQL texts.
    pub const fn new(texts: &'static [&'static str]) -> Self {
        Self(texts)
    }

    /// The version after the last migration.
    pub fn latest(self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// The migrations from `version` to the latest one, each with the version after it.
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
        assert_eq!(migrations.after(4).count(), 0, "of a newer program");
    }
}
