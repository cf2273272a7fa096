use super::Decisions;
use super::load::Load;
use crate::error::Failure;
use crate::handler::{Inputs, LoadRequest};
use crate::message::ReadBack;
use crate::store::{Append, Tags};

impl Decisions {
    /// Checks that the newest state of each aggregate can fold the events of an append that no handler has
    /// decided about, as those of a handler are checked. Reads nothing if no aggregate has an `#[apply]` for
    /// them.
    pub(crate) async fn check_folds(
        &self,
        append: &Append,
        appender: &'static str,
    ) -> Result<(), Failure> {
        let unread = ReadBack::new();
        for (number, event) in append.events.iter().enumerate() {
            let aggregates = self.aggregates.iter();
            for aggregate in aggregates.filter(|it| it.folds(&event.event_type)) {
                let tags = event.tags.into_iter();
                for tag in tags.filter(|tag| tag.name() == aggregate.name) {
                    let mut loads = [Load::new(LoadRequest {
                        inputs: Inputs::NONE,
                        aggregate,
                        tags: Tags::from(tag.clone()),
                    })];
                    self.read(&mut loads, appender).await?;
                    let [mut load] = loads;
                    let recorded = load.provisional(append, number, event);
                    let envelope = unread.envelope(number, event);
                    load.fold(&envelope.provisional(&recorded), appender)?;
                }
            }
        }
        Ok(())
    }
}
