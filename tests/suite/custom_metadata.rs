//! Custom metadata of commands, which events record, and which what follows from them inherits.

use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{CustomMetadata, EventQuery};
use cqrs_core::testing::{given, process_manager, projection};

use crate::support::stores::{on_each, on_each_with};

const LIMIT: Duration = Duration::from_secs(30);

mod tickets {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Opens a ticket.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct OpenTicket {
        #[id(Ticket)]
        pub ticket: u32,
    }

    #[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
    #[event(name = "ticket-opened", version = 1)]
    pub struct TicketOpened {
        #[id(Ticket)]
        pub ticket: u32,
        pub locale: Option<String>,
    }

    #[command_handler]
    pub fn open(OpenTicket { ticket }: OpenTicket, context: &Context) -> TicketOpened {
        let locale = context.metadata().get("locale").map(str::to_owned);
        TicketOpened { ticket, locale }
    }

    /// Notes that a ticket was opened.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct GreetCustomer {
        pub ticket: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "customer-greeted", version = 1)]
    pub struct CustomerGreeted {
        pub ticket: u32,
    }

    #[command_handler]
    fn greet(GreetCustomer { ticket }: GreetCustomer) -> CustomerGreeted {
        CustomerGreeted { ticket }
    }

    #[event_handler]
    async fn greets(event: TicketOpened, app: &Dispatcher) -> Result<()> {
        let ticket = event.ticket;
        let greet = app.execute(GreetCustomer { ticket });
        greet.metadata("locale", "en").await?;
        Ok(())
    }

    /// Finds somebody for a ticket.
    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(error = NobodyIsThere)]
    pub struct AssignTicket {
        pub ticket: u32,
    }

    #[derive(Debug, thiserror::Error, Serialize, Deserialize)]
    #[error("nobody is there")]
    pub struct NobodyIsThere;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ticket-assigned", version = 1)]
    pub struct TicketAssigned {
        pub ticket: u32,
    }

    #[command_handler]
    fn assign(AssignTicket { ticket }: AssignTicket) -> Result<TicketAssigned, NobodyIsThere> {
        ensure!(ticket != 13, NobodyIsThere);
        Ok(TicketAssigned { ticket })
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ticket-overdue", version = 1)]
    pub struct TicketOverdue {
        #[id(Ticket)]
        pub ticket: u32,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct TicketDesk {
        pub ticket: u32,
        pub opened_for: Option<String>,
        pub overdue_for: Option<String>,
    }

    fn tenant_of(recorded: &Recorded) -> Option<String> {
        recorded.meta.custom.get("tenant").map(str::to_owned)
    }

    #[process_manager(name = "ticket-desk", id(Ticket = u32))]
    impl TicketDesk {
        #[start]
        fn opened(
            &mut self,
            event: &TicketOpened,
            recorded: &Recorded,
        ) -> (AssignTicket, Deadline<TicketOverdue>) {
            self.ticket = event.ticket;
            self.opened_for = tenant_of(recorded);
            let (ticket, none) = (event.ticket, std::time::Duration::ZERO);
            let due = Deadline::after(TicketOverdue { ticket }, none);
            (AssignTicket { ticket }, due)
        }

        #[rejected]
        fn nobody(&mut self, _: &AssignTicket, _: &NobodyIsThere) -> GreetCustomer {
            let ticket = self.ticket;
            GreetCustomer { ticket }
        }

        #[due]
        fn overdue(&mut self, _: &TicketOverdue, recorded: &Recorded) {
            self.overdue_for = tenant_of(recorded);
        }
    }

    #[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct TicketTenant {
        #[key]
        pub ticket: u32,
        pub tenant: Option<String>,
    }

    pub struct TicketTenants;

    #[projection(name = "ticket-tenants", version = 1)]
    impl TicketTenants {
        #[on]
        fn opened(event: &TicketOpened, recorded: &Recorded, views: &mut Views<TicketTenant>) {
            let ticket = event.ticket;
            let tenant = tenant_of(recorded);
            views.put(TicketTenant { ticket, tenant });
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Option<TicketTenant>)]
    pub struct GetTicketTenant {
        pub ticket: u32,
    }

    #[query_handler]
    async fn tenant(
        query: GetTicketTenant,
        views: Read<TicketTenant>,
    ) -> Result<Option<TicketTenant>> {
        views.get(&query.ticket).await
    }
}

use tickets::{
    GetTicketTenant, OpenTicket, TicketDesk, TicketOpened, TicketTenant, TicketTenants, module,
};

fn builder(builder: Builder) -> Builder {
    builder.schedules()
}

/// Type and metadata of each event, in no particular order.
async fn recorded(app: &Dispatcher) -> Vec<(String, CustomMetadata)> {
    app.wait_until_idle(LIMIT).await.expect("comes to rest");
    let events = app.events(EventQuery::All).all().await.expect("reads");
    let mut found: Vec<_> = events
        .iter()
        .map(|event| (event.data.event_type.to_string(), event.meta.custom.clone()))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_a_command_inherits_its_metadata() {
    on_each_with(module(), builder, async |app| {
        let open = app.execute(OpenTicket { ticket: 13 });
        let call = open.metadata("tenant", "acme").metadata("locale", "de");
        let receipt = call.await.expect("opens");
        let german = CustomMetadata::from([("tenant", "acme"), ("locale", "de")]);
        let english = CustomMetadata::from([("tenant", "acme"), ("locale", "en")]);
        let found = recorded(&app).await;
        let of = |name: &str| {
            let named = found
                .iter()
                .filter(|(event_type, _)| event_type.contains(name));
            named
                .map(|(_, metadata)| metadata.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("ticket-opened"), std::slice::from_ref(&german));
        // By the reaction, which has set another locale, and by the process manager.
        let greeted = of("customer-greeted");
        assert_eq!(greeted.len(), 2, "{found:?}");
        assert!(
            greeted.contains(&english) && greeted.contains(&german),
            "{found:?}"
        );
        assert_eq!(of("rejected"), std::slice::from_ref(&german), "{found:?}");
        assert_eq!(of("ticket-overdue"), [german], "{found:?}");
        let query = app.query(GetTicketTenant { ticket: 13 }).after(&receipt);
        let view = query.await.expect("answers").expect("is there");
        assert_eq!(view.tenant.as_deref(), Some("acme"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_command_has_the_metadata_of_its_call() {
    on_each_with(module(), builder, async |app| {
        let call = app.schedule(OpenTicket { ticket: 1 }).after(Duration::ZERO);
        call.metadata("tenant", "acme").await.expect("is scheduled");
        for (event_type, metadata) in recorded(&app).await {
            assert_eq!(metadata.get("tenant"), Some("acme"), "{event_type}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_command_that_is_moved_keeps_its_metadata() {
    on_each_with(module(), builder, async |app| {
        let call = app.schedule(OpenTicket { ticket: 1 }).after(LIMIT * 100);
        let id = call.metadata("tenant", "acme").await.expect("is scheduled");
        let moved = app.reschedule(id).after(Duration::ZERO).await;
        assert!(moved.expect("is asked"), "it is moved");
        let found = recorded(&app).await;
        let opened = found.iter().find(|(name, _)| name == "ticket-opened");
        let (_, metadata) = opened.expect("it is due");
        assert_eq!(metadata.get("tenant"), Some("acme"));
    })
    .await;
}

/// What the reaction sets is beyond what a command without a cause may have.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_with_as_much_metadata_as_is_allowed_stops_no_reaction() {
    on_each_with(module(), builder, async |app| {
        let mut open = app.execute(OpenTicket { ticket: 1 });
        for (key, bytes) in [("a", 1024), ("b", 1024), ("c", 1024), ("d", 1020)] {
            open = open.metadata(key, "x".repeat(bytes));
        }
        open.await.expect("opens");
        let found = recorded(&app).await;
        let greeted = found.iter().find(|(name, _)| name == "customer-greeted");
        let (_, metadata) = greeted.expect("is greeted");
        assert_eq!(metadata.get("locale"), Some("en"));
        assert_eq!(metadata.iter().count(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_a_session_have_its_metadata() {
    on_each(module(), async |app| {
        let session = app.session().metadata("tenant", "acme");
        let open = |ticket| session.execute(OpenTicket { ticket });
        open(1).await.expect("opens");
        open(2).metadata("request-id", "7").await.expect("opens");
        let none = open(3).with_metadata(CustomMetadata::default());
        none.await.expect("opens");
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let opened = events
            .iter()
            .filter(|it| it.data.event_type.as_str() == "ticket-opened");
        let found: Vec<_> = opened.map(|it| it.meta.custom.clone()).collect();
        let tenant = CustomMetadata::from([("tenant", "acme")]);
        let both = CustomMetadata::from([("tenant", "acme"), ("request-id", "7")]);
        assert_eq!(found, [tenant, both, CustomMetadata::default()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_beyond_a_limit_is_refused_before_the_handler_runs() {
    on_each(module(), async |app| {
        let call = app.execute(OpenTicket { ticket: 1 });
        let refused = call.metadata("Tenant", "acme").await;
        let Err(CommandError::Invalid(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            error.to_string().contains("\"Tenant\" is no key"),
            "{error}"
        );
        let call = app.execute(OpenTicket { ticket: 1 });
        let refused = call.metadata("tenant", "x".repeat(1025)).await;
        assert!(
            matches!(refused, Err(CommandError::Invalid(_))),
            "{refused:?}"
        );
        let schedule = app.schedule(OpenTicket { ticket: 1 }).after(LIMIT);
        assert!(schedule.metadata("", "").await.is_err());
        assert_eq!(recorded(&app).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_sent_again_keeps_its_first_metadata() {
    on_each(module(), async |app| {
        let id = CommandId::new();
        for request in ["1", "2"] {
            let call = app.execute(OpenTicket { ticket: 1 }).id(id);
            call.metadata("request-id", request).await.expect("opens");
        }
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(events[0].meta.custom.get("request-id"), Some("1"));
    })
    .await;
}

#[test]
fn tests_have_metadata() {
    given(())
        .metadata("locale", "fr")
        .when(OpenTicket { ticket: 1 })
        .then(TicketOpened {
            ticket: 1,
            locale: Some("fr".to_owned()),
        });
    let opened = || TicketOpened {
        ticket: 1,
        locale: None,
    };
    let expected = TicketTenant {
        ticket: 1,
        tenant: Some("acme".to_owned()),
    };
    projection::<TicketTenants>()
        .metadata("tenant", "acme")
        .given(opened())
        .then_view(1, expected);
    process_manager::<TicketDesk>()
        .metadata("tenant", "acme")
        .when(opened())
        .elapsed(Duration::ZERO)
        .then_state(TicketDesk {
            ticket: 1,
            opened_for: Some("acme".to_owned()),
            overdue_for: Some("acme".to_owned()),
        });
}
