//! Changed code: the state is folded again from the log.

use cqrs_core::prelude::*;

use super::idle;
use crate::support::stores::on_each;

macro_rules! visits {
    ($module:ident, $count:expr) => {
        mod $module {
            use cqrs_core::prelude::*;

            cqrs_core::module!();

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Visit {
                pub guest: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Greet {
                pub guest: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "visited", version = 1)]
            pub struct Visited {
                #[id("guest")]
                pub guest: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "greeted", version = 1)]
            pub struct Greeted {
                #[id("guest")]
                pub guest: u32,
            }

            #[command_handler]
            fn visit(Visit { guest }: Visit) -> Visited {
                Visited { guest }
            }

            /// The guests that are to be greeted are those with an odd number.
            #[command_handler]
            fn greet(Greet { guest }: Greet) -> Result<Greeted, Rejected> {
                ensure!(guest % 2 == 1, "nobody knows the guest");
                Ok(Greeted { guest })
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct Visits {
                pub count: u32,
            }

            #[process_manager(name = "visits", id("guest" = u32))]
            impl Visits {
                #[start]
                fn visited(&mut self, event: &Visited) -> (Greet, Option<End>) {
                    let guest = event.guest;
                    self.count += $count;
                    (Greet { guest }, (guest % 2 == 0).then_some(End))
                }

                #[rejected]
                fn refused(&mut self, _: &Greet, _: &Rejected) {
                    self.count += 5 * $count;
                }
            }
        }
    };
}

visits!(earlier, 1);
visits!(later, 10);

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_folded_again_with_the_changed_code() {
    on_each(earlier::module(), async |app| {
        for _ in 0..3 {
            app.execute(earlier::Visit { guest: 1 })
                .await
                .expect("visits");
        }
        idle(&app).await;
        let before = app.process::<earlier::Visits>(&1).await.expect("reads");
        assert_eq!(before.expect("it has begun").state.count, 3);

        let changed = Dispatcher::builder()
            .module(later::module())
            .stores_of(&app);
        let changed = changed.build().await.expect("builds");
        // For those who look, at once.
        let shown = changed.process::<later::Visits>(&1).await.expect("reads");
        assert_eq!(shown.expect("it has begun").state.count, 30);
        app.shutdown(super::LIMIT).await.expect("ends");
        changed
            .execute(later::Visit { guest: 1 })
            .await
            .expect("visits");
        idle(&changed).await;
        let after = changed.process::<later::Visits>(&1).await.expect("reads");
        assert_eq!(after.expect("it has begun").state.count, 40);
        let greeted = super::names(&changed).await;
        let greeted = greeted.iter().filter(|name| *name == "greeted").count();
        assert_eq!(greeted, 4, "what was sent before is not sent again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_after_the_end_is_folded_again_and_late_events_are_not() {
    on_each(earlier::module(), async |app| {
        for _ in 0..3 {
            let visit = earlier::Visit { guest: 2 };
            app.execute(visit).await.expect("visits");
            idle(&app).await;
        }
        let before = app.process::<earlier::Visits>(&2).await.expect("reads");
        let before = before.expect("it has begun");
        assert_eq!((before.state.count, before.late), (6, 2));

        let changed = Dispatcher::builder()
            .module(later::module())
            .stores_of(&app);
        let changed = changed.build().await.expect("builds");
        let shown = changed.process::<later::Visits>(&2).await.expect("reads");
        let shown = shown.expect("it has begun");
        assert_eq!((shown.state.count, shown.late), (60, 2));
        assert_eq!(shown.ended, before.ended);
    })
    .await;
}
