#[cfg(feature = "serve")]
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, Str};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand};
#[cfg(feature = "serve")]
use cqrs_core::Dispatcher;
use cqrs_core::app::{Builder, Model, NodeKind, Role, model};
use cqrs_openapi::{Document, Options, asyncapi, openapi};

use crate::abbreviations::with_abbreviations;
use crate::address::{Database, StoreKind};
use crate::args::{AskOptions, EXIT_CODES, GlobalArgs, OpenapiArgs, PlainVerb, SendOptions, Verb};
use crate::call::{Call, Domain};
use crate::error::CliError;
use crate::message::{SentMessage, subcommands};
use crate::open::OpenMode;
use crate::out::print_json;
use crate::own_verb::{Action, OwnVerb, boxed};
#[cfg(feature = "serve")]
use crate::serve::{self, Routes, Serving};
#[cfg(feature = "serve")]
use crate::settings::Settings;
use crate::shutdown::{close, run_until_signal};
use crate::usage::{report_usage, usage};
use crate::user_role::UserRole;
use crate::{
    ask, completions, explain, history, import, map, operations, processes, rebuild, schedules,
    send, state, status, verify,
};

/// The command line of a program: its domain, and what the program adds.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use cqrs_cli::{Call, CliError, Program};
/// use cqrs_core::prelude::*;
///
/// cqrs_core::module!();
///
/// /// Does something that is not a verb of every program.
/// async fn tidy(call: Call) -> Result<(), CliError> {
///     let dispatcher = call.open().await?;
///     call.run(&dispatcher, async { Ok(()) }).await
/// }
///
/// fn main() -> ExitCode {
///     Program::new(|_| Dispatcher::builder().module(module()))
///         .name("shop")
///         .version(env!("CARGO_PKG_VERSION"))
///         .about("Sells things")
///         .verb(clap::Command::new("tidy").about("Tidies up"), tidy)
///         .run()
/// }
/// ```
#[must_use = "the program runs in `run`"]
pub struct Program {
    domain: Domain,
    name: String,
    version: Option<String>,
    about: Option<String>,
    title: Option<String>,
    roles: Vec<UserRole>,
    verbs: Vec<OwnVerb>,
    without_verb: Option<WithoutVerb>,
    #[cfg(feature = "serve")]
    own_routes: Option<Arc<Routes>>,
}

/// What the program does without a verb.
struct WithoutVerb {
    about: String,
    action: Action,
}

impl Program {
    /// The program whose dispatcher this function makes, except for the store. Its name is that of the executable.
    pub fn new(domain: impl Fn(StoreKind) -> Builder + Send + Sync + 'static) -> Self {
        let executable = std::env::current_exe().ok();
        let stem = executable.as_deref().and_then(|it| it.file_stem());
        let name = stem.map(|it| it.to_string_lossy().into_owned());
        Self {
            domain: Arc::new(domain),
            name: name.unwrap_or_else(|| "program".to_owned()),
            version: None,
            about: None,
            title: None,
            roles: Vec::new(),
            verbs: Vec::new(),
            without_verb: None,
            #[cfg(feature = "serve")]
            own_routes: None,
        }
    }

    /// Sets the name. The default store is `NAME.db`, and the environment variable with its address `NAME_STORE`, in
    /// capitals.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the version, for `--version`: `env!("CARGO_PKG_VERSION")`.
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }

    /// Sets the description, for `--help`: `env!("CARGO_PKG_DESCRIPTION")`.
    pub fn about(mut self, about: &str) -> Self {
        self.about = Some(about.to_owned());
        self
    }

    /// Sets the title of the flow map, the documents and the operations page. Defaults to the name.
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    /// Adds a role, which `--as NAME` gives the actor: its permissions are these, and no others. The first one is the
    /// default. Without roles, the actor has all permissions that the program names. A role without permissions has `None::<&str>`.
    pub fn role<P: Into<String>>(
        mut self,
        name: &str,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.roles.push(UserRole {
            name: name.to_owned(),
            permissions: permissions.into_iter().map(Into::into).collect(),
        });
        self
    }

    /// Adds a verb. One with the name of a verb of this crate takes its place.
    pub fn verb<F, R>(mut self, command: Command, action: F) -> Self
    where
        F: Fn(Call) -> R + 'static,
        R: Future<Output = Result<(), CliError>> + 'static,
    {
        let action = boxed(action);
        self.verbs.push(OwnVerb { command, action });
        self
    }

    /// Sets what the program does without a verb, and the description of that in its help. Defaults to showing the help.
    pub fn without_verb<F, R>(mut self, about: &str, action: F) -> Self
    where
        F: Fn(Call) -> R + 'static,
        R: Future<Output = Result<(), CliError>> + 'static,
    {
        self.without_verb = Some(WithoutVerb {
            about: about.to_owned(),
            action: boxed(action),
        });
        self
    }

    /// Sets the function that makes the routes of `serve`, for an [`actor`](cqrs_http::Options::actor) of the program's own, layers
    /// and further routes. It gets the options of the arguments. Defaults to
    /// [`Options::router`](cqrs_http::Options::router). With a function, `serve` does not tell where the page of the documents
    /// is, since that depends on the function.
    #[cfg(feature = "serve")]
    pub fn routes<F>(mut self, routes: F) -> Self
    where
        F: Fn(Dispatcher, cqrs_http::Options) -> axum::Router + Send + Sync + 'static,
    {
        self.own_routes = Some(Arc::new(routes));
        self
    }

    /// Runs the verb that the arguments of this process name, on a Tokio runtime of its own.
    pub fn run(self) -> ExitCode {
        let matches = match self.command().try_get_matches() {
            Ok(matches) => matches,
            Err(error) => return report_usage(&error),
        };
        let is_json = matches.get_flag("json");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let ended = match runtime {
            Ok(runtime) => runtime.block_on(self.run_verb(&matches)),
            Err(error) => Err(error.into()),
        };
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.report(is_json),
        }
    }

    /// The beginning of the names of environment variables.
    fn prefix(&self) -> String {
        let name = self.name.to_uppercase();
        name.replace(|it: char| !it.is_ascii_alphanumeric(), "_")
    }

    /// The name of an environment variable.
    fn variable(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix())
    }

    /// The whole command line.
    fn command(&self) -> Command {
        let model = model();
        let send = SendOptions::augment_args(Command::new("send")).about("Sends a command");
        let ask =
            AskOptions::augment_args(Command::new("ask")).about("Asks a query; the answer is JSON");
        let (name, variable) = (&self.name, self.variable("STORE"));
        let without_verb = match &self.without_verb {
            Some(WithoutVerb { about, .. }) => format!(
                "Without a verb: {about}

"
            ),
            None => String::new(),
        };
        let mut command = Command::new(name.clone())
            .after_help(format!(
                "{without_verb}Without `--store`, the environment variable {variable} has the address of the store; \
                 without both, the store is the file {name}.db.\n\n{EXIT_CODES}"
            ))
            .subcommand_required(self.without_verb.is_none())
            .arg_required_else_help(self.without_verb.is_none())
            .subcommand(subcommands(send, &model, NodeKind::Command))
            .subcommand(subcommands(ask, &model, NodeKind::Query));
        if let Some(version) = &self.version {
            command = command.version(version.clone());
        }
        command = GlobalArgs::augment_args(Verb::augment_subcommands(command))
            .about(self.about.clone().unwrap_or_default());
        if let Some(first) = self.roles.first() {
            let names = self.roles.iter().map(|role| Str::from(role.name.clone()));
            command = command.arg(
                Arg::new("as")
                    .long("as")
                    .value_name("ROLE")
                    .global(true)
                    .default_value(Str::from(first.name.clone()))
                    .value_parser(PossibleValuesParser::new(names))
                    .help("The role of the actor"),
            );
        } else {
            command = command.arg(
                Arg::new("permission")
                    .long("permission")
                    .value_name("NAME")
                    .global(true)
                    .action(clap::ArgAction::Append)
                    .help("A permission of the actor [default: all that the program names]"),
            );
        }
        for verb in &self.verbs {
            let name = verb.command.get_name();
            command = if command.find_subcommand(name).is_some() {
                command.mut_subcommand(name, |_| verb.command.clone())
            } else {
                command.subcommand(verb.command.clone())
            };
        }
        with_abbreviations(command)
    }

    async fn run_verb(&self, matches: &ArgMatches) -> Result<(), CliError> {
        let name = matches.subcommand_name().unwrap_or_default();
        let call = self.call(matches, GlobalArgs::default());
        if let Some(verb) = self.verbs.iter().find(|it| it.command.get_name() == name) {
            return (verb.action)(call?).await;
        }
        match (name, &self.without_verb) {
            ("", Some(without_verb)) => (without_verb.action)(call?).await,
            ("send", _) => run_send(&call?).await,
            ("ask", _) => Box::pin(run_ask(&call?)).await,
            _ => match Verb::from_arg_matches(matches).map_err(|error| usage(&error))? {
                #[cfg(feature = "serve")]
                Verb::Serve(arguments) => Box::pin(self.run_serve(matches, arguments.config)).await,
                Verb::Plain(verb) => Box::pin(self.run_plain(&call?, *verb)).await,
            },
        }
    }

    /// The verb that the arguments name, with its store and its actor. Where these are not named, they are as set.
    fn call(&self, matches: &ArgMatches, mut global: GlobalArgs) -> Result<Call, CliError> {
        let configured = global.take_location()?;
        let updated = global.update_from_arg_matches(matches);
        updated.map_err(|error| usage(&error))?;
        let (name, own) = matches.subcommand().unwrap_or(("", matches));
        // What runs without a verb changes a store only if an argument names it.
        let variable = (!name.is_empty()).then(|| self.variable("STORE"));
        let sources = global.sources(variable, configured);
        let is_store_named = global.is_store_named();
        let named = Database::named(&self.name, sources, global.schema, global.views)?;
        Ok(Call {
            matches: own.clone(),
            domain: self.domain.clone(),
            database: named.unwrap_or_else(|| Database::default_file(&self.name)),
            is_store_named,
            name: self.name.clone(),
            actor: global.actor.unwrap_or_else(|| "clerk".to_owned()),
            permissions: self.permissions(matches, global.role.as_deref())?,
            is_json: global.json,
        })
    }

    /// The permissions that the arguments name, or else those of a role. `None` for all.
    fn permissions(
        &self,
        matches: &ArgMatches,
        role: Option<&str>,
    ) -> Result<Option<Vec<String>>, CliError> {
        if self.roles.is_empty() {
            let named = matches.get_many::<String>("permission");
            return Ok(named.map(|it| it.cloned().collect()));
        }
        let argument = matches.get_one::<String>("as").map(String::as_str);
        let name = match matches.value_source("as") {
            Some(ValueSource::CommandLine) => argument,
            _ => role.or(argument),
        };
        match self.roles.iter().find(|role| Some(&*role.name) == name) {
            Some(role) => Ok(Some(role.permissions.clone())),
            None => Err(CliError::Invalid(format!(
                "there is no role `{}`: `--help` lists them",
                name.unwrap_or_default()
            ))),
        }
    }

    /// Runs a verb of this crate.
    async fn run_plain(&self, call: &Call, verb: PlainVerb) -> Result<(), CliError> {
        let as_json = call.is_json;
        match verb {
            PlainVerb::Import(arguments) => {
                let roles = arguments.work.roles();
                let dispatcher = call.build(OpenMode::CreateIfMissing, &roles).await?;
                let imported = import::run(&dispatcher, &arguments, call.actor(), call).await;
                close(&dispatcher).await;
                imported
            }
            PlainVerb::History(arguments) => {
                let (dispatcher, model) = (call.look().await?, call.model());
                let shown = history::run(&dispatcher, &model, &arguments, call.actor(), as_json);
                run_until_signal(&dispatcher, shown).await
            }
            PlainVerb::State(arguments) => {
                let dispatcher = call.look().await?;
                let shown = state::run(&dispatcher, &arguments, call.actor(), as_json);
                run_until_signal(&dispatcher, shown).await
            }
            PlainVerb::Explain(arguments) => explain::run(&call.model(), &arguments, as_json),
            PlainVerb::Map(arguments) => {
                let observed = if arguments.observed {
                    let dispatcher = call.look().await?;
                    let observed = map::observed(&dispatcher, call.actor()).await;
                    close(&dispatcher).await;
                    Some(observed?)
                } else {
                    None
                };
                let shown = (self.shown_title(), as_json);
                map::run(&call.model(), &arguments, shown, observed.as_ref())
            }
            PlainVerb::Verify => verify::run(&call.builder(), as_json),
            PlainVerb::Status(arguments) => {
                let builder = call.builder().roles([Role::Queries]);
                let opened = call.build_from(builder, OpenMode::MustExist).await?;
                let (dispatcher, servers) = opened;
                let shown = status::run(&dispatcher, &servers, &arguments, as_json).await;
                close(&dispatcher).await;
                shown
            }
            PlainVerb::Rebuild(arguments) => {
                let builder = call
                    .builder()
                    .roles([Role::Queries, Role::Projections])
                    .hold_versions(arguments.hold);
                let (dispatcher, _) = call.build_from(builder, OpenMode::MustExist).await?;
                let rebuilt = rebuild::run(&dispatcher, &arguments, as_json);
                run_until_signal(&dispatcher, rebuilt).await
            }
            PlainVerb::Process(arguments) => {
                let dispatcher = call.look().await?;
                let shown = processes::show(&dispatcher, &arguments, call.actor(), as_json);
                run_until_signal(&dispatcher, shown).await
            }
            PlainVerb::Deadlines(arguments) => {
                let (dispatcher, model) = (call.look().await?, call.model());
                let actor = call.actor();
                let shown = processes::deadlines(&dispatcher, &model, arguments, actor, as_json);
                run_until_signal(&dispatcher, shown).await
            }
            PlainVerb::Schedule(verb) => schedules::run(call, verb).await,
            PlainVerb::Operate(operation) => operations::run(call, operation).await,
            PlainVerb::Openapi(arguments) => self.print_document(call, arguments, openapi),
            PlainVerb::Asyncapi(arguments) => self.print_document(call, arguments, asyncapi),
            PlainVerb::Completions(arguments) => completions::run(self.command(), arguments.shell),
        }
    }
}

impl Program {
    /// Prints a document of the model.
    fn print_document(
        &self,
        call: &Call,
        arguments: OpenapiArgs,
        document: fn(&Model, &Options) -> Document,
    ) -> Result<(), CliError> {
        let mut options = self.document_options();
        if arguments.bearer {
            options = options.bearer();
        }
        options = arguments.server.into_iter().fold(options, Options::server);
        print_json(document(&call.model(), &options).value())?;
        Ok(())
    }

    fn shown_title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    fn document_options(&self) -> Options {
        let mut options = Options::new().title(self.shown_title());
        if let Some(version) = &self.version {
            options = options.version(version);
        }
        if let Some(about) = &self.about {
            options = options.description(about);
        }
        options
    }
}

#[cfg(feature = "serve")]
impl Program {
    /// Serves the program, with the options of the arguments, the environment and a file.
    async fn run_serve(
        &self,
        matches: &ArgMatches,
        named: Option<PathBuf>,
    ) -> Result<(), CliError> {
        let file = named.or_else(|| {
            let file = std::env::var_os(self.variable("CONFIG"))?;
            (!file.is_empty()).then(|| file.into())
        });
        let mut set = Settings::read(file.as_deref(), &self.prefix())?;
        if let Some((_, own)) = matches.subcommand() {
            let updated = set.serve.update_from_arg_matches(own);
            updated.map_err(|error| usage(&error))?;
        }
        let call = self.call(matches, set.global)?;
        let serving = Serving {
            arguments: set.serve,
            roles: self.roles.clone(),
            title: self.shown_title().to_owned(),
            own_routes: self.own_routes.clone(),
        };
        serve::run(serving, &call, self.document_options()).await
    }
}

async fn run_send(call: &Call) -> Result<(), CliError> {
    let options = SendOptions::from_arg_matches(&call.matches).map_err(|error| usage(&error))?;
    let mut message = SentMessage::read(&call.matches, &model(), NodeKind::Command)?;
    message.id = options.id;
    message.metadata = options.metadata.into_iter().collect();
    let roles = options.work.roles();
    let dispatcher = call.build(OpenMode::CreateIfMissing, &roles).await?;
    if options.when.is_given() {
        let scheduled = schedules::schedule(&dispatcher, &message, options.when, call);
        return run_until_signal(&dispatcher, scheduled).await;
    }
    let sent = send::run(&dispatcher, &message, call.actor(), call.is_json);
    run_until_signal(&dispatcher, sent).await
}

async fn run_ask(call: &Call) -> Result<(), CliError> {
    let options = AskOptions::from_arg_matches(&call.matches).map_err(|error| usage(&error))?;
    let message = SentMessage::read(&call.matches, &model(), NodeKind::Query)?;
    let roles = if options.stale {
        vec![Role::Queries]
    } else {
        options.work.roles()
    };
    let dispatcher = call.build(OpenMode::MustExist, &roles).await?;
    let asked = ask::run(&dispatcher, &message, &options, call.actor());
    run_until_signal(&dispatcher, asked).await
}
