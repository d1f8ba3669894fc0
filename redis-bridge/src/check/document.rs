//! What all files have in common, whatever they configure: mappings in lists in mappings, in JSON or YAML.

use serde_json::{Map, Value};

/// Shows every mapping of a file to `visit`, with its place; below one for which it returns true none is shown.
pub(super) fn walk<'a>(
    documents: &'a [Value],
    mut visit: impl FnMut(&'a Map<String, Value>, &str) -> bool,
) {
    for (place, document) in places(documents) {
        descend(document, &place, &mut visit);
    }
}

fn descend<'a>(
    value: &'a Value,
    place: &str,
    visit: &mut impl FnMut(&'a Map<String, Value>, &str) -> bool,
) {
    match value {
        Value::Object(fields) => {
            if visit(fields, place) {
                return;
            }
            for (name, value) in fields {
                descend(value, &join(place, name), visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                descend(item, &format!("{place}[{index}]"), visit);
            }
        }
        _ => {}
    }
}

/// Each document of a file with its place, which is empty when there is one.
fn places(documents: &[Value]) -> impl Iterator<Item = (String, &Value)> {
    let only = documents.len() == 1;
    let place = move |index: usize| match only {
        true => String::new(),
        false => format!("document {}: ", index + 1),
    };
    let numbered = documents.iter().enumerate();
    numbered.map(move |(index, document)| (place(index), document))
}

/// The place of what has that name at `place`.
pub(super) fn join(place: &str, name: &str) -> String {
    let separator = match place {
        "" => "",
        place if place.ends_with(' ') => "",
        _ => ".",
    };
    format!("{place}{separator}{name}")
}

/// A field by its name in protobuf, or by the one in JSON, which Envoy reads as well.
pub(super) fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| fields.get(&camel(name)))
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}
