use std::collections::BTreeSet;

use super::{
    Blueprint, BoxFuture, EventQuery, EventQueryItem, EventType, Replacement, ReplacementOutcome,
    StoreError,
};
use crate::Timestamp;

/// The versions of projections: which there are, what they were built by, and which one is live.
///
/// The views of each version have tables of their own, and each version a subscription of its own, so
/// versions are built beside each other. Queries of a program whose own version was never live are answered
/// from the live one.
///
/// A view store offers it with [`ViewCapabilities::versions`](super::ViewCapabilities::versions).
pub trait VersionStore: Send + Sync + 'static {
    /// The registered versions of a projection, in order. Empty for a projection that never was.
    fn versions(
        &self,
        projection: String,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>>;

    /// Changes the versions of a projection in one step, as [`VersionChange::apply`] tells, and returns them
    /// as they are then. Unchanged if that is `None`.
    fn change_versions(
        &self,
        change: VersionChange,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>>;

    /// Removes a version in one step: its registration, the tables of its read models, and everything that
    /// its subscriptions had, except for the epochs of the shards, which must not begin again. Returns `false`,
    /// and does nothing, if [`VersionRemoval::apply`] refuses it, or a process attends for one of them.
    fn remove_version(&self, removal: VersionRemoval) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Puts views that were built again in the place of those of a version, in one step: their tables, their
    /// shards as [`Replacement::apply`] tells, and their parked keys. Drops the former tables, and forgets what
    /// the subscription has done that built the views, except for the epochs of its shards. A store that has to wait for
    /// those who use the tables gives up after a fraction of a second, since queries may wait behind it.
    fn replace_views(
        &self,
        replacement: Replacement,
    ) -> BoxFuture<'_, Result<ReplacementOutcome, StoreError>>;
}

/// A registered version of a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectionVersion {
    /// The version.
    pub version: u32,
    /// The code that it began with, and then other code that was accepted as equivalent.
    pub blueprints: Vec<Blueprint>,
    /// Time of the registration, with the precision of a microsecond.
    pub began: Timestamp,
    /// Whether it is the live one. One version of a projection is.
    pub is_live: bool,
    /// Whether it has been live, and so has been complete.
    pub was_live: bool,
    /// Whether it becomes live only by hand.
    pub is_held: bool,
}

/// A change to the versions of a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionChange {
    /// Name of the projection.
    pub projection: String,
    /// The version.
    pub version: u32,
    /// Its change.
    pub step: VersionStep,
}

/// The change of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionStep {
    /// Registers it, unless it is. The first version of a projection is live at once.
    Register {
        /// The code of the program.
        blueprint: Blueprint,
        /// The time.
        began: Timestamp,
        /// Whether it is to be held.
        is_held: bool,
    },
    /// Adds code that makes the same views as that of the version.
    Accept(Blueprint),
    /// Lets it become live by hand only, if it is not live.
    Hold,
    /// Makes it the live one.
    Switch {
        /// Whether an operator does that. Otherwise, a version that is held stays as it is.
        by_hand: bool,
    },
}

/// A version to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRemoval {
    /// Name of the projection.
    pub projection: String,
    /// The version.
    pub version: u32,
    /// Names of its subscription, and of those by which its views may have been built again.
    pub subscriptions: Vec<String>,
    /// The names of the tables of its read models, some of which may not exist. See [`ModelSchema::table`](super::ModelSchema::table).
    pub tables: Vec<String>,
    /// Whether it may be the live one, if that is the only version: it has not handled any event.
    pub may_be_live: bool,
}

impl VersionChange {
    /// The versions after the change, in order. `None` if that changes nothing.
    pub fn apply(&self, stored: &[ProjectionVersion]) -> Option<Vec<ProjectionVersion>> {
        let mut versions = stored.to_vec();
        let place = versions.binary_search_by_key(&self.version, |it| it.version);
        match (&self.step, place) {
            (
                VersionStep::Register {
                    blueprint,
                    began,
                    is_held,
                },
                Err(place),
            ) => {
                let is_first = versions.is_empty();
                let new = ProjectionVersion {
                    version: self.version,
                    blueprints: vec![blueprint.clone()],
                    began: *began,
                    is_live: is_first,
                    was_live: is_first,
                    is_held: *is_held && !is_first,
                };
                versions.insert(place, new);
            }
            (VersionStep::Accept(blueprint), Ok(place))
                if !stored[place].is_built_by(blueprint) =>
            {
                versions[place].blueprints.push(blueprint.clone());
            }
            (VersionStep::Hold, Ok(place)) => {
                versions[place].is_held = !versions[place].is_live;
            }
            (VersionStep::Switch { by_hand }, Ok(place)) if *by_hand || !stored[place].is_held => {
                for version in &mut versions {
                    version.is_live = version.version == self.version;
                }
                versions[place].was_live = true;
                versions[place].is_held = false;
            }
            _ => return None,
        }
        (versions != stored).then_some(versions)
    }
}

impl VersionRemoval {
    /// The versions that are left, in order. `None` if the version is not registered, or may not be removed.
    pub fn apply(&self, stored: &[ProjectionVersion]) -> Option<Vec<ProjectionVersion>> {
        let found = stored.iter().find(|it| it.version == self.version)?;
        let is_removable = !found.is_live || (self.may_be_live && stored.len() == 1);
        is_removable.then(|| {
            let others = stored.iter().filter(|it| it.version != self.version);
            others.cloned().collect()
        })
    }
}

impl ProjectionVersion {
    /// The events that it folds.
    pub fn query(&self) -> EventQuery {
        let blueprints = self.blueprints.iter();
        let mut events: Vec<&str> = blueprints
            .flat_map(|blueprint| &blueprint.events)
            .map(String::as_str)
            .collect();
        events.sort_unstable();
        events.dedup();
        EventQuery::Items(vec![EventQueryItem {
            types: events.into_iter().map(EventType::from).collect(),
            tags: Vec::new(),
        }])
    }

    /// The names of its read models.
    pub(crate) fn models(&self) -> BTreeSet<&str> {
        let blueprints = self.blueprints.iter();
        let models = blueprints.flat_map(|blueprint| blueprint.models.keys());
        models.map(String::as_str).collect()
    }

    /// The name of the tag by which its events may be divided.
    pub fn partition(&self) -> Option<&str> {
        let mut blueprints = self.blueprints.iter();
        blueprints.find_map(|blueprint| blueprint.partition.as_deref())
    }

    /// Whether the version was built by code that makes the same views.
    pub fn is_built_by(&self, blueprint: &Blueprint) -> bool {
        let mut known = self.blueprints.iter();
        known.any(|it| it.is_equivalent(blueprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Fingerprint;

    fn blueprint(number: u64) -> Blueprint {
        let folds = [("#[on] fn opened".to_owned(), Fingerprint::new(number))];
        Blueprint {
            folds: folds.into(),
            ..Blueprint::default()
        }
    }

    /// The versions after these steps.
    fn after(steps: &[(u32, VersionStep)]) -> Vec<ProjectionVersion> {
        let mut versions = Vec::new();
        for (version, step) in steps {
            let change = VersionChange {
                projection: "test".to_owned(),
                version: *version,
                step: step.clone(),
            };
            versions = change.apply(&versions).unwrap_or(versions);
        }
        versions
    }

    fn register(number: u64, is_held: bool) -> VersionStep {
        VersionStep::Register {
            blueprint: blueprint(number),
            began: Timestamp::UNIX_EPOCH,
            is_held,
        }
    }

    /// Version, live, was live, held.
    fn flags(versions: &[ProjectionVersion]) -> Vec<(u32, bool, bool, bool)> {
        let flags = versions
            .iter()
            .map(|it| (it.version, it.is_live, it.was_live, it.is_held));
        flags.collect()
    }

    const SWITCH: VersionStep = VersionStep::Switch { by_hand: false };
    const BY_HAND: VersionStep = VersionStep::Switch { by_hand: true };

    #[test]
    fn the_first_version_is_live_and_others_become_so() {
        let built = [(2, register(1, true)), (3, register(2, false))];
        let both = [(2, true, true, false), (3, false, false, false)];
        assert_eq!(flags(&after(&built)), both);
        let switched = after(&[&built[..], &[(3, SWITCH)]].concat());
        assert_eq!(
            flags(&switched),
            [(2, false, true, false), (3, true, true, false)]
        );
        let earlier = after(&[&built[..], &[(1, register(0, false))]].concat());
        assert_eq!(earlier[0].version, 1, "in order");
    }

    #[test]
    fn a_version_that_is_held_becomes_live_by_hand() {
        let held = [(1, register(1, false)), (2, register(2, true))];
        let waiting = [(1, true, true, false), (2, false, false, true)];
        assert_eq!(
            flags(&after(&[&held[..], &[(2, SWITCH)]].concat())),
            waiting
        );
        let later = [(1, register(1, false)), (2, register(2, false))];
        let steps = [&later[..], &[(2, VersionStep::Hold), (2, SWITCH)]].concat();
        assert_eq!(flags(&after(&steps)), waiting);
        let switched = after(&[&held[..], &[(2, BY_HAND), (2, VersionStep::Hold)]].concat());
        assert_eq!(
            flags(&switched),
            [(1, false, true, false), (2, true, true, false)]
        );
    }

    #[test]
    fn code_is_accepted_once_and_registered_once() {
        let steps = [
            (1, register(1, false)),
            (1, register(2, false)),
            (1, VersionStep::Accept(blueprint(3))),
            (1, VersionStep::Accept(blueprint(1))),
            (1, VersionStep::Accept(blueprint(3))),
            (2, VersionStep::Accept(blueprint(4))),
        ];
        let versions = after(&steps);
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0].blueprints, [blueprint(1), blueprint(3)]);
        assert!(versions[0].is_built_by(&blueprint(3)) && !versions[0].is_built_by(&blueprint(2)));
    }

    #[test]
    fn a_live_version_is_not_removed() {
        let versions = after(&[(1, register(1, false)), (2, register(2, false))]);
        let removal = |version| VersionRemoval {
            projection: "test".to_owned(),
            version,
            subscriptions: vec![format!("projection:test:{version}")],
            tables: Vec::new(),
            may_be_live: false,
        };
        assert_eq!(removal(1).apply(&versions), None);
        assert_eq!(removal(3).apply(&versions), None);
        let left = removal(2).apply(&versions).expect("it is not live");
        assert_eq!(flags(&left), [(1, true, true, false)]);
        // Only if there is no other one that could be live.
        let unused = VersionRemoval {
            may_be_live: true,
            ..removal(1)
        };
        assert_eq!(unused.apply(&versions), None);
        assert_eq!(unused.apply(&left), Some(Vec::new()));
    }
}
