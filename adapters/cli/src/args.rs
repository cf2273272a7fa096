#[cfg(feature = "serve")]
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use cqrs_core::app::Role;
use cqrs_core::{Timestamp, Uuid};
use serde::Deserialize;

use crate::address::{AddressSources, Location, read_address};
use crate::error::CliError;
use crate::operations::Operation;
use crate::processes::{DeadlinesArgs, ProcessArgs};
use crate::schedules::{ScheduleVerb, WhenArgs};
use crate::state::StateArgs;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused: a command was rejected or not permitted, nothing was found, or lines were left out
  2  invalid request: wrong usage, unknown message, wrong JSON, invalid value
  3  failure of a file, the store or a handler
  130  interrupted by Ctrl-C; 143 by SIGTERM";

/// The options of all verbs. For `serve`, a file and the environment can set them, too.
#[derive(Default, Args, Deserialize)]
#[serde(default)]
pub(crate) struct GlobalArgs {
    /// The store: an SQLite file, a PostgreSQL URL, `postgres://user@host:5432/database`, the URL of an
    /// UmaDB log, `umadb://host:50051`, or `memory`
    ///
    /// Every user of the machine can see arguments: a URL with a password belongs in the environment variable that
    /// `--help` of the program names, or in a file, `--store-file`.
    #[arg(
        long,
        global = true,
        value_name = "FILE|URL",
        value_parser = OsStringValueParser::new().map(Location::from)
    )]
    store: Option<Location>,
    /// A file whose first line is the address of the store, as for `--store`
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "store")]
    store_file: Option<PathBuf>,
    /// The schema in the PostgreSQL database [default: cqrs]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// The SQLite file of the read models, for an UmaDB log
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) views: Option<PathBuf>,
    /// The name of the actor, which events record [default: clerk]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// The role of the actor, as it is set: the program names the roles, and has the argument.
    #[arg(skip)]
    #[serde(rename = "as")]
    pub(crate) role: Option<String>,
    /// Prints results and errors as JSON
    #[arg(long, global = true)]
    #[serde(skip)]
    pub(crate) json: bool,
}

impl GlobalArgs {
    /// Whether an argument names the store.
    pub(crate) fn is_store_named(&self) -> bool {
        self.store.is_some() || self.store_file.is_some()
    }

    /// Where to look for the address of the store: the arguments, then the variable, then what is set.
    pub(crate) fn sources(
        &self,
        variable: Option<String>,
        configured: Option<Location>,
    ) -> AddressSources {
        AddressSources {
            address: self.store.clone(),
            file: self.store_file.clone(),
            variable,
            configured,
        }
    }

    /// Takes the address of the store that is set, or is in a file that is set.
    pub(crate) fn take_location(&mut self) -> Result<Option<Location>, CliError> {
        match (self.store.take(), self.store_file.take()) {
            (None, Some(file)) => read_address(&file).map(Some),
            (address, _) => Ok(address),
        }
    }
}

/// The verbs, except `send` and `ask`, whose arguments are the messages of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Plain(Box<PlainVerb>),
    /// Serves every command and query over HTTP, until Ctrl-C
    #[cfg(feature = "serve")]
    Serve(Box<ServeArgs>),
}

/// The verbs whose store is that of the arguments, or of the environment.
#[derive(Debug, Subcommand)]
pub(crate) enum PlainVerb {
    /// Sends the commands of a file, one per line
    Import(ImportArgs),
    /// Shows events: those of an aggregate, of a type, with a tag, or all
    History(HistoryArgs),
    /// Shows the state of an aggregate, now or at an earlier position or time
    State(StateArgs),
    /// Shows every message with its handler, and every event with its listeners
    Explain(ExplainArgs),
    /// Draws what leads to what: commands, events, projections, queries, and all between them
    Map(MapArgs),
    /// Checks the wiring of the program, without a store
    Verify,
    /// Shows how far projections and reactions are; in a terminal, the table is refreshed
    Status(StatusArgs),
    /// Waits until this program's version of a projection is built and live
    Rebuild(RebuildArgs),
    /// Shows the instances of a process manager, or one: its state, what it is about to do, and its events
    Process(ProcessArgs),
    /// Lists the deadlines that instances of process managers wait for
    Deadlines(DeadlinesArgs),
    #[command(flatten)]
    Schedule(ScheduleVerb),
    #[command(flatten)]
    Operate(Operation),
    /// Prints the OpenAPI document of what `serve` serves
    Openapi(OpenapiArgs),
    /// Prints the AsyncAPI document of events and live queries
    Asyncapi(OpenapiArgs),
    /// Prints a script that completes verbs, messages and options in a shell
    Completions(CompletionsArgs),
}

/// Options of `send`.
#[derive(Debug, Args)]
pub(crate) struct SendOptions {
    /// The command's id, which makes it safe to repeat [default: a new one]
    #[arg(long, global = true, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,
    /// Custom metadata, which the events of the command record; may be given several times
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) when: WhenArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// A key and its value, at the first `=`.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=`")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Options of `ask`.
#[derive(Debug, Args)]
pub(crate) struct AskOptions {
    /// Waits until the read models include the events up to this position [default: all of the log]
    #[arg(long, global = true, value_name = "POSITION")]
    pub(crate) after: Option<u64>,
    /// Answers from the read models as they are
    #[arg(long, global = true, conflicts_with = "after")]
    pub(crate) stale: bool,
    /// Prints each answer that differs from the one before, one per line, until Ctrl-C
    #[arg(long, global = true)]
    pub(crate) watch: bool,
    /// Maximum time to wait for the read models [default: 30]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) max_wait: Option<u64>,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// The work that a process takes on.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(transparent)]
pub(crate) struct WorkArgs {
    /// The work that the program takes on meanwhile, if other processes do the rest [default: all of it]
    #[arg(long, global = true, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<WorkRole>,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WorkRole {
    /// Carries out commands
    Commands,
    /// Answers queries
    Queries,
    /// Handles events of projections
    Projections,
    /// Handles events of reactions and process managers
    Reactions,
}

impl WorkArgs {
    /// The roles that are named; all if there are none.
    pub(crate) fn roles(&self) -> Vec<Role> {
        if self.roles.is_empty() {
            return Role::ALL.to_vec();
        }
        let roles = self.roles.iter().map(|role| match role {
            WorkRole::Commands => Role::Commands,
            WorkRole::Queries => Role::Queries,
            WorkRole::Projections => Role::Projections,
            WorkRole::Reactions => Role::Reactions,
        });
        roles.collect()
    }
}

/// Each line is `{"command": "NAME", "data": {..}}`, and may have an `"id"`, a UUID.
///
/// Commands about one aggregate are sent in the file's order, others concurrently. Importing a file
/// again, after an interruption or by mistake, has no further effect: a line without an id gets one
/// derived from the file's content, the line's number and the line. Rejected lines are retried.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// How to treat a line that fails
    #[arg(long, value_name = "MODE", default_value = "skip")]
    pub(crate) on_error: OnError,
    /// Derives ids from this name instead of the file's content, so that a file can be corrected in
    /// place and imported again: unchanged lines are recognized
    #[arg(long, value_name = "NAME")]
    pub(crate) batch: Option<String>,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The aggregate, as the tags of its events name it
    #[arg(requires = "id")]
    pub(crate) aggregate: Option<String>,
    /// Its id
    pub(crate) id: Option<String>,
    /// Only events with this tag, `AGGREGATE:ID`; of several, with all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Only events of this type; of several, of any of them
    #[arg(long = "type", value_name = "EVENT")]
    pub(crate) types: Vec<String>,
    /// Only events of commands that this actor has sent; the log is read through for them
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Only events of this time or later, as `2026-03-01T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Only events of this time or before
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<Timestamp>,
    /// Only events after this position
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub(crate) after: u64,
    /// Only events up to this position [default: the end of the log]
    #[arg(long, value_name = "POSITION", conflicts_with = "follow")]
    pub(crate) up_to: Option<u64>,
    /// At most this number of events, the first ones
    #[arg(long, value_name = "NUMBER", conflicts_with = "follow")]
    pub(crate) limit: Option<usize>,
    /// Shows further events as they are recorded, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    /// Shows complete ids of correlation and causation, not only their ends
    #[arg(long)]
    pub(crate) full: bool,
}

impl HistoryArgs {
    /// Whether no option leaves events of the aggregate out.
    pub(crate) fn is_whole(&self) -> bool {
        let has_range = self.after > 0 || self.up_to.is_some();
        let has_times = self.since.is_some() || self.until.is_some();
        let is_filtered = self.by.is_some() || !self.tags.is_empty() || !self.types.is_empty();
        !(has_range || has_times || is_filtered)
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Shows the table once
    #[arg(long)]
    pub(crate) once: bool,
}

/// Each option can also be in a TOML file and in the environment: `--max-body` is the key `max_body` and the variable
/// `PROGRAM_MAX_BODY`, with the program's name. Arguments count first, then the environment, then the file.
///
/// Without `--actor-header` and `--token-audience`, every request is sent by the actor of `--actor`: for a machine of your
/// own.
#[cfg(feature = "serve")]
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default)]
pub(crate) struct ServeArgs {
    /// A TOML file with options
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// The address to listen on; port 0 is a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// The header that has the name of the actor, set by a proxy in front that lets nobody else set it
    #[arg(long, value_name = "HEADER")]
    pub(crate) actor_header: Option<String>,
    /// A header whose value commands have as custom metadata, under its name or another KEY
    #[arg(long, value_name = "HEADER[=KEY]")]
    pub(crate) metadata_header: Vec<String>,
    // Keys and secrets of tokens are in files, since every user of the machine can see arguments.
    /// Requests need a bearer token, a JWT, that is for this audience; of several, for any of them
    #[arg(long, value_name = "NAME", conflicts_with = "actor_header")]
    pub(crate) token_audience: Vec<String>,
    /// Tokens are of this issuer; of several, of any of them [default: of any that has a key]
    #[arg(long, value_name = "NAME")]
    pub(crate) token_issuer: Vec<String>,
    /// A JSON Web Key Set with the public keys of tokens; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) token_keys: Option<PathBuf>,
    /// A file whose first line is the secret of tokens that are signed with HS256
    #[arg(long, value_name = "FILE")]
    pub(crate) token_secret_file: Option<PathBuf>,
    /// Difference of the clocks that is put up with [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) token_leeway: Option<u64>,
    /// The claim with the roles, or a JSON pointer to it [default: roles]
    #[arg(long, value_name = "CLAIM")]
    pub(crate) token_roles_claim: Option<String>,
    /// A TOML or JSON file with the permissions of each role, in place of the program's; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) role_permissions: Option<PathBuf>,
    /// Serves queries only, and opens the store to read: it has to exist, and a database role that may only read is enough
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<ServedPart>,
    /// Serves the events of the log, at `/events`, to those who hold the program's permission to read it
    // `None` without it, so that it is left as it is set.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) event_feed: Option<bool>,
    /// Serves the operations page, at `/ops`, to those who hold `operations:read`, and for changes `operations:write`
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) ops: Option<bool>,
    /// The address for Prometheus, which has `/metrics`, for the monitoring alone [default: none]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<std::net::SocketAddr>,
    /// Maximum size of a body [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_body: Option<usize>,
    /// Maximum time of a request, once its body is there [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<NonZeroU64>,
    /// Maximum time in which a body has to arrive [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) body_timeout: Option<NonZeroU64>,
    /// Maximum time in which the head of a request has to arrive; an unused connection is closed after it [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) head_timeout: Option<NonZeroU64>,
    /// Maximum number of connections at a time; further clients wait [default: 10000]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Maximum number of requests at a time [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_requests: Option<NonZeroUsize>,
    /// Maximum number of watched queries at a time [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_watches: Option<usize>,
    /// Maximum number of requests of one actor within a minute, or of one address if there is no actor [default: no limit]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_rate: Option<NonZeroU32>,
    #[command(flatten)]
    #[serde(rename = "roles")]
    pub(crate) work: WorkArgs,
}

/// What is served.
#[cfg(feature = "serve")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServedPart {
    /// No commands
    Queries,
}

/// Until then, queries are answered from the version that is live. If that is the program's own, its views are
/// built again beside it. A rebuild that is interrupted goes on when
/// it is started again, or another process of the new program is.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// The projection's name, as `status` lists it
    pub(crate) projection: String,
    /// Builds a new version without making it live: `switch` does so later
    #[arg(long)]
    pub(crate) hold: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Only this message or event, with its JSON schema
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MapArgs {
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub(crate) format: MapFormat,
    /// Reads the log of the store, and shows how often what is drawn has happened
    #[arg(long)]
    pub(crate) observed: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MapFormat {
    /// A page for a browser, in one file
    Html,
    /// A picture
    Svg,
    /// A flowchart for Markdown
    Mermaid,
    /// A graph for Graphviz
    Dot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// Reports it and continues
    Skip,
    /// Reports it and stops: all lines before it were processed, none after it
    Stop,
}

#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// The address that clients use, in front of `/commands` and `/queries`
    #[arg(long, value_name = "URL")]
    pub(crate) server: Vec<String>,
    /// Says that requests have a bearer token
    #[arg(long)]
    pub(crate) bearer: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}
