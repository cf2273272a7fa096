//! The guides, one for each concept. Their examples are whole programs, which the framework's tests
//! run.
//!
//! To begin with, read [`commands`], [`events`] and [`aggregates`], then
//! [`queries_and_read_models`] and [`wiring`]. [`testing`] shows how decisions are tested.

macro_rules! guides {
    ($($name:ident: $file:literal,)+) => {$(
        #[doc = include_str!(concat!("../guides/", $file))]
        pub mod $name {}
    )+};
}

guides! {
    aggregates: "aggregates.md",
    authentication: "authentication.md",
    authorization: "authorization.md",
    cluster: "cluster.md",
    command_line: "command-line.md",
    commands: "commands.md",
    deployments: "deployments.md",
    dynamic_dispatch: "dynamic-dispatch.md",
    model: "model.md",
    errors: "errors.md",
    events: "events.md",
    flow_map: "flow-map.md",
    http: "http.md",
    idempotent_commands: "idempotent-commands.md",
    live_queries: "live-queries.md",
    macros: "macros.md",
    metadata: "metadata.md",
    metrics: "metrics.md",
    openapi: "openapi.md",
    opentelemetry: "opentelemetry.md",
    operations: "operations.md",
    operations_page: "operations-page.md",
    parking: "parking.md",
    partitions: "partitions.md",
    postgres: "postgres.md",
    process_managers: "process-managers.md",
    schedules: "schedules.md",
    queries_and_read_models: "queries-and-read-models.md",
    reactions: "reactions.md",
    shutdown: "shutdown.md",
    sql: "sql.md",
    stores: "stores.md",
    testing: "testing.md",
    tracing: "tracing.md",
    umadb: "umadb.md",
    view_stores: "view-stores.md",
    wiring: "wiring.md",
    your_own_store: "your-own-store.md",
}
