//! Events whose `Drop` panics once they are read from their JSON: no fold would survive them.

use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fall {
    #[id(Tree)]
    tree: u32,
    leaves: u32,
    is_read: bool,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "leaf-fallen", version = 1)]
pub struct LeafFallen {
    #[id(Tree)]
    tree: u32,
    /// Of what is recorded, not of what the handler made.
    #[serde(deserialize_with = "next")]
    reads: u32,
}

fn next<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    Ok(u32::deserialize(from)? + 1)
}

impl Drop for LeafFallen {
    fn drop(&mut self) {
        assert!(self.reads != 2, "it breaks");
    }
}

#[derive(Default)]
pub struct Tree {
    fallen: u32,
}

#[aggregate(id = u32)]
impl Tree {
    #[apply]
    fn fallen(&mut self, _: &LeafFallen) {
        self.fallen += 1;
    }
}

#[command_handler]
fn fall(cmd: Fall, _: &Tree) -> Vec<LeafFallen> {
    let leaf = |_| LeafFallen {
        tree: cmd.tree,
        reads: u32::from(cmd.is_read),
    };
    (0..cmd.leaves).map(leaf).collect()
}

#[tokio::test]
async fn events_whose_drop_panics_are_refused_and_do_not_end_the_process() {
    on_each(module(), |app| async move {
        let fall = |leaves, is_read| Fall {
            tree: 1,
            leaves,
            is_read,
        };
        for leaves in 1..=3 {
            let error = app.execute(fall(leaves, true)).await;
            let error = error.expect_err("nobody could fold it");
            let CommandError::Failed(Failure::FunctionPanicked { .. }) = &error else {
                panic!("{error}");
            };
            let text = "`drop` panicked at the new event `leaf-fallen`: it breaks";
            assert_eq!(error.to_string(), text);
        }
        app.execute(fall(3, false)).await.expect("falls");
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(events.len(), 3);
        let tree = app.state::<Tree>(&1).await.expect("can be read");
        assert_eq!(tree.fallen, 3);
    })
    .await;
}
