use super::super::{Duration, Field};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;

/// A session realm: one kind of credential with its life time. It has a `cookie` or a `header`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(extend("oneOf" = either())))]
pub struct Realm {
    /// Name of the cookie that carries the token, best with the prefix `__Host-`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub cookie: Field<String>,
    /// The header that carries the token.
    pub header: Field<CredentialHeader>,
    /// A session not used for this long ends. Default `30m`.
    pub idle: Field<Duration>,
    /// A session this old ends, used or not; at least `idle`. Default `12h`.
    pub absolute: Field<Duration>,
}

/// A header that carries a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub enum CredentialHeader {
    /// `Authorization: Bearer <token>` (RFC 6750).
    Authorization,
}

#[cfg(feature = "schema")]
fn either() -> serde_json::Value {
    serde_json::json!([{ "required": ["cookie"] }, { "required": ["header"] }])
}
