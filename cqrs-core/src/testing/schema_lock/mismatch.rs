use serde_json::Value;

/// Something that is written and cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mismatch {
    /// The path of the field, such as `lines[].price`. Empty for the whole.
    pub(super) path: String,
    pub(super) what: What,
    /// Values in which it shows. If they can be read all the same, it is none: the schema does not say
    /// everything, such as `#[serde(alias)]`.
    pub(super) witnesses: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A field that has to be there.
    Missing {
        /// Whether it is written at times.
        is_optional: bool,
        /// Fields that are written and not read.
        dropped: Vec<String>,
    },
    /// A field that is refused, as `deny_unknown_fields` does.
    Refused,
    /// A variant, or another constant.
    Variant(String),
    Kind {
        written: String,
        read: String,
    },
    /// A number that is read with fewer digits.
    Digits {
        written: String,
        read: String,
    },
    /// It cannot be judged.
    Unclear(String),
}

impl Mismatch {
    pub(super) fn here(what: What, witnesses: Vec<Value>) -> Self {
        let path = String::new();
        Self {
            path,
            what,
            witnesses,
        }
    }

    /// The mismatch, of the field with this name.
    pub(super) fn at(mut self, name: &str) -> Self {
        self.path = joined(name, &self.path);
        self
    }

    /// The mismatch of a value inside of another.
    pub(super) fn within(self, name: &str, mut around: impl FnMut(Value) -> Value) -> Self {
        let witnesses = self.witnesses.into_iter().map(&mut around).collect();
        Self {
            path: joined(name, &self.path),
            witnesses,
            what: self.what,
        }
    }
}

fn joined(name: &str, path: &str) -> String {
    if path.is_empty() || path.starts_with('[') {
        format!("{name}{path}")
    } else {
        format!("{name}.{path}")
    }
}
