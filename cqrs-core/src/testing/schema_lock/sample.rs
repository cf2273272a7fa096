use serde_json::{Map, Value, json};

use super::shape::{Document, Integer, List, Object, OtherFields, Shape, TextShape};

/// Makes values that a schema admits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler<'s> {
    document: Document<'s>,
    /// Whether optional fields are there.
    is_full: bool,
    /// Stands for texts that may be any.
    text: &'s str,
}

/// Texts to try, as types may refuse some.
pub(super) const TEXTS: [&str; 6] = ["text", "1", "P001", "a", "1.50", "a@example.com"];

/// A type that contains itself is not entered more often.
const MAX_DEPTH: usize = 12;

/// The most samples of one schema.
const MAX_SAMPLES: usize = 48;

impl<'s> Sampler<'s> {
    pub(super) fn new(schema: &'s Value, is_full: bool, text: &'s str) -> Self {
        Self {
            document: Document(schema),
            is_full,
            text,
        }
    }

    /// A value. `None` if there is none, or none that is small.
    pub(super) fn of(self, schema: &'s Value) -> Option<Value> {
        self.value(schema, 0)
    }

    fn value(self, schema: &'s Value, depth: usize) -> Option<Value> {
        if let Some(example) = example(schema) {
            return Some(example.clone());
        }
        let mut shapes = self.document.shapes(schema);
        // The whole has everything, the smallest has nothing that can be left out.
        shapes.sort_by_key(|it| (*it == Shape::Null) == self.is_full);
        shapes.iter().find_map(|shape| self.inside(shape, depth))
    }

    /// A value of this form.
    pub(super) fn of_shape(self, shape: &Shape<'s>) -> Option<Value> {
        self.inside(shape, 0)
    }

    fn inside(self, shape: &Shape<'s>, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match shape {
            Shape::Anything => self.text.into(),
            Shape::Null => Value::Null,
            Shape::Boolean => true.into(),
            Shape::Constant(constant) => (*constant).clone(),
            Shape::Integer(integer) => whole_number(integer)?,
            Shape::Number(_) => json!(1.5),
            Shape::Text(text) => self.text_of(text).into(),
            Shape::List(list) => self.list(list, depth)?,
            Shape::Object(object) => Value::Object(self.object(object, depth)?),
            Shape::Unclear(_) => return None,
        })
    }

    fn list(self, list: &List<'s>, depth: usize) -> Option<Value> {
        let wanted = u64::from(self.is_full);
        let count = wanted.max(list.min).min(list.max);
        let mut items = Vec::new();
        for place in 0..usize::try_from(count).ok()? {
            match list.item(place) {
                Some(schema) => match self.value(schema, depth + 1) {
                    Some(item) => items.push(item),
                    None if items.len() as u64 >= list.min => break,
                    None => return None,
                },
                None => items.push(self.text.into()),
            }
        }
        Some(Value::Array(items))
    }

    pub(super) fn object(self, object: &Object<'s>, depth: usize) -> Option<Map<String, Value>> {
        let mut fields = Map::new();
        for (name, schema) in &object.properties {
            let is_required = object.required.contains(name);
            if !is_required && !self.is_full {
                continue;
            }
            match self.value(schema, depth + 1) {
                Some(value) => {
                    fields.insert((*name).to_owned(), value);
                }
                None if is_required => return None,
                None => {}
            }
        }
        if self.is_full {
            let patterns = object.patterns.iter();
            let by_pattern = patterns.map(|(pattern, schema)| (key(Some(pattern)), *schema));
            let others = match object.others {
                OtherFields::Of(schema) => Some((key(None), schema)),
                _ => None,
            };
            for (name, schema) in by_pattern.chain(others) {
                if let Some(value) = self.value(schema, depth + 1) {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        Some(fields)
    }

    fn text_of(self, text: &TextShape<'_>) -> String {
        if let Some(sample) = text.format.and_then(formatted) {
            return sample.to_owned();
        }
        let pattern = text.opaque.get("pattern").and_then(|it| it.as_str());
        if pattern.is_some_and(|pattern| pattern.contains("\\d")) {
            return "1".to_owned();
        }
        let longest = usize::try_from(text.max).unwrap_or(usize::MAX);
        let mut sample: String = self.text.chars().take(longest).collect();
        while (sample.chars().count() as u64) < text.min {
            sample.push('a');
        }
        sample
    }

    /// Values that have each alternative at least once.
    pub(super) fn covering(self, schema: &'s Value) -> Vec<Value> {
        let mut samples = self.alternatives(schema, 0);
        let smallest = Self {
            is_full: false,
            ..self
        };
        samples.extend(smallest.of(schema));
        let mut different: Vec<Value> = Vec::new();
        for sample in samples {
            if !different.contains(&sample) {
                different.push(sample);
            }
        }
        different.truncate(MAX_SAMPLES);
        different
    }

    fn alternatives(self, schema: &'s Value, depth: usize) -> Vec<Value> {
        let Some(first) = self.value(schema, depth) else {
            return Vec::new();
        };
        if depth > MAX_DEPTH / 2 || example(schema).is_some() {
            return vec![first];
        }
        let mut samples = vec![first];
        for shape in self.document.shapes(schema) {
            let Some(base) = self.inside(&shape, depth) else {
                continue;
            };
            match (&shape, &base) {
                (Shape::Object(object), Value::Object(fields)) => {
                    for (name, schema) in &object.properties {
                        for value in self.alternatives(schema, depth + 1) {
                            let mut fields = fields.clone();
                            fields.insert((*name).to_owned(), value);
                            samples.push(Value::Object(fields));
                        }
                    }
                }
                (Shape::List(list), Value::Array(items)) => {
                    for (place, _) in items.iter().enumerate() {
                        let schema = list.item(place);
                        for value in schema
                            .into_iter()
                            .flat_map(|it| self.alternatives(it, depth + 1))
                        {
                            let mut items = items.clone();
                            items[place] = value;
                            samples.push(Value::Array(items));
                        }
                    }
                }
                _ => {}
            }
            samples.push(base);
            if samples.len() > MAX_SAMPLES {
                break;
            }
        }
        samples
    }
}

impl<'s> List<'s> {
    /// The schema of the item at this place.
    pub(super) fn item(&self, place: usize) -> Option<&'s Value> {
        self.first.get(place).copied().or(self.others)
    }
}

fn example(schema: &Value) -> Option<&Value> {
    schema.get("examples")?.as_array()?.first()
}

fn whole_number(Integer { min, max, .. }: &Integer<'_>) -> Option<Value> {
    let number = if (*min..=*max).contains(&1) { 1 } else { *min };
    number_value(number)
}

/// A key of a map whose keys have this pattern.
pub(super) fn key(pattern: Option<&str>) -> &'static str {
    match pattern {
        None => "key",
        Some(pattern) if pattern.starts_with("^-?") => "-1",
        Some(_) => "1",
    }
}

/// The number as JSON, unless it is too large for one.
pub(super) fn number_value(number: i128) -> Option<Value> {
    let signed = i64::try_from(number).map(Value::from);
    signed
        .or_else(|_| u64::try_from(number).map(Value::from))
        .ok()
}

fn formatted(format: &str) -> Option<&'static str> {
    Some(match format {
        "uuid" => "00000000-0000-4000-8000-000000000001",
        "date-time" => "2026-01-02T03:04:05Z",
        "zoned-date-time" => "2026-01-02T03:04:05+00:00[UTC]",
        "partial-date-time" => "2026-01-02T03:04:05",
        "date" => "2026-01-02",
        "time" | "partial-time" => "03:04:05",
        "duration" => "PT1H",
        "ip" | "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "email" => "a@example.com",
        "uri" | "url" => "https://example.com/",
        _ => return None,
    })
}
