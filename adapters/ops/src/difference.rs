use serde_json::Value;

/// What is different at one place of two JSON values.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference<'v> {
    /// The place as a JSON pointer. Empty for the value as a whole.
    pub(crate) place: String,
    pub(crate) change: Change<'v>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Change<'v> {
    Added(&'v Value),
    Removed(&'v Value),
    Changed {
        from: &'v Value,
        to: &'v Value,
    },
    /// A list with the same elements in another order, such as a set, which has an order of its own each time.
    Reordered,
}

/// The differences between two values, in the order of their places: each at the lowest place at which it can be named.
pub(crate) fn differences<'v>(from: &'v Value, to: &'v Value) -> Vec<Difference<'v>> {
    let mut found = Vec::new();
    compare(&mut String::new(), from, to, &mut found);
    found
}

fn compare<'v>(
    place: &mut String,
    from: &'v Value,
    to: &'v Value,
    found: &mut Vec<Difference<'v>>,
) {
    match (from, to) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, from) in before {
                at(place, name, Some(from), after.get(name), found);
            }
            for (name, to) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                at(place, name, None, Some(to), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if are_reordered(before, after) => {
            found.push(Difference {
                place: place.clone(),
                change: Change::Reordered,
            });
        }
        (Value::Array(before), Value::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                let (from, to) = (before.get(index), after.get(index));
                at(place, &index.to_string(), from, to, found);
            }
        }
        _ if from == to => {}
        _ => found.push(Difference {
            place: place.clone(),
            change: Change::Changed { from, to },
        }),
    }
}

fn are_reordered(before: &[Value], after: &[Value]) -> bool {
    before.len() == after.len() && before != after && sorted(before) == sorted(after)
}

/// The texts of the values, in their order.
fn sorted(values: &[Value]) -> Vec<String> {
    let mut texts: Vec<_> = values.iter().map(Value::to_string).collect();
    texts.sort_unstable();
    texts
}

/// Compares the values of a field or of an element.
fn at<'v>(
    place: &mut String,
    name: &str,
    from: Option<&'v Value>,
    to: Option<&'v Value>,
    found: &mut Vec<Difference<'v>>,
) {
    let length = place.len();
    place.push('/');
    place.push_str(&name.replace('~', "~0").replace('/', "~1"));
    let change = match (from, to) {
        (Some(from), Some(to)) => {
            compare(place, from, to, found);
            None
        }
        (Some(from), None) => Some(Change::Removed(from)),
        (None, to) => to.map(Change::Added),
    };
    found.extend(change.map(|change| Difference {
        place: place.clone(),
        change,
    }));
    place.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_places() {
        let from = json!({"price": 3, "lines": [{"id": 1}, {"id": 2}], "note": null, "a/b~c": 1, "set": [1, 2, 2]});
        let to = json!({"price": 4, "lines": [{"id": 1}], "note": {}, "a/b~c": 2, "stock": [7], "set": [2, 1, 2]});
        let found = differences(&from, &to);
        let told = found.iter().map(|it| match &it.change {
            Change::Added(value) => format!("+ {} {value}", it.place),
            Change::Removed(value) => format!("- {} {value}", it.place),
            Change::Changed { from, to } => format!("~ {} {from} {to}", it.place),
            Change::Reordered => format!("% {}", it.place),
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        assert_eq!(
            told,
            [
                "% /set",
                "+ /stock [7]",
                "- /lines/1 {\"id\":2}",
                "~ /a~1b~0c 1 2",
                "~ /note null {}",
                "~ /price 3 4",
            ]
        );
        // Each place is one of the value that has it.
        assert_eq!(from.pointer("/a~1b~0c"), Some(&json!(1)));
    }

    #[test]
    fn equal_values_have_no_differences() {
        let value = json!({"a": [1, {"b": null}]});
        assert_eq!(differences(&value, &value.clone()), []);
        let (number, list) = (json!(1), json!([1]));
        assert_eq!(differences(&number, &list)[0].place, "");
    }
}
