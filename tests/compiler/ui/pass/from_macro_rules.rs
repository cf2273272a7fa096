//! Items that `macro_rules!` writes, with types and names given to it.

use cqrs_core::prelude::*;

macro_rules! thing {
    (
        $thing:ident($id:ty): $command:ident => $event:ident = $name:literal $(+ $extra:ty)?;
        $make:ident, $view:ident, $views:ident, $query:ident, $count:ident, $react:ident
    ) => {
        #[derive(Command, Clone, Serialize, Deserialize)]
        struct $command {
            #[id($thing)]
            id: $id,
        }

        #[derive(Event, Serialize, Deserialize)]
        #[event(name = $name, version = 1)]
        struct $event {
            #[id($thing)]
            id: $id,
        }

        #[derive(Default)]
        struct $thing {
            made: bool,
        }

        #[aggregate(id = $id)]
        impl $thing {
            #[apply]
            fn made(&mut self, _: &$event $(, _: $extra)?) {
                self.made = true;
            }
        }

        #[command_handler]
        fn $make(command: $command, thing: &$thing) -> Option<$event> {
            (!thing.made).then_some($event { id: command.id })
        }

        #[derive(ReadModel, Clone, Serialize, Deserialize)]
        struct $view {
            #[key]
            id: $id,
            #[index]
            text: String,
        }

        struct $views;

        #[projection(name = $name, version = 1)]
        impl $views {
            #[on]
            fn made(event: &$event, views: &mut Views<$view>) {
                views.put($view { id: event.id.clone(), text: event.id.to_string() });
            }
        }

        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = u64)]
        struct $query;

        #[query_handler]
        async fn $count(_: $query, views: Read<$view>) -> Result<u64> {
            views.find().range($view::TEXT, String::new()..).count().await
        }

        #[event_handler]
        async fn $react(_: $event) {}
    };
}

thing!(
    Cup(String): MakeCup => CupMade = "cup-made";
    make_cup, CupView, Cups, CountCups, count_cups, clink
);
thing!(
    Plate(u32): MakePlate => PlateMade = "plate-made" + &Recorded;
    make_plate, PlateView, Plates, CountPlates, count_plates, clatter
);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    let cup = app.execute(MakeCup { id: "red".into() }).await?;
    assert_eq!(app.query(CountCups).after(&cup).await?, 1);
    let plate = app.execute(MakePlate { id: 1 }).await?;
    assert_eq!(app.query(CountPlates).after(&plate).await?, 1);
    assert_eq!(app.execute(MakePlate { id: 1 }).await?.events(), 0);
    Ok(())
}
