use super::{PlannedProjection, Problems};
use crate::store::{Blueprint, Fingerprint, ProjectionVersion};

impl PlannedProjection {
    /// The code of the projection.
    pub(crate) fn blueprint(&self) -> Blueprint {
        let folds = self.folds.iter().map(|fold| {
            let name = format!("#[on] fn {}", fold.name);
            (name, fold.fingerprint)
        });
        let setup = self.setup.iter().map(|setup| {
            let name = format!("#[setup] fn {}", setup.name);
            (name, setup.fingerprint)
        });
        let upcasters = self.upcasters.iter().map(|upcaster| {
            let name = format!("#[upcast] fn {}", upcaster.name);
            (name, upcaster.fingerprint)
        });
        let items = self.entry.other_items.iter();
        let others = items.map(|(name, fingerprint)| ((*name).to_owned(), *fingerprint));
        let models = self
            .models()
            .into_iter()
            .map(|model| (model.name.to_owned(), Fingerprint::new(model.fingerprint)));
        let mut events: Vec<String> = self
            .folds
            .iter()
            .map(|fold| fold.event.to_owned())
            .collect();
        events.sort();
        Blueprint {
            folds: folds
                .chain(setup)
                .chain(upcasters)
                .chain(others)
                .map(|(name, fingerprint)| (name, Fingerprint::new(fingerprint)))
                .collect(),
            models: models.collect(),
            events,
            partition: self.stored_partition.map(str::to_owned),
        }
    }

    /// Whether somebody says that this code makes the same views as that which the version was built by.
    pub(crate) fn is_said_to_be_unchanged(&self, blueprint: &Blueprint) -> bool {
        self.entry.unchanged == Some(blueprint.fingerprint().get())
    }

    /// Warns of an `unchanged` that names neither this code nor any by which the version was built.
    pub(crate) fn warn_of_unchanged(
        &self,
        blueprint: &Blueprint,
        stored: &[ProjectionVersion],
        warnings: &mut Problems,
    ) {
        let (name, version) = (self.entry.name, self.entry.version);
        let Some(unchanged) = self.entry.unchanged.map(Fingerprint::new) else {
            return;
        };
        let built = stored.iter().filter(|it| it.version == version);
        let known = built.flat_map(|it| &it.blueprints).chain([blueprint]);
        if known.map(Blueprint::fingerprint).any(|it| it == unchanged) {
            return;
        }
        warnings.add(
            format!(
                "`unchanged = \"{unchanged}\"` of projection `{name}` accepts nothing: it names neither this \
                 code nor any that has built version {version}"
            ),
            [self.entry.source],
            "nothing in its place: there is no change to accept",
        );
    }

    /// Reports that the version was built by other code.
    pub(crate) fn report_change(
        &self,
        blueprint: &Blueprint,
        stored: &[ProjectionVersion],
        problems: &mut Problems,
    ) {
        let (name, version) = (self.entry.name, self.entry.version);
        let built = stored.iter().find(|it| it.version == version);
        let built_by = built.and_then(|it| it.blueprints.last());
        let changes = built_by.map(|it| blueprint.changes_from(it));
        let next = stored.iter().map(|it| it.version).max().unwrap_or(version) + 1;
        let other = self.entry.unchanged.map(|unchanged| {
            let unchanged = Fingerprint::new(unchanged);
            format!("; `unchanged = \"{unchanged}\"` accepts other code than this")
        });
        problems.add(
            format!(
                "version {version} of projection `{name}` was built by other code: {}{}",
                changes.unwrap_or_default().join(", "),
                other.unwrap_or_default()
            ),
            [self.entry.source],
            format!(
                "`version = {next}` in its attribute, which builds new read models beside these. If the \
                 change makes no difference to any view, `unchanged = \"{}\"` instead",
                blueprint.fingerprint()
            ),
        );
    }
}
