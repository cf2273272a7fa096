use clap::Command;

/// Adds the beginnings of verbs as further names, as far as they are unambiguous. Clap would infer the names of messages
/// after `send` as well, where half a word must not choose what is carried out.
pub(crate) fn with_abbreviations(command: Command) -> Command {
    let verbs: Vec<String> = command
        .get_subcommands()
        .flat_map(Command::get_name_and_visible_aliases)
        .map(str::to_owned)
        .chain(["help".to_owned()])
        .collect();
    verbs.iter().fold(command, |command, verb| {
        let beginnings = (1..verb.len()).filter_map(|end| verb.get(..end));
        let unique = beginnings.filter(|beginning| {
            let mut meant = verbs.iter().filter(|verb| verb.starts_with(beginning));
            meant.next().is_some() && meant.next().is_none()
        });
        let abbreviations: Vec<String> = unique.map(str::to_owned).collect();
        if command.find_subcommand(verb).is_none() {
            return command;
        }
        command.mut_subcommand(verb, |it| it.aliases(abbreviations))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Option<String> {
        let send = Command::new("send").subcommand(Command::new("CancelOrder"));
        let command = Command::new("shop")
            .subcommand(send.subcommand_required(true))
            .subcommands(["skip", "skipped", "status"].map(Command::new));
        let all = [&["shop"], arguments].concat();
        let matches = with_abbreviations(command).try_get_matches_from(all).ok()?;
        let mut found = &matches;
        let mut names = Vec::new();
        while let Some((name, below)) = found.subcommand() {
            names.push(name);
            found = below;
        }
        Some(names.join(" "))
    }

    #[test]
    fn a_verb_may_be_abbreviated() {
        assert_eq!(parsed(&["st"]).as_deref(), Some("status"));
        assert_eq!(parsed(&["skip"]).as_deref(), Some("skip"));
        assert_eq!(parsed(&["skipp"]).as_deref(), Some("skipped"));
        assert_eq!(parsed(&["s"]), None);
        assert_eq!(parsed(&["ski"]), None);
    }

    #[test]
    fn a_message_may_not() {
        let send = parsed(&["se", "CancelOrder"]);
        assert_eq!(send.as_deref(), Some("send CancelOrder"));
        assert_eq!(parsed(&["send", "Cancel"]), None);
    }
}
