use super::super::Field;
use super::super::at::At;
use super::super::read::{Read, fields, wrong};
use super::super::tree::Node;
use super::session::Touch;
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// What is asked of a request: a session, limits, a cache. Each may be left out.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields)
)]
pub struct Policy {
    /// The session it looks up: the name of a realm, or a mapping.
    pub session: Field<Session>,
    /// Names of limits, at most 16. A request passes all of them or is charged by none.
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub limits: Field<Vec<Field<String>>>,
    /// Name of the cache.
    pub cache: Field<String>,
}

/// The session of a policy.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(untagged))]
pub enum Session {
    /// A realm; the session is required.
    Realm(String),
    /// A realm, and what is asked of the session.
    Use(SessionUse),
}

/// A realm, and what is asked of the session.
#[derive(Debug, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(default, deny_unknown_fields, extend("required" = ["use"])))]
pub struct SessionUse {
    /// Name of the realm.
    #[cfg_attr(feature = "schema", schemars(rename = "use"))]
    pub realm: Field<String>,
    /// The session must hold one of these roles: 401 without a session, 403 without the role. Only with
    /// `required: true`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32)))]
    pub roles: Field<Vec<Field<String>>>,
    /// Refuse requests without a valid session. Default true.
    pub required: Field<bool>,
    /// The upstream's answer may create a session here (`x-session-set`), as a login form does. Needs
    /// `required: false` and a cookie. Default false.
    pub create: Field<bool>,
    /// The upstream's answer may change the session's data and roles (`x-session-update`), and
    /// is told the data (`data: true`). Default false.
    pub update: Field<bool>,
    /// The upstream is told the session's data and their version (`x-session-data`, `x-session-version`).
    /// Default false.
    pub data: Field<bool>,
    /// When requests here slide the session; the realm's when left out. `never` suits what a page polls.
    pub touch: Field<Touch>,
}

fields!(Policy: session, limits, cache);
fields!(SessionUse: realm as "use", roles, required, create, update, data, touch);

impl Read for Session {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        match node {
            Node::Text(realm) => Some(Self::Realm(realm.clone())),
            Node::Map(_) => SessionUse::read(node, at).map(Self::Use),
            _ => wrong(node, "the name of a session realm, or a mapping", at),
        }
    }
}
