use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Tells the exporter what each metric is. [`Prometheus::install`](crate::Prometheus::install) has done it.
pub fn describe() {
    for (name, unit, what) in COUNTERS {
        describe_counter!(*name, *unit, *what);
    }
    for (name, unit, what) in HISTOGRAMS {
        describe_histogram!(*name, *unit, *what);
    }
    for (name, unit, what) in GAUGES {
        describe_gauge!(*name, *unit, *what);
    }
}

/// The same for the gauges of a cluster.
#[cfg(feature = "postgres")]
pub fn describe_cluster() {
    for (name, unit, what) in CLUSTER {
        describe_gauge!(*name, *unit, *what);
    }
}

type Metric = (&'static str, Unit, &'static str);

const COUNTERS: &[Metric] = &[
    (
        "cqrs_commands_total",
        Unit::Count,
        "Commands that were permitted and valid, by outcome",
    ),
    (
        "cqrs_command_retries_total",
        Unit::Count,
        "Decisions that were made again after a conflict",
    ),
    (
        "cqrs_events_total",
        Unit::Count,
        "Events that commands have recorded",
    ),
    (
        "cqrs_queries_total",
        Unit::Count,
        "Queries, and runs of those that are watched, by outcome",
    ),
    (
        "cqrs_projected_events_total",
        Unit::Count,
        "Events that a projection has folded",
    ),
    (
        "cqrs_process_events_total",
        Unit::Count,
        "Events that a process manager has handled",
    ),
    (
        "cqrs_reactions_total",
        Unit::Count,
        "Runs of a reaction, by outcome",
    ),
    (
        "cqrs_state_cache_hits_total",
        Unit::Count,
        "States that a decision found in memory",
    ),
    (
        "cqrs_state_cache_misses_total",
        Unit::Count,
        "States that a decision had to read from the store",
    ),
];

const HISTOGRAMS: &[Metric] = &[
    (
        "cqrs_command_seconds",
        Unit::Seconds,
        "Time of a command, from validation to receipt",
    ),
    (
        "cqrs_query_seconds",
        Unit::Seconds,
        "Time of a query, with the wait for read models",
    ),
    (
        "cqrs_page_events",
        Unit::Count,
        "Events of a page, which a projection folds and writes together",
    ),
    (
        "cqrs_page_seconds",
        Unit::Seconds,
        "Time of a page, by outcome",
    ),
    (
        "cqrs_process_seconds",
        Unit::Seconds,
        "Time of a page of events that a process manager handles, by outcome",
    ),
    (
        "cqrs_reaction_seconds",
        Unit::Seconds,
        "Time of a reaction, with the commands that it sends",
    ),
];

const GAUGES: &[Metric] = &[
    ("cqrs_log_position", Unit::Count, "The head of the log"),
    (
        "cqrs_subscription_position",
        Unit::Count,
        "Position up to which events are handled",
    ),
    (
        "cqrs_subscription_lag",
        Unit::Count,
        "Positions between that and the head of the log",
    ),
    (
        "cqrs_subscription_ok",
        Unit::Count,
        "1 if all of its events are handled, else 0",
    ),
    (
        "cqrs_subscription_state",
        Unit::Count,
        "1 for the state that it has, else 0",
    ),
    (
        "cqrs_subscription_parked",
        Unit::Count,
        "Ids whose events wait for an operator",
    ),
    ("cqrs_subscription_shards", Unit::Count, "Number of shards"),
    (
        "cqrs_live",
        Unit::Count,
        "1 if the process can go on, else 0",
    ),
    (
        "cqrs_ready",
        Unit::Count,
        "1 if the process is to get requests, else 0",
    ),
    (
        "cqrs_state_cache_bytes",
        Unit::Bytes,
        "Size of the states in memory",
    ),
];

#[cfg(feature = "postgres")]
const CLUSTER: &[Metric] = &[
    (
        "cqrs_cluster_ok",
        Unit::Count,
        "1 if nothing speaks against the cluster, else 0",
    ),
    (
        "cqrs_cluster_server",
        Unit::Count,
        "1 for the server of the log, and that of queries, 0 for earlier ones",
    ),
    (
        "cqrs_cluster_timeline",
        Unit::Count,
        "Timeline of the server: each promotion begins the next one",
    ),
    (
        "cqrs_cluster_position",
        Unit::Count,
        "Head of the log at the server",
    ),
    (
        "cqrs_cluster_lag_seconds",
        Unit::Seconds,
        "How old the data of a standby is at the most, 0 of a leader",
    ),
    (
        "cqrs_cluster_waiting_commits",
        Unit::Count,
        "Sessions whose commit waits for a standby",
    ),
    (
        "cqrs_cluster_longest_wait_seconds",
        Unit::Seconds,
        "The longest time that one of them has waited",
    ),
    (
        "cqrs_standby_connected",
        Unit::Count,
        "1 for a standby that follows the leader, 0 for one that did",
    ),
    (
        "cqrs_standby_synchronous",
        Unit::Count,
        "1 for a standby that commits wait for, else 0",
    ),
    (
        "cqrs_standby_bytes_behind",
        Unit::Bytes,
        "The part of the write-ahead log that the standby has not replayed",
    ),
    (
        "cqrs_standby_lag_seconds",
        Unit::Seconds,
        "How long it took to replay the last commits",
    ),
];
