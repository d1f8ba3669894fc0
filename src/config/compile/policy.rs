//! Policies.

use super::super::at::{At, Shown};
use super::super::{Field, raw};
use super::name::Names;
use super::value::{count, distinct, list};
use super::{key, session};
use crate::policy::{Policy, SessionUse};
use crate::wire::op::Touch;

/// Limits of one policy, at most: what one exchange takes.
const MAX_LIMITS: usize = crate::wire::op::MAX_LIMITS;
/// Roles of one policy, at most.
const MAX_ROLES: usize = 32;
/// Longest role, bytes.
const MAX_ROLE: usize = 64;

pub(super) fn policy(
    name: &str,
    raw: &raw::Policy,
    config: &raw::Config,
    names: &Names<'_>,
    at: &At<'_>,
) -> Option<Policy> {
    let session = raw.session.value(None, |session| {
        session_use(session, config, names, &at.key("session")).map(Some)
    });
    let limits = limits(raw, config, names, &at.key("limits"));
    let cache = raw
        .cache
        .value(None, |cache| names.cache(cache, &at.key("cache")).map(Some));
    Some(Policy {
        name: name.to_owned(),
        session: session?,
        limits: limits?,
        cache: cache?,
    })
}

fn session_use(
    raw: &raw::Session,
    config: &raw::Config,
    names: &Names<'_>,
    at: &At<'_>,
) -> Option<SessionUse> {
    let raw = match raw {
        raw::Session::Realm(realm) => {
            return Some(SessionUse {
                realm: names.realm(realm, at)?,
                required: true,
                roles: Vec::new(),
                create: false,
                update: false,
                data: false,
                touch: realm_of(realm, config).map_or(Touch::Threshold, touch_of),
            });
        }
        raw::Session::Use(raw) => raw,
    };
    let realm = raw.realm.required(&at.key("use"));
    let realm = realm.and_then(|realm| names.realm(realm, &at.key("use")));
    let required = raw.required.value(true, |&required| Some(required));
    let flag = |field: &Field<bool>| field.value(false, |&set| Some(set));
    let (create, update, data) = (flag(&raw.create), flag(&raw.update), flag(&raw.data));
    let (name, touch) = (raw.realm.given(), raw.touch.given());
    let of_realm = name.and_then(|name| realm_of(name, config));
    let touch = match touch {
        Some(word) => session::touch(*word),
        None => of_realm.map_or(Touch::Threshold, touch_of),
    };
    let roles = raw.roles.value(Vec::new(), |roles| {
        let at = at.key("roles");
        count(roles, MAX_ROLES, &at)?;
        let roles = list(roles, &at, |role, at| check_role(role, at))?;
        distinct(&roles, &at)?;
        Some(roles)
    });
    let (required, create, update) = (required?, create?, update?);
    if !required && raw.roles.given().is_some() {
        return at.key("roles").fail("only with required: true");
    }
    if required && create {
        return at
            .key("create")
            .fail("needs required: false: nobody without a session gets here");
    }
    if create && of_realm.is_some_and(|realm| realm.header.given().is_some()) {
        return at.key("create").fail(
            "needs a realm with a cookie: bearer tokens are created through the bridge's admin API",
        );
    }
    Some(SessionUse {
        realm: realm?,
        required,
        roles: roles?,
        create,
        update,
        // Without the version nobody can say what a change is based on.
        data: data? || update,
        touch,
    })
}

fn realm_of<'a>(name: &str, config: &'a raw::Config) -> Option<&'a raw::Realm> {
    config.sessions.given()?.get(name)
}

fn touch_of(realm: &raw::Realm) -> Touch {
    let word = realm.touch.given();
    word.map_or(Touch::Threshold, |word| session::touch(*word))
}

/// What an identity header may carry (specs/sessions.md, "Towards the upstream").
fn check_role(role: &str, at: &At<'_>) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:@-".contains(&b);
    if role.is_empty() || role.len() > MAX_ROLE || !role.bytes().all(plain) {
        return at.fail(format!(
            "a role must be 1 to {MAX_ROLE} of [A-Za-z0-9._:@-], got {}",
            Shown(role)
        ));
    }
    Some(role.to_owned())
}

fn limits(
    raw: &raw::Policy,
    config: &raw::Config,
    names: &Names<'_>,
    at: &At<'_>,
) -> Option<Vec<usize>> {
    raw.limits.value(Vec::new(), |limits| {
        if limits.len() > MAX_LIMITS {
            return at.fail(format!(
                "must have at most {MAX_LIMITS} items, got {}",
                limits.len()
            ));
        }
        let has_session = !matches!(raw.session, super::Field::Absent);
        let limits = list(limits, at, |name, at| {
            let index = names.limit(name, at)?;
            if !has_session {
                check_sessionless(name, config, at)?;
            }
            Some(index)
        })?;
        distinct(&limits, at)?;
        Some(limits)
    })
}

/// A limit that counts by session has nothing to count by in a policy without one.
fn check_sessionless(limit: &str, config: &raw::Config, at: &At<'_>) -> Option<()> {
    let limit = config.limits.given().and_then(|limits| limits.get(limit));
    let parts = limit
        .and_then(|limit| limit.key.given())
        .into_iter()
        .flatten();
    let mut parts = parts.filter_map(|part| part.given());
    match parts.find(|part| key::is_of_session(part)) {
        Some(part) => at.fail(format!("counts by {part}, but the policy has no session")),
        None => Some(()),
    }
}
