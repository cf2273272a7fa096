//! Documentation whose examples need several crates: each is compiled and run.

#[cfg(doctest)]
#[doc = include_str!("../cqrs-macros/README.md")]
mod cqrs_macros {
    #[doc = include_str!("../cqrs-macros/src/docs/command.md")]
    mod command {}

    #[doc = include_str!("../cqrs-macros/src/docs/query.md")]
    mod query {}

    #[doc = include_str!("../cqrs-macros/src/docs/event.md")]
    mod event {}

    #[doc = include_str!("../cqrs-macros/src/docs/read_model.md")]
    mod read_model {}

    #[doc = include_str!("../cqrs-macros/src/docs/aggregate.md")]
    mod aggregate {}

    #[doc = include_str!("../cqrs-macros/src/docs/command_handler.md")]
    mod command_handler {}

    #[doc = include_str!("../cqrs-macros/src/docs/query_handler.md")]
    mod query_handler {}

    #[doc = include_str!("../cqrs-macros/src/docs/event_handler.md")]
    mod event_handler {}

    #[doc = include_str!("../cqrs-macros/src/docs/projection.md")]
    mod projection {}

    #[doc = include_str!("../cqrs-macros/src/docs/process_manager.md")]
    mod process_manager {}
}

#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../docs/guides/commands.md")]
    mod commands {}

    #[doc = include_str!("../docs/guides/events.md")]
    mod events {}

    #[doc = include_str!("../docs/guides/aggregates.md")]
    mod aggregates {}

    #[doc = include_str!("../docs/guides/queries-and-read-models.md")]
    mod queries_and_read_models {}

    #[doc = include_str!("../docs/guides/live-queries.md")]
    mod live_queries {}

    #[doc = include_str!("../docs/guides/reactions.md")]
    mod reactions {}

    #[doc = include_str!("../docs/guides/process-managers.md")]
    mod process_managers {}

    #[doc = include_str!("../docs/guides/schedules.md")]
    mod schedules {}

    #[doc = include_str!("../docs/guides/wiring.md")]
    mod wiring {}

    #[doc = include_str!("../docs/guides/operations.md")]
    mod operations {}

    #[doc = include_str!("../docs/guides/operations-page.md")]
    mod operations_page {}

    #[doc = include_str!("../docs/guides/parking.md")]
    mod parking {}

    #[doc = include_str!("../docs/guides/partitions.md")]
    mod partitions {}

    #[doc = include_str!("../docs/guides/deployments.md")]
    mod deployments {}

    #[doc = include_str!("../docs/guides/shutdown.md")]
    mod shutdown {}

    #[doc = include_str!("../docs/guides/errors.md")]
    mod errors {}

    #[doc = include_str!("../docs/guides/idempotent-commands.md")]
    mod idempotent_commands {}

    #[doc = include_str!("../docs/guides/authentication.md")]
    mod authentication {}

    #[doc = include_str!("../docs/guides/authorization.md")]
    mod authorization {}

    #[doc = include_str!("../docs/guides/dynamic-dispatch.md")]
    mod dynamic_dispatch {}
    #[doc = include_str!("../docs/guides/command-line.md")]
    mod command_line {}

    #[doc = include_str!("../docs/guides/flow-map.md")]
    mod flow_map {}

    #[doc = include_str!("../docs/guides/http.md")]
    mod http {}

    #[doc = include_str!("../docs/guides/metadata.md")]
    mod metadata {}

    #[doc = include_str!("../docs/guides/metrics.md")]
    mod metrics {}

    #[doc = include_str!("../docs/guides/openapi.md")]
    mod openapi {}

    #[doc = include_str!("../docs/guides/opentelemetry.md")]
    mod opentelemetry {}

    #[doc = include_str!("../docs/guides/model.md")]
    mod model {}

    #[doc = include_str!("../docs/guides/testing.md")]
    mod testing {}

    #[doc = include_str!("../docs/guides/stores.md")]
    mod stores {}

    #[doc = include_str!("../docs/guides/your-own-store.md")]
    mod your_own_store {}

    #[doc = include_str!("../docs/guides/postgres.md")]
    mod postgres {}

    #[doc = include_str!("../docs/guides/cluster.md")]
    mod cluster {}

    #[doc = include_str!("../docs/guides/view-stores.md")]
    mod view_stores {}

    #[doc = include_str!("../docs/guides/umadb.md")]
    mod umadb {}

    #[doc = include_str!("../docs/guides/sql.md")]
    mod sql {}

    #[doc = include_str!("../docs/guides/tracing.md")]
    mod tracing {}

    #[doc = include_str!("../docs/guides/macros.md")]
    mod macros {}
}
