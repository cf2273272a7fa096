use std::str::FromStr;

use crate::refusal::Refusal;

/// Maximum number of fields of a request.
const MAX_FIELDS: usize = 64;

/// Maximum number of characters of a name or an id.
pub(crate) const MAX_TEXT: usize = 1024;

/// Maximum number of characters of a reason.
pub(crate) const MAX_REASON: usize = 500;

/// The fields of a query string, or of a form.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn read(text: &[u8]) -> Result<Self, Refusal> {
        let parsed = form_urlencoded::parse(text).into_owned();
        let fields: Vec<_> = parsed.take(MAX_FIELDS + 1).collect();
        if fields.len() > MAX_FIELDS {
            let reason = format_args!("there are more than {MAX_FIELDS} of them");
            return Err(Refusal::of_field("fields", reason));
        }
        for (name, value) in &fields {
            if value.chars().count() > MAX_TEXT {
                let name: String = name.chars().take(80).collect();
                let reason = format_args!("it has more than {MAX_TEXT} characters");
                return Err(Refusal::of_field(&name, reason));
            }
        }
        Ok(Self(fields))
    }

    /// The field with this name, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut named = self.all(name);
        let value = named.next();
        if named.next().is_some() {
            return Err(Refusal::of_field(name, "it is there more than once"));
        }
        Ok(value)
    }

    /// The field with this name.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.get(name)?;
        value.ok_or_else(|| Refusal::of_field(name, "it is missing"))
    }

    /// The number in the field with this name.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        self.optional(name)?
            .ok_or_else(|| Refusal::of_field(name, "it is missing"))
    }

    /// The number in the field with this name, if it is there and not empty.
    pub(crate) fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let value = self.get(name)?;
        let number = value.map(|value| value.trim().parse());
        number
            .transpose()
            .map_err(|_| Refusal::of_field(name, "it is not such a number"))
    }

    /// The reason of an operator.
    pub(crate) fn reason(&self) -> Result<&str, Refusal> {
        let reason = self.text("reason")?.trim();
        match reason.chars().count() {
            0 => Err(Refusal::of_field("reason", "it is missing")),
            1..=MAX_REASON => Ok(reason),
            _ => {
                let reason = format_args!("it has more than {MAX_REASON} characters");
                Err(Refusal::of_field("reason", reason))
            }
        }
    }

    /// The fields with this name that are not empty.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// A text as a part of a query string.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T>(result: Result<T, Refusal>) -> String {
        result.err().map(|it| it.text).unwrap_or_default()
    }

    #[test]
    fn each_field_has_its_limits() {
        let fields = Fields::read(b"name=a+b%26c&position=7&empty=&twice=1&twice=2&reason=+why+");
        let fields = fields.expect("are fields");
        assert_eq!(fields.text("name").ok(), Some("a b&c"));
        assert_eq!(fields.number::<u64>("position").ok(), Some(7));
        assert_eq!(fields.reason().ok(), Some("why"));
        assert_eq!(refused(fields.text("empty")), "`empty`: it is missing");
        assert_eq!(
            refused(fields.get("twice")),
            "`twice`: it is there more than once"
        );
        assert_eq!(
            refused(fields.number::<u64>("name")),
            "`name`: it is not such a number"
        );
        let long = format!("reason={}", "x".repeat(MAX_REASON + 1));
        let long = Fields::read(long.as_bytes()).expect("are fields");
        assert!(refused(long.reason()).contains("500 characters"));
        let longer = format!("name={}", "x".repeat(MAX_TEXT + 1));
        assert!(refused(Fields::read(longer.as_bytes())).contains("1024 characters"));
        assert!(refused(Fields::read("a=1&".repeat(65).as_bytes())).contains("more than 64"));
    }

    #[test]
    fn a_text_is_the_same_after_a_round_trip() {
        let text = "a b&c=<d>/é..%+";
        let fields = Fields::read(format!("id={}", encoded(text)).as_bytes()).expect("is one");
        assert_eq!(fields.text("id").ok(), Some(text));
    }
}
