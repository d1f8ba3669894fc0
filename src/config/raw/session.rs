use super::super::read::{fields, words};
use super::super::{Duration, Field};
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// A session realm: one kind of credential with its life time. It has a `cookie` or a `header`.
#[derive(Debug, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(default, deny_unknown_fields, extend("oneOf" = either())))]
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
    /// When a request slides the session. Default `threshold`.
    pub touch: Field<Touch>,
    /// What becomes of an unsafe request that a cookie authenticated and another site may have caused.
    /// Default `enforce`.
    pub csrf: Field<Csrf>,
    /// Whether Redis holds sessions sealed. False: whoever reads Redis may read users, roles and data;
    /// still nobody but the bridge can write them. Sessions stay as they were made. Default true.
    pub seal: Field<bool>,
}

/// When a request slides the session it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum Touch {
    /// Each time.
    Always,
    /// Never.
    Never,
    /// When less than 3/4 of `idle` is left: one write per quarter of `idle` at most.
    Threshold,
}

/// What becomes of cross-site requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum Csrf {
    /// Not looked at: the application protects itself.
    Disabled,
    /// 403.
    Enforce,
    /// Counted and logged.
    Report,
}

/// A header that carries a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum CredentialHeader {
    /// `Authorization: Bearer <token>` (RFC 6750).
    Authorization,
}

fields!(Realm: cookie, header, idle, absolute, touch, csrf, seal);
words!(Touch: "always" => Always, "never" => Never, "threshold" => Threshold);
words!(Csrf: "disabled" => Disabled, "enforce" => Enforce, "report" => Report);
words!(CredentialHeader: "authorization" => Authorization);

#[cfg(feature = "schema")]
fn either() -> serde_json::Value {
    serde_json::json!([{ "required": ["cookie"] }, { "required": ["header"] }])
}
