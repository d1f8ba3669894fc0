//! Finds the policy in a file that embeds one.

use super::document::{join, walk};
use serde_json::{Map, Value};

/// The type of Envoy's Wasm filter.
const WASM_FILTER: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const STRUCT: &str = "google.protobuf.Struct";
const NOTHING: &str = "holds no policy: no `version`, and no Wasm filter with a configuration";
const STRING: &str = "google.protobuf.StringValue";

/// A policy to check.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Where in the file it stands.
    pub(super) place: String,
    /// Its JSON.
    pub(super) json: String,
}

/// A place that holds the configuration of some Wasm filter.
struct Slot<'a> {
    place: String,
    /// Something beside the configuration says that the filter is ours.
    ours: bool,
    content: Result<Content<'a>, String>,
}

enum Content<'a> {
    Value(&'a Value),
    Text(&'a str),
}

/// The policies of `documents`. Where Wasm filters are told apart by name, only those that mention
/// tidegate count.
///
/// # Errors
/// Why there is none, or what is wrong with the place that should hold one.
pub(super) fn candidates(documents: &[Value]) -> Result<Vec<Candidate>, String> {
    if let [document] = documents
        && is_policy(document)
    {
        return Ok(plain(document));
    }
    let mut slots = Vec::new();
    walk(documents, |map, place| {
        let found = slots_of(map, place);
        let ends = found.is_some();
        slots.extend(found.into_iter().flatten());
        ends
    });
    if slots.iter().any(|slot| slot.ours) {
        slots.retain(|slot| slot.ours);
    }
    if !slots.is_empty() {
        return slots.into_iter().map(candidate).collect();
    }
    match documents {
        [] => Err("empty".to_owned()),
        [document] if !document.is_object() => Err("must be a mapping".to_owned()),
        [document] if !is_foreign(document) => Ok(plain(document)),
        _ => Err(NOTHING.to_owned()),
    }
}

fn plain(document: &Value) -> Vec<Candidate> {
    let (place, json) = (String::new(), document.to_string());
    vec![Candidate { place, json }]
}

/// Whether the file itself is the policy.
fn is_policy(document: &Value) -> bool {
    document.get("version").is_some() && !is_foreign(document)
}

/// Whether the file says that it is something else.
fn is_foreign(document: &Value) -> bool {
    let names = [
        "apiVersion",
        "kind",
        "resources",
        "static_resources",
        "typed_config",
        "@type",
    ];
    names.iter().any(|name| document.get(name).is_some())
}

fn candidate(slot: Slot<'_>) -> Result<Candidate, String> {
    let json = match slot.content {
        Ok(Content::Value(value)) => value.to_string(),
        Ok(Content::Text(text)) => text.to_owned(),
        Err(reason) => return Err(format!("{}: {reason}", slot.place)),
    };
    Ok(Candidate {
        place: slot.place,
        json,
    })
}

/// What `map` holds, when it is something that configures a Wasm filter.
fn slots_of<'a>(map: &'a Map<String, Value>, place: &str) -> Option<Vec<Slot<'a>>> {
    match map.get("kind").and_then(Value::as_str) {
        Some("WasmPlugin") => return Some(plugin(map, place).into_iter().collect()),
        Some("EnvoyExtensionPolicy") => return Some(extension(map, place)),
        _ => {}
    }
    let is = |key: &str| type_of(map, key).is_some_and(|name| name == WASM_FILTER);
    let (filter, place) = if is("@type") {
        (map, place.to_owned())
    } else if is("type_url") {
        // A TypedStruct: the filter's fields, untyped.
        (map.get("value")?.as_object()?, join(place, "value"))
    } else {
        return None;
    };
    Some(filter_slot(filter, &place).into_iter().collect())
}

/// Istio: `spec.pluginConfig` is the policy.
fn plugin<'a>(map: &'a Map<String, Value>, place: &str) -> Option<Slot<'a>> {
    let spec = map.get("spec")?.as_object()?;
    let config = spec.get("pluginConfig")?;
    Some(Slot {
        place: join(place, "spec.pluginConfig"),
        ours: mentions_us(map.get("metadata")) || others_mention_us(spec, "pluginConfig"),
        content: Ok(Content::Value(config)),
    })
}

/// Envoy Gateway: `spec.wasm[].config` is the policy.
fn extension<'a>(map: &'a Map<String, Value>, place: &str) -> Vec<Slot<'a>> {
    let wasm = map.get("spec").and_then(|spec| spec.get("wasm"));
    let filters = wasm.and_then(Value::as_array).into_iter().flatten();
    let slot = |(index, filter): (usize, &'a Value)| {
        let filter = filter.as_object()?;
        let place = join(place, "spec.wasm");
        Some(Slot {
            place: format!("{place}[{index}].config"),
            ours: mentions_us(map.get("metadata")) || others_mention_us(filter, "config"),
            content: Ok(Content::Value(filter.get("config")?)),
        })
    };
    filters.enumerate().filter_map(slot).collect()
}

/// Envoy: `config.configuration` is an `Any` with a `Struct`, or with a `StringValue` that holds JSON.
fn filter_slot<'a>(filter: &'a Map<String, Value>, place: &str) -> Option<Slot<'a>> {
    let config = filter.get("config")?.as_object()?;
    let any = config.get("configuration")?;
    let mut place = join(place, "config.configuration");
    let of_type = any.as_object().and_then(|any| type_of(any, "@type"));
    let content = match (of_type, any.get("value")) {
        (Some(STRUCT), Some(value)) => Ok(Content::Value(value)),
        (Some(STRING), Some(Value::String(text))) => Ok(Content::Text(text)),
        (Some(STRUCT | STRING), _) => Err("has no value of its type".to_owned()),
        _ => Err(format!("must be a {STRUCT}, or a {STRING} that holds JSON")),
    };
    if content.is_ok() {
        place.push_str(".value");
    }
    Some(Slot {
        place,
        ours: others_mention_us(config, "configuration"),
        content,
    })
}

/// The message type that `key` names.
fn type_of<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let url = map.get(key)?.as_str()?;
    url.strip_prefix("type.googleapis.com/")
}

fn others_mention_us(map: &Map<String, Value>, except: &str) -> bool {
    let mut others = map.iter().filter(|(name, _)| *name != except);
    others.any(|(_, value)| mentions_us(Some(value)))
}

fn mentions_us(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.to_string().contains("tidegate"))
}
