//! Whether Envoy's routes tell what they sent, which refreshing in the background needs (`tidegate::cache::sent`).
//!
//! Nothing fails without it: the first request for what is stale waits for the upstream. So it is a warning, and only
//! where a policy asks for such refreshes.

use super::cluster::Finding;
use super::document::{field, join, walk};
use serde_json::{Map, Value};
use tidegate::cache::sent::FIELD;
use tidegate::policy::{Cache, Config};

/// What Envoy makes of it is `host path`, as they went to the upstream.
const FORMAT: &str = "%REQ(:AUTHORITY)% %REQ(:PATH)%";

/// The cache of a policy that is to be refreshed in the background.
pub(super) fn refreshed(config: &Config) -> Option<&Cache> {
    let asks = |cache: &&Cache| {
        cache.early_refresh
            || cache.grace_ms > 0
            || cache.stale_while_revalidate_ms.is_some_and(|ms| ms > 0)
    };
    config.caches.iter().find(asks)
}

/// Every virtual host with a route to a cluster that does not say what it sent, on behalf of `cache`.
pub(super) fn silent(documents: &[Value], cache: &Cache) -> Vec<Finding> {
    let mut found = Vec::new();
    walk(documents, |fields, place| {
        const HOSTS: &str = "virtual_hosts";
        let Some(hosts) = field(fields, HOSTS).and_then(Value::as_array) else {
            return false;
        };
        if !says(fields) {
            found.extend(silent_hosts(hosts, &join(place, HOSTS), &cache.name));
        }
        true
    });
    found
}

fn silent_hosts(hosts: &[Value], place: &str, cache: &str) -> Vec<Finding> {
    let is_silent = |host: &Value| {
        let routes = host.get("routes").and_then(Value::as_array);
        let sends = |route: &&Value| route.get("route").is_some();
        let mut sending = routes.into_iter().flatten().filter(sends);
        let silent = |value: &Value| !value.as_object().is_some_and(says);
        silent(host) && sending.any(silent)
    };
    let finding = |index: usize| {
        let reason = format!(
            "does not say what it sent (`response_headers_to_add` with `{FIELD}: \"{FORMAT}\"`), so nothing of cache \
             `{cache}` is refreshed in the background: one request waits for the upstream"
        );
        (format!("{place}[{index}]"), reason)
    };
    let hosts = hosts.iter().enumerate();
    let silent = hosts.filter(|(_, host)| is_silent(host));
    silent.map(|(index, _)| finding(index)).collect()
}

/// Whether answers get the field, here and below.
fn says(fields: &Map<String, Value>) -> bool {
    let added = field(fields, "response_headers_to_add");
    let is_it = |option: &Value| {
        let header = option.get("header");
        let text = |key| header?.get(key)?.as_str();
        text("key").is_some_and(|key| key.eq_ignore_ascii_case(FIELD))
            && text("value") == Some(FORMAT)
    };
    added
        .and_then(Value::as_array)
        .is_some_and(|added| added.iter().any(is_it))
}

#[cfg(test)]
mod tests {
    use super::silent;
    use serde_json::{Value, json};
    use tidegate::policy::Cache;

    fn places(document: Value) -> Vec<String> {
        let cache = Cache {
            name: "pages".into(),
            ..Cache::default()
        };
        let found = silent(&[document], &cache);
        assert!(
            found
                .iter()
                .all(|(_, reason)| reason.contains("cache `pages`"))
        );
        found.into_iter().map(|(place, _)| place).collect()
    }

    fn field(value: &str) -> Value {
        json!([{ "header": { "key": "Proxy-Connection", "value": value } }])
    }

    fn right() -> Value {
        field("%REQ(:AUTHORITY)% %REQ(:PATH)%")
    }

    #[test]
    fn a_route_that_says_what_it_sent_does_so_at_any_level() {
        let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "app" } });
        let other = json!({ "match": { "prefix": "/x" }, "redirect": {} });
        let mut telling = route.clone();
        telling["response_headers_to_add"] = right();
        for document in [
            json!({ "route_config": { "response_headers_to_add": right(), "virtual_hosts": [{ "routes": [route] }] } }),
            json!({ "virtual_hosts": [{ "response_headers_to_add": right(), "routes": [route] }] }),
            json!({ "virtualHosts": [{ "responseHeadersToAdd": right(), "routes": [route] }] }),
            json!({ "virtual_hosts": [{ "routes": [other, telling] }] }),
            json!({ "virtual_hosts": [{ "routes": [other] }, {}] }),
            json!({ "virtual_hosts": "none" }),
        ] {
            assert_eq!(places(document.clone()), [""; 0], "{document}");
        }
    }

    #[test]
    fn a_route_that_does_not_is_found() {
        let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "app" } });
        let mut telling = route.clone();
        telling["response_headers_to_add"] = right();
        let mut wrong = route.clone();
        wrong["response_headers_to_add"] = field("%REQ(:PATH)%");
        let document = json!({ "configs": [
            { "route_config": { "virtual_hosts": [
                { "routes": [telling, route] },
                { "routes": [telling] },
                { "routes": [wrong] },
            ] } },
        ] });
        let at = |index| format!("configs[0].route_config.virtual_hosts[{index}]");
        assert_eq!(places(document), [at(0), at(2)]);
    }
}
