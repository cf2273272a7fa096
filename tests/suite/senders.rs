//! Event handlers and process managers send commands as actors of their own.

use std::time::Duration;

use cqrs_core::app::{AccessRequest, Builder};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_core::{Authorizer, HeldPermissions};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::support::stores::on_each_with;

const LONG: Duration = Duration::from_secs(60);

mod desk {
    use std::time::Duration;

    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct BookTrip {
        #[id(Trip)]
        pub trip: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "tickets:print")]
    pub struct PrintTicket {
        #[id(Trip)]
        pub trip: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "seats:reserve")]
    pub struct ReserveSeat {
        #[id(Trip)]
        pub trip: u32,
    }

    /// It is not there.
    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "seats:reserve")]
    pub struct ReserveWindow {
        #[id(Trip)]
        pub trip: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "trip-was-booked", version = 1)]
    pub struct TripWasBooked {
        #[id(Trip)]
        pub trip: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ticket-was-printed", version = 1)]
    pub struct TicketWasPrinted {
        #[id(Trip)]
        pub trip: u32,
        pub by: Option<String>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "seat-was-reserved", version = 1)]
    pub struct SeatWasReserved {
        #[id(Trip)]
        pub trip: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "seat-was-due", version = 1)]
    pub struct SeatWasDue {
        #[id(Trip)]
        pub trip: u32,
    }

    #[command_handler]
    fn book(BookTrip { trip }: BookTrip) -> TripWasBooked {
        TripWasBooked { trip }
    }

    #[command_handler]
    fn print(PrintTicket { trip }: PrintTicket, context: &Context) -> TicketWasPrinted {
        let by = context.actor().map(|actor| actor.name().to_owned());
        TicketWasPrinted { trip, by }
    }

    #[command_handler]
    fn reserve(ReserveSeat { trip }: ReserveSeat) -> SeatWasReserved {
        SeatWasReserved { trip }
    }

    #[command_handler]
    fn reserve_window(_: ReserveWindow) -> Result<(), Rejected> {
        Err(Rejected::from("all are taken"))
    }

    /// It returns no commands.
    #[event_handler(name = "bell")]
    fn ring(_: SeatWasReserved) {}

    #[event_handler(name = "printer")]
    fn print_tickets(event: TripWasBooked) -> PrintTicket {
        PrintTicket { trip: event.trip }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Seats {}

    #[process_manager(name = "seat-keeper", id(Trip = u32))]
    impl Seats {
        #[start]
        fn booked(&mut self, event: &TripWasBooked) -> (ReserveWindow, Deadline<SeatWasDue>) {
            let trip = event.trip;
            let due = Deadline::after(SeatWasDue { trip }, Duration::from_millis(1));
            (ReserveWindow { trip }, due)
        }

        #[rejected]
        fn no_window(&mut self, command: &ReserveWindow, _: &Rejected) -> ReserveSeat {
            let trip = command.trip;
            ReserveSeat { trip }
        }

        #[due]
        fn due(&mut self, _: &SeatWasDue) {}
    }
}

/// Tells who asks for what, and whether it was admitted.
struct Told(UnboundedSender<(Option<String>, &'static str, bool)>);

impl Authorizer for Told {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let verdict = HeldPermissions.authorize(request);
        let name = request.actor.map(|actor| actor.name().to_owned());
        let _ = self.0.send((name, request.message, verdict.is_ok()));
        verdict
    }
}

#[tokio::test]
async fn commands_of_the_program_have_its_actors() {
    let with = |builder: Builder| {
        let printer = Actor::new("print-service").with("tickets:print");
        let seats = Actor::new("seat-service").with("seats:reserve");
        let builder = builder.authorizer(HeldPermissions);
        builder
            .sends_as("printer", printer)
            .sends_as("seat-keeper", seats)
    };
    on_each_with(desk::module(), with, |app| async move {
        let book = app.execute(desk::BookTrip { trip: 7 });
        book.actor(Actor::new("ann")).await.expect("is booked");
        app.wait_until_idle(LONG).await.expect("is idle");
        let mut feed = app.follow(EventQuery::typed([
            "ticket-was-printed",
            "process:seat-keeper:rejected",
            "seat-was-reserved",
            "seat-was-due",
        ]));
        let mut events = Vec::new();
        let read = async {
            while events.len() < 4 {
                events.extend(feed.next(10).await.expect("is read").events);
            }
        };
        timeout(LONG, read).await.expect("in time");
        let booked = app.events(EventQuery::typed(["trip-was-booked"]));
        let booked = booked.all().await.expect("is read");
        assert_eq!(booked[0].meta.actor.as_deref(), Some("ann"));
        let mut types: Vec<_> = events
            .iter()
            .map(|it| it.data.event_type.as_str())
            .collect();
        types.sort_unstable();
        let expected = [
            "process:seat-keeper:rejected",
            "seat-was-due",
            "seat-was-reserved",
            "ticket-was-printed",
        ];
        assert_eq!(types, expected);
        for event in &events {
            let expected = match event.data.event_type.as_str() {
                "ticket-was-printed" => {
                    assert_eq!(event.data.json()["by"], "print-service");
                    "print-service"
                }
                _ => "seat-service",
            };
            assert_eq!(event.meta.actor.as_deref(), Some(expected));
        }
        // Who has begun it is found by the causation.
        let mut caused = events.iter();
        let printed = caused.find(|it| it.data.event_type.as_str() == "ticket-was-printed");
        let causation = printed.map(|it| it.meta.causation);
        assert_eq!(causation, Some(booked[0].meta.id.as_uuid()));
    })
    .await;
}

#[tokio::test]
async fn commands_of_the_program_are_denied_without_a_permission() {
    for is_named in [false, true] {
        let (told, mut asked) = unbounded_channel();
        let builder = Dispatcher::builder()
            .module(desk::module())
            .store(Memory::new());
        let mut builder = builder.authorizer(Told(told));
        if is_named {
            builder = builder
                .sends_as("printer", Actor::new("printer").with("seats:reserve"))
                .sends_as(
                    "seat-keeper",
                    Actor::new("seat-keeper").with("tickets:print"),
                );
        }
        let app = builder.build().await.expect("builds");
        let book = app.execute(desk::BookTrip { trip: 7 });
        // The actor of the event lends its permissions to nobody.
        let ann = Actor::new("ann")
            .with("tickets:print")
            .with("seats:reserve");
        book.actor(ann).await.expect("is booked");
        let (mut print, mut reserve) = (false, false);
        while !(print && reserve) {
            let request = timeout(LONG, asked.recv()).await.expect("in time");
            let (actor, message, is_admitted) = request.expect("goes on");
            assert!(!is_admitted, "{message} was admitted");
            let (expected, seen) = match message {
                "PrintTicket" => ("printer", &mut print),
                "ReserveWindow" => ("seat-keeper", &mut reserve),
                other => panic!("{other} was sent"),
            };
            assert_eq!(actor.as_deref(), is_named.then_some(expected), "{message}");
            *seen = true;
        }
        // Of what these do, only the deadline is recorded, which needs no permission.
        let printed = app.events(EventQuery::typed([
            "ticket-was-printed",
            "seat-was-reserved",
        ]));
        assert!(printed.all().await.expect("is read").is_empty());
    }
}

#[tokio::test]
async fn an_actor_belongs_to_one_that_sends() {
    let actor = || Actor::new("x");
    let builder = Dispatcher::builder()
        .module(desk::module())
        .store(Memory::new());
    let builder = builder.authorizer(AllowAll).sends_as("printers", actor());
    let builder = builder
        .sends_as("seat-keeper", actor())
        .sends_as("seat-keeper", actor())
        .sends_as("ring-the-bells", actor())
        .sends_as("bell", actor());
    let Err(error) = builder.build().await else {
        panic!("it was built");
    };
    let error = error.to_string();
    for problem in [
        "`printers` is to send commands, but is no event handler or process manager: did you mean `printer`?\n",
        "`ring-the-bells` is to send commands, but is no event handler or process manager\n",
        "`seat-keeper` is to send commands as several actors\n",
        "the event handler `bell` is to send commands, but returns none\n",
    ] {
        assert!(error.contains(problem), "{error}");
    }
    // The places of the calls, and what to write instead.
    assert!(error.contains("tests/suite/senders.rs:"), "{error}");
    let write = "`.sends_as(..)` once per event handler or process manager";
    assert!(error.contains(write), "{error}");
}
