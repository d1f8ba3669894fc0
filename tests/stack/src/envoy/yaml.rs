//! YAML in, JSON values out, and getting at the inside of one.

use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// Parses one YAML document (JSON is one too).
///
/// # Errors
/// [`Error::Policy`] with the place and the reason.
pub fn parse(file: &Path, text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).map_err(|e| Error::Policy {
        file: file.into(),
        reason: format!("not YAML: {e}"),
    })
}

/// The value at a JSON pointer (RFC 6901).
///
/// # Errors
/// [`Error::Answer`] naming the pointer when nothing is there: the shipped file and its reader disagree.
pub fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).ok_or_else(|| Error::Answer {
        what: "the shipped Envoy configuration".into(),
        got: format!("nothing at {pointer}"),
    })
}
