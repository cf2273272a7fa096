use super::Command;
use super::tuples::for_tuples;
use crate::error::Error;
use crate::json;

/// The commands that a reaction returns: a command, `()`, or an `Option`, `Vec` or tuple of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "neither a command nor anything that holds commands",
    note = "a command has `#[derive(Command, Clone, Serialize, Deserialize)]`"
)]
pub trait IntoCommands {
    /// Adds the wire names of all commands that a value may have.
    fn names(names: &mut Vec<&'static str>);

    /// Adds the commands, in order.
    ///
    /// # Errors
    /// When a command could not be read back from its JSON.
    fn send(self, commands: &mut NewCommands) -> Result<(), Error>;
}

/// The commands of one reaction to one event, in order.
#[derive(Debug, Default)]
pub struct NewCommands(Vec<NewCommand>);

/// A command without its type.
#[derive(Debug)]
pub(crate) struct NewCommand {
    /// The wire name.
    pub(crate) name: &'static str,
    pub(crate) json: Vec<u8>,
}

impl NewCommands {
    /// Adds a command.
    ///
    /// # Errors
    /// When the command could not be read back from its JSON. The error names the command and the
    /// field.
    fn push<C: Command>(&mut self, command: &C) -> Result<(), Error> {
        let json = json::encode(command).map_err(|error| {
            Error::message(format!("command `{}` cannot be sent: {error}", C::NAME))
        })?;
        let name = C::NAME;
        self.0.push(NewCommand { name, json });
        Ok(())
    }

    pub(crate) fn into_vec(self) -> Vec<NewCommand> {
        self.0
    }
}

#[diagnostic::do_not_recommend]
impl<C: Command> IntoCommands for C {
    fn names(names: &mut Vec<&'static str>) {
        names.push(C::NAME);
    }

    fn send(self, commands: &mut NewCommands) -> Result<(), Error> {
        commands.push(&self)
    }
}

#[diagnostic::do_not_recommend]
impl<C: IntoCommands> IntoCommands for Option<C> {
    fn names(names: &mut Vec<&'static str>) {
        C::names(names);
    }

    fn send(self, commands: &mut NewCommands) -> Result<(), Error> {
        self.map_or(Ok(()), |command| command.send(commands))
    }
}

#[diagnostic::do_not_recommend]
impl<C: IntoCommands> IntoCommands for Vec<C> {
    fn names(names: &mut Vec<&'static str>) {
        C::names(names);
    }

    fn send(self, commands: &mut NewCommands) -> Result<(), Error> {
        self.into_iter()
            .try_for_each(|command| command.send(commands))
    }
}

#[diagnostic::do_not_recommend]
impl IntoCommands for () {
    fn names(_: &mut Vec<&'static str>) {}

    fn send(self, _: &mut NewCommands) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! implement {
    ($($name:ident)+) => {
        #[diagnostic::do_not_recommend]
        impl<$($name: IntoCommands),+> IntoCommands for ($($name,)+) {
            fn names(names: &mut Vec<&'static str>) {
                $($name::names(names);)+
            }

            #[allow(non_snake_case)]
            fn send(self, commands: &mut NewCommands) -> Result<(), Error> {
                let ($($name,)+) = self;
                $($name.send(commands)?;)+
                Ok(())
            }
        }
    };
}

for_tuples!(implement);
