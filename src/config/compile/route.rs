//! Routes.

use super::super::at::{At, Shown};
use super::super::field::Field;
use super::super::raw;
use super::name::Names;
use super::value::{count, distinct, list, token};
use crate::policy::{HostRule, PathRule, Router, Rule};

/// Routes of one configuration, at most.
const MAX_ROUTES: usize = 10_000;
/// Hosts or methods of one route, at most.
const MAX_ITEMS: usize = 256;
/// Longest path of a route, bytes.
const MAX_PATH: usize = 2_048;

pub(super) fn router(
    routes: &Field<Vec<Field<raw::Route>>>,
    names: &Names<'_>,
    at: &At<'_>,
) -> Option<Router> {
    routes.value(Router::default(), |routes| {
        if routes.len() > MAX_ROUTES {
            return at.fail(format!(
                "must have at most {MAX_ROUTES} items, got {}",
                routes.len()
            ));
        }
        let rules = list(routes, at, |route, at| rule(route, names, at))?;
        Some(Router::new(&rules))
    })
}

fn rule(raw: &raw::Route, names: &Names<'_>, at: &At<'_>) -> Option<Rule> {
    let at_policy = at.key("policy");
    let policy = raw.policy.required(&at_policy);
    let policy = policy.and_then(|policy| names.policy(policy, &at_policy));
    let at = at.key("match");
    let raw = raw.matches.required(&at)?;
    let path = path_rule(raw, &at);
    let hosts = raw.hosts.value(Vec::new(), |hosts| {
        let at = at.key("hosts");
        count(hosts, MAX_ITEMS, &at)?;
        let hosts = list(hosts, &at, |host, at| host_rule(host, at))?;
        distinct(&hosts, &at)?;
        Some(hosts)
    });
    let methods = raw.methods.value(Vec::new(), |methods| {
        let at = at.key("methods");
        count(methods, MAX_ITEMS, &at)?;
        let methods = list(methods, &at, |name, at| method(name, at))?;
        distinct(&methods, &at)?;
        Some(methods)
    });
    let rule = Rule {
        path: path?,
        hosts: hosts?,
        methods: methods?,
        policy: policy?,
    };
    if rule.path == PathRule::Any && rule.hosts.is_empty() && rule.methods.is_empty() {
        return at
            .fail("needs one of path, path_prefix, hosts, methods (all requests: path_prefix: /)");
    }
    Some(rule)
}

fn path_rule(raw: &raw::Match, at: &At<'_>) -> Option<PathRule> {
    match (&raw.path, &raw.path_prefix) {
        (Field::Bad, _) | (_, Field::Bad) => None,
        (Field::Absent, Field::Absent) => Some(PathRule::Any),
        (Field::Given(_), Field::Given(_)) => at.fail("path and path_prefix exclude each other"),
        (Field::Given(text), Field::Absent) => path(text, &at.key("path")).map(PathRule::Exact),
        (Field::Absent, Field::Given(text)) => {
            path(text, &at.key("path_prefix")).map(PathRule::Prefix)
        }
    }
}

/// Requests come normalised (RFC 3986 section 6.2.2, merged slashes), so a path that is not would never
/// match, and what it should protect would be open.
fn path(text: &str, at: &At<'_>) -> Option<String> {
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    let reason = if !text.starts_with('/') {
        "must start with /"
    } else if text.len() > MAX_PATH {
        "must have at most 2048 bytes"
    } else if text.contains(['?', '#']) {
        "must not have a query or fragment"
    } else if !printable || text.contains('\\') {
        "must be printable ASCII without spaces and \\, others percent-encoded"
    } else if text.contains("//")
        || text
            .split('/')
            .any(|segment| segment == "." || segment == "..")
    {
        "must be normalised: no //, . or .. segments"
    } else {
        return Some(text.to_owned());
    };
    at.fail(format!("{reason}, got {}", Shown(text)))
}

fn host_rule(text: &str, at: &At<'_>) -> Option<HostRule> {
    let name = text.to_ascii_lowercase();
    let (name, below) = match name.strip_prefix("*.") {
        Some(name) => (name.to_owned(), true),
        None => (name, false),
    };
    if !is_host(&name) && (below || !is_ipv6(&name)) {
        return at.fail(format!(
            "must be a host name without port, *.NAME, or an IPv6 address in brackets, got {}",
            Shown(text)
        ));
    }
    Some(match below {
        true => HostRule::Below(name),
        false => HostRule::Exact(name),
    })
}

fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_ipv6(name: &str) -> bool {
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let plain = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    inner.is_some_and(|inner| inner.contains(':') && inner.bytes().all(plain))
}

fn method(text: &str, at: &At<'_>) -> Option<String> {
    let name = token(text, "a method", at)?;
    if name.bytes().any(|b| b.is_ascii_lowercase()) {
        return at.fail(format!(
            "methods are case-sensitive, write {}, got {}",
            Shown(&name.to_ascii_uppercase()),
            Shown(name)
        ));
    }
    Some(name.to_owned())
}
