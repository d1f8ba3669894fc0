use super::super::Field;
use super::super::read::fields;
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// Gives the requests that match a policy.
#[derive(Debug, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(default, deny_unknown_fields, extend("required" = ["match", "policy"])))]
pub struct Route {
    /// Which requests: all that is given here must hold.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub matches: Field<Match>,
    /// Name of the policy.
    pub policy: Field<String>,
}

/// Which requests a route takes. At least one field is given, `path` and `path_prefix` not together.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields, extend("minProperties" = 1, "not" = serde_json::json!({ "required": ["path", "path_prefix"] })))
)]
pub struct Match {
    /// Exactly this path, without its query.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^/"), length(max = 2048))
    )]
    pub path: Field<String>,
    /// This path and what is below it, by whole segments: `/admin` takes `/admin` and `/admin/...`, not
    /// `/administrator`. `/api/` takes `/api/` and `/api/...`, not `/api`.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^/"), length(max = 2048))
    )]
    pub path_prefix: Field<String>,
    /// One of these hosts: a name without port, or `*.example.com` for every name below it.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub hosts: Field<Vec<Field<String>>>,
    /// One of these methods, in capitals.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub methods: Field<Vec<Field<String>>>,
}

fields!(Route: matches as "match", policy);
fields!(Match: path, path_prefix, hosts, methods);
