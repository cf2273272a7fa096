use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use cqrs_core::{Actor, Uuid};
use example_catalog::ProductId;
use example_catalog::orders::OrderId;

use super::CliError;
use super::database::{AddressSources, Database, Location};
use super::out::without_passwords;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused: a command was rejected or not permitted, nothing was found, or lines were left out
  2  invalid request: wrong usage, unknown message, wrong JSON, invalid value
  3  failure of a file, the database or a handler
  130  interrupted by Ctrl-C; 143 by SIGTERM";

/// A product catalog on wired-cqrs. Without a command: the demo.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES, infer_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    /// The database: an SQLite file, a PostgreSQL URL, `postgres://user@host:5432/database`, or the
    /// URL of an UmaDB log, `umadb://host:50051`
    /// [default: the environment variable `CATALOG_DB`, or catalog.db; for the demo a temporary
    /// file, removed at the end]
    ///
    /// Every user of the machine can see arguments: a URL with a password belongs in `CATALOG_DB`
    /// or in a file, `--db-file`.
    #[arg(
        long,
        global = true,
        value_name = "FILE|URL",
        value_parser = OsStringValueParser::new().map(Location::from)
    )]
    db: Option<Location>,
    /// A file whose first line is the address of the database, as for `--db`
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "db")]
    db_file: Option<PathBuf>,
    /// The schema in the PostgreSQL database, for `--db` with a URL only [default: cqrs]
    #[arg(long, global = true, value_name = "NAME")]
    schema: Option<String>,
    /// The SQLite file of the read models, for an UmaDB log only [default: catalog-views.db]
    #[arg(long, global = true, value_name = "FILE")]
    views: Option<PathBuf>,
    /// The name of the actor, which events record
    #[arg(long, global = true, value_name = "NAME", default_value = "clerk")]
    actor: String,
    /// The role of the actor
    #[arg(
        long = "as",
        global = true,
        value_name = "ROLE",
        default_value = "editor"
    )]
    role: UserRole,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Sends a command
    Send(SendArgs),
    /// Asks a query; the answer is JSON
    Ask(AskArgs),
    /// Sends the commands of a file, one per line
    Import(ImportArgs),
    /// Shows the events of a product
    History(HistoryArgs),
    /// Shows a conversation of a process manager: its state, what it is about to do, and its events
    Process(ProcessArgs),
    /// Shows how far projections and reactions are; in a terminal, the table is refreshed
    Status(StatusArgs),
    /// Waits until this program's version of a projection is built and live
    Rebuild(RebuildArgs),
    /// Serves every command and query over HTTP, until Ctrl-C
    Serve(ServeArgs),
    /// Shows every message with its handler, and every event with its listeners
    Explain(ExplainArgs),
    /// Draws what leads to what: commands, events, projections, queries, and all between them
    Map(MapArgs),
}

#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// The command's name, as `explain` lists it
    pub command: String,
    /// Its fields, or `-` to read them from the standard input
    pub json: String,
    /// The command's id, which makes it safe to repeat [default: a new one]
    #[arg(long, value_name = "UUID")]
    pub id: Option<Uuid>,
}

#[derive(Debug, clap::Args)]
pub struct AskArgs {
    /// The query's name, as `explain` lists it
    pub query: String,
    /// Its fields, or `-` to read them from the standard input
    #[arg(default_value = "{}")]
    pub json: String,
}

/// Each line is `{"command": "CreateProduct", "data": {..}}`, and may have an `"id"`, a UUID.
///
/// Commands about one product are sent in the file's order, others concurrently. Importing a file
/// again, after an interruption or by mistake, has no further effect: a line without an id gets one
/// derived from the file's content, the line's number and the line. Rejected lines are retried.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The file
    pub file: PathBuf,
    /// How to treat a line that fails
    #[arg(long, value_name = "MODE", default_value = "skip")]
    pub on_error: OnError,
    /// Derives ids from this name instead of the file's content, so that a file can be corrected in
    /// place and imported again: unchanged lines are recognized
    #[arg(long, value_name = "NAME")]
    pub batch: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// The product
    pub id: ProductId,
    /// Shows complete ids of correlation and causation, not only their ends
    #[arg(long)]
    pub full: bool,
}

#[derive(Debug, clap::Args)]
pub struct ProcessArgs {
    /// The process manager
    pub name: ProcessName,
    /// The order
    pub id: OrderId,
    /// Shows complete ids of correlation and causation, not only their ends
    #[arg(long)]
    pub full: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProcessName {
    /// The way of an order to its customer
    Checkout,
}

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Shows the table once
    #[arg(long)]
    pub once: bool,
}

/// Every request is sent by the actor of `--actor`, with the role of `--as`: for a machine of your own.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The address to listen on; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// Until then, queries are answered from the version that is live. If that is the program's own, its views are
/// built again beside it. A rebuild that is interrupted goes on when
/// it is started again, or another process of the new program is.
#[derive(Debug, clap::Args)]
pub struct RebuildArgs {
    /// The projection's name, as `status` lists it
    pub projection: String,
}

#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Only this message or event, with its JSON schema
    pub name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct MapArgs {
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub format: MapFormat,
    /// Reads the log of the database, and shows how often what is drawn has happened
    #[arg(long)]
    pub observed: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MapFormat {
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
pub enum OnError {
    /// Reports it and continues
    Skip,
    /// Reports it and stops: all lines before it were processed, none after it
    Stop,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UserRole {
    /// Reads and writes
    Editor,
    /// Reads
    Reader,
}

impl Cli {
    /// Parses the arguments of this process. Prints help or errors without passwords.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            let text = without_passwords(&error.render().ansi().to_string());
            // There is no other place to report a failure.
            let _ = if error.use_stderr() {
                write!(anstream::stderr(), "{text}")
            } else {
                write!(anstream::stdout(), "{text}")
            };
            u8::try_from(error.exit_code()).unwrap_or(2).into()
        })
    }

    /// The database that the arguments or the environment name, if any.
    pub fn database(&self) -> Result<Option<Database>, CliError> {
        let sources = AddressSources {
            address: self.db.clone(),
            file: self.db_file.clone(),
            // The demo changes a database only if an argument names it.
            or_environment: self.command.is_some(),
        };
        Database::named(sources, self.schema.clone(), self.views.clone())
    }

    /// The actor of all messages, with the permissions of its role.
    pub fn actor(&self) -> Actor {
        let actor = Actor::new(&self.actor).with("catalog:read");
        match self.role {
            UserRole::Editor => actor.with("catalog:write"),
            UserRole::Reader => actor,
        }
    }
}
