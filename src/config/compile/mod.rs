//! What is written to what a request is checked against.
//!
//! A function here returns `None` only when a reason was reported. Tables are sorted by name, so an
//! index is the same wherever the configuration is read.

mod cache;
mod id;
mod key;
mod limit;
mod name;
mod policy;
mod route;
mod session;
mod value;
pub mod zones;

use super::at::At;
use super::field::Field;
use super::raw;
use crate::policy::{Bridge, ClientIp, Config};
use crate::wire::frame::MAX_SYNC_MS;
use name::Names;
use value::{text, within};

/// Longest name of the bridge's cluster, bytes: it travels in a message whose lengths are one byte each
/// (`host::calls`).
const MAX_CLUSTER: usize = 120;

/// Deadline of one exchange: microseconds, least and most.
const TIMEOUT_US: (u64, u64) = (1_000, 60_000_000);

/// Compiles `raw`; digest and warnings are left empty.
pub(super) fn config(raw: &raw::Config, at: &At<'_>) -> Option<Config> {
    let names = Names::of(raw);
    let version = version(raw, &at.key("version"));
    let namespace = namespace(raw, &at.key("namespace"));
    let bridge = bridge(raw, &at.key("bridge"));
    let client_ip = client_ip(raw, &at.key("client_ip"));
    let sessions = table(&raw.sessions, &at.key("sessions"), session::realm);
    let limits = table(&raw.limits, &at.key("limits"), limit::limit);
    let caches = table(&raw.caches, &at.key("caches"), cache::cache);
    let policies = table(&raw.policies, &at.key("policies"), |name, policy, at| {
        policy::policy(name, policy, raw, &names, at)
    });
    let router = route::router(&raw.routes, &names, &at.key("routes"));
    let default_policy = raw.default_policy.value(None, |name| {
        names.policy(name, &at.key("default_policy")).map(Some)
    });

    version?;
    let config = Config {
        namespace: namespace?,
        bridge: bridge?,
        client_ip: client_ip?,
        sessions: sessions?,
        limits: limits?,
        caches: caches?,
        policies: policies?,
        default_policy: default_policy?,
        router: router?,
        digest: String::new(),
        warnings: Vec::new(),
    };
    warn_of_unused(&config, at);
    session::warn_of_shared_cookies(&config.sessions, &at.key("sessions"));
    Some(config)
}

/// Compiles every entry of a table, sorted by name; all of them before it gives up.
fn table<T, U>(
    table: &Field<raw::Named<T>>,
    at: &At<'_>,
    compile: impl Fn(&str, &T, &At<'_>) -> Option<U>,
) -> Option<Vec<U>> {
    table.value(Some(Vec::new()), |table| {
        let mut compiled = Some(Vec::with_capacity(table.0.len()));
        for (name, entry) in &table.0 {
            let at = at.key(name);
            let named = name::check(name, &at);
            let entry = entry.given().and_then(|entry| compile(name, entry, &at));
            value::push(&mut compiled, named.and(entry));
        }
        Some(compiled)
    })?
}

fn version(raw: &raw::Config, at: &At<'_>) -> Option<()> {
    match raw.version.required(at)?.0 {
        1 => Some(()),
        other => at.fail(format!("must be 1, got {other}")),
    }
}

fn namespace(raw: &raw::Config, at: &At<'_>) -> Option<String> {
    raw.namespace.value("tg".to_owned(), |namespace| {
        name::check(namespace, at)?;
        Some(namespace.clone())
    })
}

fn bridge(raw: &raw::Config, at: &At<'_>) -> Option<Bridge> {
    let default = raw::Bridge::default();
    let raw = raw.bridge.value(&default, Some)?;
    let cluster = raw.cluster.value("redis-bridge".to_owned(), |cluster| {
        text(cluster, MAX_CLUSTER, &at.key("cluster"))
    });
    let timeout_ms = raw.timeout.value(100, |timeout| {
        let (least, most) = TIMEOUT_US;
        if timeout.us < least || timeout.us > most {
            return at
                .key("timeout")
                .fail(format!("must be 1ms to 60s, got {}", timeout.text));
        }
        u32::try_from(timeout.us / 1_000).ok()
    });
    let l1_sync_ms = raw.l1_sync.value(200, |window| {
        if window.us < 50_000 || window.us > u64::from(MAX_SYNC_MS) * 1_000 {
            return at
                .key("l1_sync")
                .fail(format!("must be 50ms to 500ms, got {}", window.text));
        }
        u32::try_from(window.us / 1_000).ok()
    });
    Some(Bridge {
        cluster: cluster?,
        timeout_ms: timeout_ms?,
        l1_sync_ms: l1_sync_ms?,
    })
}

fn client_ip(raw: &raw::Config, at: &At<'_>) -> Option<ClientIp> {
    let default = raw::ClientIp::default();
    let raw = raw.client_ip.value(&default, Some)?;
    let byte = |field, default, max, name| {
        let number = within(field, default, 0..=max, &at.key(name))?;
        u8::try_from(number).ok()
    };
    let prefix_v4 = byte(&raw.prefix_v4, 32, 32, "prefix_v4");
    let prefix_v6 = byte(&raw.prefix_v6, 64, 128, "prefix_v6");
    let trusted_hops = byte(&raw.trusted_hops, 0, 32, "trusted_hops");
    Some(ClientIp {
        prefix_v4: prefix_v4?,
        prefix_v6: prefix_v6?,
        trusted_hops: trusted_hops?,
    })
}

fn warn_of_unused(config: &Config, at: &At<'_>) {
    let policies = &config.policies;
    for (index, realm) in config.sessions.iter().enumerate() {
        let used = |p: &crate::policy::Policy| p.session.as_ref().is_some_and(|s| s.realm == index);
        warn_unless(
            policies.iter().any(used),
            &at.key("sessions").key(&realm.name),
        );
    }
    for (index, limit) in config.limits.iter().enumerate() {
        let used = policies.iter().any(|p| p.limits.contains(&index));
        warn_unless(used, &at.key("limits").key(&limit.name));
    }
    for (index, cache) in config.caches.iter().enumerate() {
        let used = policies.iter().any(|p| p.cache == Some(index));
        warn_unless(used, &at.key("caches").key(&cache.name));
    }
}

fn warn_unless(used: bool, at: &At<'_>) {
    if !used {
        at.warn("no policy uses it");
    }
}
