use crate::library;

/// The labels on the path of a station, as the page has them.
fn path(kind: &str, name: &str) -> Vec<String> {
    let page = library().html();
    let attribute = |tag: &str, name: &str| {
        let start = format!("{name}=\"");
        let rest = tag.split(&start).nth(1).expect("is there");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let tags: Vec<&str> = page
        .split("<a class=\"station ")
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap_or_default())
        .collect();
    let key = format!("{kind}:{name}");
    let tag = tags.iter().find(|tag| attribute(tag, "data-key") == key);
    let numbers = attribute(tag.expect("is there"), "data-path");
    numbers
        .split(' ')
        .map(|number| {
            attribute(
                tags[number.parse::<usize>().expect("a number")],
                "data-name",
            )
        })
        .collect()
}

#[test]
fn the_path_of_a_command_has_all_that_follows_from_it() {
    let expected = [
        "LendBook",
        "Remind",
        "book",
        "reader",
        "book-lent",
        "book-overdue",
        "reminder-sent",
        "loan",
        "shelves",
        "fame",
        "CountFame",
    ];
    assert_eq!(path("command", "LendBook"), expected);
}

#[test]
fn a_path_takes_only_what_a_handler_or_method_has_to_do_with_it() {
    // The projection and the aggregate have to do with other messages as well.
    let expected = [
        "ReturnBook",
        "book",
        "book-returned",
        "welcome",
        "loan",
        "shelves",
        "shelf",
        "CountBooks",
    ];
    assert_eq!(path("command", "ReturnBook"), expected);
}

#[test]
fn the_path_of_a_query_leads_back_to_commands() {
    let expected = [
        "ReturnBook",
        "book",
        "book-returned",
        "shelves",
        "shelf",
        "CountBooks",
    ];
    assert_eq!(path("query", "CountBooks"), expected);
}

#[test]
fn the_path_of_a_command_that_is_sent_begins_with_what_sends_it() {
    let path = path("command", "Remind");
    let expected = [
        "Remind",
        "book-lost",
        "book-overdue",
        "reminder-sent",
        "demand",
        "loan",
    ];
    assert_eq!(path, expected);
}

#[test]
fn the_path_of_an_aggregate_has_its_commands_and_what_they_lead_to() {
    let path = path("aggregate", "reader");
    assert_eq!(path[0], "LendBook");
    assert!(path.contains(&"CountFame".to_owned()) && !path.contains(&"ReturnBook".to_owned()));
}
