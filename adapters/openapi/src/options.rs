use serde_json::{Map, Value, json};

/// What documents say about the program beside its model.
///
/// ```
/// use cqrs_core::app::model;
/// use cqrs_openapi::{Options, openapi};
///
/// let options = Options::new()
///     .title("Product catalog")
///     .version("2.1.0")
///     .server("https://catalog.example/api")
///     .bearer();
/// let document = openapi(&model(), &options);
/// assert_eq!(document.value()["info"]["title"], "Product catalog");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "options are used by `openapi` and `asyncapi`"]
pub struct Options {
    title: String,
    version: String,
    description: Option<String>,
    servers: Vec<String>,
    security: Option<Security>,
    has_commands: bool,
    has_events: bool,
}

/// The way in which a request names its actor.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Security {
    Bearer,
    Header(String),
}

/// The name of the security scheme.
const SCHEME: &str = "actor";

impl Options {
    /// The default options.
    pub fn new() -> Self {
        Self {
            title: "API".to_owned(),
            version: "0.0.0".to_owned(),
            description: None,
            servers: Vec::new(),
            security: None,
            has_commands: true,
            has_events: false,
        }
    }

    /// Sets the title. Defaults to `API`.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the version of the program's interface, such as `env!("CARGO_PKG_VERSION")`. Defaults to `0.0.0`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the description, in Markdown.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds the address of a server, up to the routes of the router. Defaults to the directory in which the document is, as
    /// the router serves it.
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.servers.push(url.into());
        self
    }

    /// Requests name their actor by a bearer token.
    pub fn bearer(mut self) -> Self {
        self.security = Some(Security::Bearer);
        self
    }

    /// Requests name their actor by the header with this name.
    pub fn actor_header(mut self, name: impl Into<String>) -> Self {
        self.security = Some(Security::Header(name.into()));
        self
    }

    /// Leaves out the commands, as a router does that serves queries only.
    pub fn only_queries(mut self) -> Self {
        self.has_commands = false;
        self
    }

    /// Says that the log is served at `/events`, as a router does that has an event feed.
    pub fn event_feed(mut self) -> Self {
        self.has_events = true;
        self
    }

    pub(crate) fn has_events(&self) -> bool {
        self.has_events
    }

    pub(crate) fn has_commands(&self) -> bool {
        self.has_commands
    }

    /// The object `info`.
    pub(crate) fn info(&self) -> Value {
        let mut info = json!({"title": self.title, "version": self.version});
        if let Some(description) = &self.description {
            info["description"] = description.as_str().into();
        }
        info
    }

    pub(crate) fn servers(&self) -> Value {
        if self.servers.is_empty() {
            return json!([{"url": "."}]);
        }
        self.servers.iter().map(|url| json!({"url": url})).collect()
    }

    /// The servers of AsyncAPI, which have whole addresses.
    pub(crate) fn hosts(&self) -> Map<String, Value> {
        let known = self.servers.iter().filter_map(|url| {
            let (protocol, rest) = url.split_once("://")?;
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let mut server = json!({"host": host, "protocol": protocol});
            if !path.is_empty() {
                server["pathname"] = format!("/{path}").into();
            }
            Some(server)
        });
        let named = known.enumerate();
        named
            .map(|(number, server)| (format!("server{}", number + 1), server))
            .collect()
    }

    pub(crate) fn security_schemes(&self) -> Map<String, Value> {
        let scheme = self.security.as_ref().map(|security| match security {
            Security::Bearer => json!({"type": "http", "scheme": "bearer"}),
            Security::Header(name) => json!({"type": "apiKey", "in": "header", "name": name}),
        });
        let named = scheme.map(|scheme| (SCHEME.to_owned(), scheme));
        named.into_iter().collect()
    }

    /// What a message with this permission needs, or one that needs an actor without any. Other schemes than OAuth have roles instead of scopes, as which
    /// permissions are listed.
    pub(crate) fn requirement(&self, permission: Option<&str>) -> Option<Value> {
        let is_known = self.security.is_some();
        let permissions = Vec::from_iter(permission);
        is_known.then(|| json!([{SCHEME: permissions}]))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
