use clap::{Arg, ArgAction, ArgMatches, Command};
use cqrs_core::Uuid;
use cqrs_core::app::{Model, Node, NodeKind};
use cqrs_core::store::CustomMetadata;
use serde_json::{Map, Value};

use crate::error::CliError;
use crate::fields::FieldArgument;
use crate::input;

/// The argument that has the message as a whole.
const JSON: &str = "JSON";

/// A message to send.
pub(crate) struct SentMessage {
    pub(crate) name: String,
    pub(crate) json: Vec<u8>,
    /// The id of a command, if one was given.
    pub(crate) id: Option<Uuid>,
    /// The custom metadata of a command.
    pub(crate) metadata: CustomMetadata,
}

/// A subcommand for each message of a kind: its fields are options, and its name is completed by shells.
pub(crate) fn subcommands(verb: Command, model: &Model, kind: NodeKind) -> Command {
    let taken: Vec<String> = verb
        .get_arguments()
        .filter_map(|it| it.get_long().map(str::to_owned))
        .collect();
    let nodes = model.of_kind(kind);
    verb.subcommands(nodes.map(|node| subcommand(node, &taken)))
        .subcommand_required(true)
        .arg_required_else_help(false)
        .allow_external_subcommands(true)
        .subcommand_value_name("NAME")
        .subcommand_help_heading("Messages")
        .disable_help_subcommand(true)
}

/// The options that all verbs have.
const TAKEN: [&str; 8] = [
    "store",
    "store-file",
    "schema",
    "views",
    "actor",
    "as",
    "json",
    "permission",
];

fn subcommand(node: &Node, taken: &[String]) -> Command {
    let json = Arg::new(JSON)
        .value_name(JSON)
        .help("All fields, or `-` to read them from the standard input");
    let mut command = Command::new(node.id.name.clone())
        .about(first_line(node.docs))
        .long_about(node.docs)
        .arg(json);
    for field in FieldArgument::of(node) {
        let option = field.name.replace('_', "-");
        let is_taken = TAKEN.contains(&&*option)
            || ["help", "version"].contains(&&*option)
            || taken.contains(&option);
        let option = if is_taken {
            format!("{option}-field")
        } else {
            option
        };
        let mut argument = Arg::new(format!("field {}", field.name))
            .long(option)
            .value_name(field.type_name.clone())
            .help(field.docs.clone())
            .help_heading("Fields")
            .action(if field.is_list() {
                ArgAction::Append
            } else {
                ArgAction::Set
            });
        argument = if field.is_switch() {
            argument
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
        } else {
            argument.allow_hyphen_values(true)
        };
        command = command.arg(argument);
    }
    command
}

impl SentMessage {
    /// The message that the arguments of a verb have.
    pub(crate) fn read(verb: &ArgMatches, model: &Model, kind: NodeKind) -> Result<Self, CliError> {
        let Some((name, matches)) = verb.subcommand() else {
            return Err(CliError::Invalid("name a message".to_owned()));
        };
        let Some(node) = model.node(kind, name) else {
            return Err(unknown(name, model, kind));
        };
        let whole = matches.get_one::<String>(JSON);
        let mut fields = Map::new();
        for field in FieldArgument::of(node) {
            let given = matches.get_many::<String>(&format!("field {}", field.name));
            if let Some(given) = given {
                let given: Vec<_> = given.map(String::as_str).collect();
                let value = field.value(&given);
                fields.insert(field.name, value);
            }
        }
        Ok(Self {
            name: name.to_owned(),
            json: body(whole.map(String::as_str), fields)?,
            id: None,
            metadata: CustomMetadata::default(),
        })
    }
}

/// The JSON of a message: the fields that were given one by one take the place of those in the whole.
fn body(whole: Option<&str>, fields: Map<String, Value>) -> Result<Vec<u8>, CliError> {
    let Some(whole) = whole else {
        return Ok(serde_json::to_vec(&fields)?);
    };
    let json = input::json(whole)?;
    if fields.is_empty() {
        return Ok(json);
    }
    let mut all: Map<String, Value> = serde_json::from_slice(&json).map_err(|error| {
        CliError::Invalid(format!("the JSON is no object with fields: {error}"))
    })?;
    all.extend(fields);
    Ok(serde_json::to_vec(&all)?)
}

/// The most similar names come first, as in the errors of a dispatcher.
fn unknown(name: &str, model: &Model, kind: NodeKind) -> CliError {
    let names = model.of_kind(kind).map(|node| &*node.id.name);
    let similar = names
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(similarity, _)| *similarity >= 0.6)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let kind = kind.words();
    CliError::Invalid(match similar {
        Some((_, known)) => format!("there is no {kind} `{name}`: did you mean `{known}`?"),
        None => format!("there is no {kind} `{name}`: `explain` lists them all"),
    })
}

fn first_line(docs: &str) -> String {
    docs.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_take_the_place_of_those_in_the_json() {
        let fields = |json: Value| json.as_object().cloned().unwrap_or_default();
        let body = |whole, fields| {
            let json = body(whole, fields).expect("JSON");
            String::from_utf8(json).expect("UTF-8")
        };
        let two = serde_json::json!({"b": 2});
        assert_eq!(body(None, Map::new()), "{}");
        assert_eq!(body(Some("{\"a\":  1}"), Map::new()), "{\"a\":  1}");
        assert_eq!(
            body(Some("{\"a\": 1, \"b\": 1}"), fields(two.clone())),
            "{\"a\":1,\"b\":2}"
        );
        assert_eq!(body(None, fields(two)), "{\"b\":2}");
    }
}
