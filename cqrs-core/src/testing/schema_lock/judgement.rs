//! Whether everything that one type writes can be read by another.

use std::ptr;

use serde_json::{Map, Value, json};

use super::mismatch::{Mismatch, What};
use super::patterns::is_included;
use super::sample::{Sampler, TEXTS, key, number_value};
use super::shape::{
    Document, Integer, List, Number, Object, Opaque, OtherFields, Shape, TextShape,
};

/// What `written` admits and `read` does not.
pub(super) fn mismatches(written: &Value, read: &Value) -> Vec<Mismatch> {
    let mut judge = Judge {
        written: Document(written),
        read: Document(read),
        has_same_references: written.get("$defs") == read.get("$defs") && written == read,
        in_progress: Vec::new(),
    };
    let mut found = judge.schemas(written, read);
    // The outermost first.
    found.sort_by_key(|mismatch| mismatch.path.len());
    found
}

struct Judge<'s> {
    written: Document<'s>,
    read: Document<'s>,
    /// Whether a reference is to the same schema in both.
    has_same_references: bool,
    /// Pairs of schemas: those of types that contain themselves come again.
    in_progress: Vec<(*const Value, *const Value)>,
}

impl<'s> Judge<'s> {
    fn schemas(&mut self, written: &'s Value, read: &'s Value) -> Vec<Mismatch> {
        let pair = (
            ptr::from_ref(self.written.origin(written)),
            ptr::from_ref(self.read.origin(read)),
        );
        let is_same = written == read && (self.has_same_references || !has_reference(written));
        if is_same || self.in_progress.contains(&pair) {
            return Vec::new();
        }
        self.in_progress.push(pair);
        let alternatives = self.read.shapes(read);
        let found = self
            .written
            .shapes(written)
            .iter()
            .flat_map(|shape| self.alternatives(shape, &alternatives))
            .collect();
        self.in_progress.pop();
        found
    }

    /// The mismatches with the alternative that is closest, unless one fits.
    fn alternatives(&mut self, written: &Shape<'s>, read: &[Shape<'s>]) -> Vec<Mismatch> {
        let mut closest: Option<(Kinship, Vec<Mismatch>)> = None;
        let is_enum = read.len() > 1;
        for shape in read {
            let found = self.shapes(written, shape);
            if found.is_empty() {
                return found;
            }
            let kinship = self.kinship(written, shape, is_enum);
            let is_closer = closest.as_ref().is_none_or(|(known, mismatches)| {
                (kinship, found.len()) < (*known, mismatches.len())
            });
            if is_closer {
                closest = Some((kinship, found));
            }
        }
        if let Some((Kinship::Same | Kinship::Similar, found)) = closest {
            return found;
        }
        let what = match tag(self.written, written, is_enum) {
            Some((_, variant)) if read.iter().any(is_variant) => What::Variant(variant),
            _ => What::Kind {
                written: written.to_string(),
                read: described(read),
            },
        };
        self.leaf(written, what)
    }

    /// How likely it is that one is meant to be read as the other.
    fn kinship(&self, written: &Shape<'s>, read: &Shape<'s>, is_enum: bool) -> Kinship {
        if let (Shape::Constant(_), Shape::Constant(_)) = (written, read) {
            return Kinship::None;
        }
        if written.kind() != read.kind() {
            let is_constant = matches!(written, Shape::Constant(it) if it.is_string());
            let is_text = is_constant && matches!(read, Shape::Text(_));
            let are_numbers = matches!((written, read), (Shape::Integer(_), Shape::Number(_)));
            return if is_text || are_numbers || matches!(read, Shape::Unclear(_)) {
                Kinship::Similar
            } else {
                Kinship::None
            };
        }
        match (
            tag(self.written, written, is_enum),
            tag(self.read, read, is_enum),
        ) {
            (Some(one), Some(other)) if one == other => Kinship::Same,
            (Some((one, _)), Some((other, _))) if one == other => Kinship::None,
            _ => Kinship::Similar,
        }
    }

    fn shapes(&mut self, written: &Shape<'s>, read: &Shape<'s>) -> Vec<Mismatch> {
        match (written, read) {
            (_, Shape::Anything)
            | (Shape::Null, Shape::Null)
            | (Shape::Boolean, Shape::Boolean) => Vec::new(),
            (one, other) if one == other && matches!(one, Shape::Unclear(_)) => Vec::new(),
            (Shape::Unclear(what), _) | (_, Shape::Unclear(what)) => {
                self.leaf(written, What::Unclear(what.clone()))
            }
            (Shape::Constant(constant), read) => self.constant(written, constant, read),
            (Shape::Integer(one), Shape::Integer(other)) => {
                self.integers(one, other, written, read)
            }
            (Shape::Integer(one), Shape::Number(other)) => {
                let is_exact = other
                    .exact
                    .is_none_or(|exact| one.min >= -exact && one.max <= exact);
                digits(is_exact, written, read)
                    .into_iter()
                    .chain(self.opaque(&one.opaque, &other.opaque, written))
                    .collect()
            }
            (Shape::Number(one), Shape::Number(other)) => self.numbers(one, other, written, read),
            (Shape::Text(one), Shape::Text(other)) => self.texts(one, other, written, read),
            (Shape::List(one), Shape::List(other)) => self.lists(one, other, written, read),
            (Shape::Object(one), Shape::Object(other)) => self.objects(one, other, written),
            _ => self.kinds(written, read),
        }
    }

    /// A mismatch of the whole shape.
    fn leaf(&self, written: &Shape<'s>, what: What) -> Vec<Mismatch> {
        let witnesses = self.samples(written);
        vec![Mismatch::here(what, witnesses)]
    }

    fn samples(&self, shape: &Shape<'s>) -> Vec<Value> {
        if *shape == Shape::Anything {
            let text = TEXTS[0];
            return vec![
                json!(null),
                json!(true),
                json!(-1.5),
                json!(text),
                json!([]),
                json!({}),
            ];
        }
        let samples = [true, false].map(|is_full| self.sampler(is_full).of_shape(shape));
        samples.into_iter().flatten().collect()
    }

    fn sampler(&self, is_full: bool) -> Sampler<'s> {
        Sampler::new(self.written.0, is_full, TEXTS[0])
    }

    fn kinds(&self, written: &Shape<'s>, read: &Shape<'s>) -> Vec<Mismatch> {
        let what = What::Kind {
            written: written.to_string(),
            read: read.to_string(),
        };
        self.leaf(written, what)
    }

    fn constant(&self, written: &Shape<'s>, constant: &Value, read: &Shape<'s>) -> Vec<Mismatch> {
        match read {
            _ if read.admits(constant) => Vec::new(),
            Shape::Text(text) if text.format.is_none() && !text.opaque.is_empty() => {
                self.opaque(&Opaque::new(), &text.opaque, written)
            }
            _ => self.kinds(written, read),
        }
    }

    fn integers(
        &self,
        one: &Integer<'s>,
        other: &Integer<'s>,
        written: &Shape<'s>,
        read: &Shape<'s>,
    ) -> Vec<Mismatch> {
        if one.min >= other.min && one.max <= other.max {
            return self.opaque(&one.opaque, &other.opaque, written);
        }
        let outside = if one.max > other.max {
            one.max
        } else {
            one.min
        };
        let largest = outside.clamp(i64::MIN.into(), u64::MAX.into());
        let what = What::Kind {
            written: written.to_string(),
            read: read.to_string(),
        };
        vec![Mismatch::here(what, Vec::from_iter(number_value(largest)))]
    }

    fn numbers(
        &self,
        one: &Number<'s>,
        other: &Number<'s>,
        written: &Shape<'s>,
        read: &Shape<'s>,
    ) -> Vec<Mismatch> {
        let is_exact = match (one.exact, other.exact) {
            (_, None) => true,
            (Some(one), Some(other)) => one <= other,
            (None, Some(_)) => false,
        };
        digits(is_exact, written, read)
            .into_iter()
            .chain(self.opaque(&one.opaque, &other.opaque, written))
            .collect()
    }

    fn texts(
        &self,
        one: &TextShape<'s>,
        other: &TextShape<'s>,
        written: &Shape<'s>,
        read: &Shape<'s>,
    ) -> Vec<Mismatch> {
        let has_format = other.format.is_none() || one.format == other.format;
        // The length of a text with a format is given by that.
        let fits = one.min >= other.min && one.max <= other.max;
        if has_format && fits {
            return self.opaque(&one.opaque, &other.opaque, written);
        }
        let mut found = self.kinds(written, read);
        if one.max > other.max {
            for text in found.iter_mut().flat_map(|it| &mut it.witnesses) {
                let longer = text.as_str().map(|it| it.repeat(2));
                *text = longer.unwrap_or_default().into();
            }
        }
        found
    }

    /// Keywords that are not understood fit if they are the same, or are gone.
    fn opaque(&self, written: &Opaque<'s>, read: &Opaque<'s>, shape: &Shape<'s>) -> Vec<Mismatch> {
        read.iter()
            .filter(|(word, value)| {
                written.get(*word).is_none_or(|known| {
                    known != *value && !is_included(known.as_str(), value.as_str())
                })
            })
            .flat_map(|(word, value)| self.leaf(shape, What::Unclear(format!("`{word}`: {value}"))))
            .collect()
    }

    fn lists(
        &mut self,
        one: &List<'s>,
        other: &List<'s>,
        written: &Shape<'s>,
        read: &Shape<'s>,
    ) -> Vec<Mismatch> {
        if one.min < other.min || one.max > other.max {
            return self.kinds(written, read);
        }
        let Some(Value::Array(sample)) = self.sampler(true).of_shape(written) else {
            return self.opaque(&one.opaque, &other.opaque, written);
        };
        let mut found = self.opaque(&one.opaque, &other.opaque, written);
        let named = one.first.len().max(other.first.len());
        let longest = usize::try_from(one.max).unwrap_or(usize::MAX);
        for place in 0..=named.min(longest.saturating_sub(1)) {
            let (Some(written), Some(read)) = (one.item(place), other.item(place)) else {
                continue;
            };
            let path = if place < named {
                format!("[{place}]")
            } else {
                "[]".to_owned()
            };
            let inside = self.schemas(written, read);
            found.extend(inside.into_iter().map(|mismatch| {
                mismatch.within(&path, |value| {
                    let mut items = sample.clone();
                    items.truncate(longest);
                    if place < items.len() {
                        items[place] = value;
                    } else {
                        items.push(value);
                    }
                    Value::Array(items)
                })
            }));
        }
        found
    }

    fn objects(
        &mut self,
        one: &Object<'s>,
        other: &Object<'s>,
        written: &Shape<'s>,
    ) -> Vec<Mismatch> {
        let mut found = self.opaque(&one.opaque, &other.opaque, written);
        for name in &other.required {
            if !one.required.contains(name) {
                let what = What::Missing {
                    is_optional: one.properties.contains_key(name),
                    dropped: dropped(one, other),
                };
                let witnesses = self.samples(written);
                found.push(Mismatch::here(what, witnesses).at(name));
            }
        }
        let base = self.sampler(true).object(one, 0).unwrap_or_default();
        for (name, schema) in &one.properties {
            let read = match (other.properties.get(name), other.others) {
                (Some(read), _) => read,
                (None, OtherFields::Unsaid) => continue,
                (None, OtherFields::Of(read)) => read,
                (None, OtherFields::Refused) => {
                    if let Some(read) = other.matching(name) {
                        found.extend(self.member(schema, read, name, &base));
                        continue;
                    }
                    let witnesses = self.samples(written);
                    found.push(Mismatch::here(What::Refused, witnesses).at(name));
                    continue;
                }
            };
            found.extend(self.member(schema, read, name, &base));
        }
        found.extend(self.maps(one, other, &base, written));
        found
    }

    /// The properties whose names are not known.
    fn maps(
        &mut self,
        one: &Object<'s>,
        other: &Object<'s>,
        base: &Map<String, Value>,
        written: &Shape<'s>,
    ) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let by_pattern = one.patterns.iter().map(|(name, it)| (Some(*name), *it));
        let others = match one.others {
            OtherFields::Of(schema) => Some((None, schema)),
            OtherFields::Unsaid | OtherFields::Refused => None,
        };
        for (pattern, schema) in by_pattern.chain(others) {
            let fitting = other
                .patterns
                .iter()
                .find(|(name, _)| Some(**name) == pattern || is_included(pattern, Some(name)))
                .map(|(_, read)| *read);
            match (fitting, other.others) {
                (Some(read), _) | (None, OtherFields::Of(read)) => {
                    let inside = self.schemas(schema, read);
                    found.extend(inside.into_iter().map(|mismatch| {
                        mismatch.within("*", |value| {
                            let mut fields = base.clone();
                            fields.insert(key(pattern).to_owned(), value);
                            Value::Object(fields)
                        })
                    }));
                }
                (None, OtherFields::Unsaid) => {}
                (None, OtherFields::Refused) => {
                    let witnesses = self.samples(written);
                    found.push(Mismatch::here(What::Refused, witnesses).at("*"));
                }
            }
            // One of them may have the name of a field.
            for (name, read) in &other.properties {
                if !one.properties.contains_key(name) && pattern.is_none() {
                    found.extend(self.member(schema, read, name, base));
                }
            }
        }
        found
    }

    fn member(
        &mut self,
        written: &'s Value,
        read: &'s Value,
        name: &str,
        base: &Map<String, Value>,
    ) -> Vec<Mismatch> {
        let inside = self.schemas(written, read);
        inside
            .into_iter()
            .map(|mismatch| {
                mismatch.within(name, |value| {
                    let mut fields = base.clone();
                    fields.insert(name.to_owned(), value);
                    Value::Object(fields)
                })
            })
            .collect()
    }
}

/// The place and the name of the variant of an enum.
fn tag<'s>(document: Document<'s>, shape: &Shape<'s>, is_enum: bool) -> Option<(String, String)> {
    let object = match shape {
        Shape::Constant(Value::String(name)) => return Some((String::new(), name.clone())),
        Shape::Constant(constant) => return Some((String::new(), constant.to_string())),
        Shape::Object(object) => object,
        _ => return None,
    };
    for name in &object.required {
        let schema = object.properties.get(name);
        let shapes = schema.map(|it| document.shapes(it)).unwrap_or_default();
        if let [Shape::Constant(Value::String(tag))] = shapes.as_slice() {
            return Some(((*name).to_owned(), tag.clone()));
        }
    }
    // The variant's name is that of the only field.
    let name = object.required.first()?;
    let is_only = object.properties.len() == 1 && object.properties.contains_key(name);
    let is_variant = is_only && (is_enum || object.others == OtherFields::Refused);
    is_variant.then(|| (String::new(), (*name).to_owned()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kinship {
    Same,
    Similar,
    None,
}

/// The fields that are written and not read.
fn dropped(one: &Object<'_>, other: &Object<'_>) -> Vec<String> {
    one.properties
        .keys()
        .filter(|name| !other.properties.contains_key(*name))
        .map(|name| (*name).to_owned())
        .collect()
}

/// Whether it may be a variant of an enum.
fn is_variant(shape: &Shape<'_>) -> bool {
    matches!(shape, Shape::Constant(_) | Shape::Object(_))
}

fn described(shapes: &[Shape<'_>]) -> String {
    let mut names: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    names.dedup();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        names => names.join(" or "),
    }
}

fn has_reference(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("$ref") || fields.values().any(has_reference),
        Value::Array(values) => values.iter().any(has_reference),
        _ => false,
    }
}

/// A number that is read with fewer digits than it is written with, unless it is exact.
fn digits(is_exact: bool, written: &Shape<'_>, read: &Shape<'_>) -> Option<Mismatch> {
    let what = What::Digits {
        written: written.to_string(),
        read: read.to_string(),
    };
    (!is_exact).then(|| Mismatch::here(what, Vec::new()))
}
