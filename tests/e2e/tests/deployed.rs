//! What can be seen of a deployment from outside, on the ports of the compose file, which are those of a
//! default `make up`. Ignored unless asked for: `make e2e BACKEND=docker`, or by hand
//!
//! ```text
//! make up && TIDEGATE_ADMIN_TOKEN=$(cat target/stack/default/admin.token) \
//!   cargo test -p tidegate-e2e --test deployed -- --ignored
//! ```

use serde_json::{Value, json};
use std::time::Duration;
use tidegate_e2e::{Client, Request, Response, wait};
use tidegate_stack::redis::Server;

const PROXY: &str = "127.0.0.1:10000";
const BRIDGES: [&str; 2] = ["127.0.0.1:10040", "127.0.0.1:10041"];

fn proxy(request: &Request) -> Response {
    Client::new(PROXY).send(request).unwrap()
}

fn admin(bridge: &str, request: Request) -> Response {
    let token = std::env::var("TIDEGATE_ADMIN_TOKEN").expect("TIDEGATE_ADMIN_TOKEN");
    let request = request.field("authorization", format!("Bearer {token}"));
    Client::new(bridge).send(&request).unwrap()
}

fn ready() {
    for bridge in BRIDGES {
        wait::until(
            format!("{bridge} is ready"),
            Duration::from_secs(60),
            || {
                let answer = Client::new(bridge)
                    .get("/readyz")
                    .map_err(|e| e.to_string())?;
                if answer.status == 200 {
                    Ok(())
                } else {
                    Err(answer.text())
                }
            },
        )
        .unwrap();
    }
    wait::until("the proxy answers", Duration::from_secs(60), || {
        let answer = Client::new(PROXY)
            .get("/admin/")
            .map_err(|e| e.to_string())?;
        if answer.status == 401 {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .unwrap();
}

/// Asks until the answer comes from the cache; its text.
fn cached(target: &str) -> String {
    wait::until(
        format!("{target} is cached"),
        Duration::from_secs(10),
        || {
            let answer = proxy(&Request::get(target));
            let hit = answer
                .get("cache-status")
                .is_some_and(|s| s.starts_with("tidegate; hit"));
            if hit {
                Ok(answer.text())
            } else {
                Err(format!("{:?}", answer.get("cache-status")))
            }
        },
    )
    .unwrap()
}

fn version(target: &str) -> Value {
    proxy(&Request::get(target)).json().unwrap()["version"].clone()
}

#[test]
#[ignore = "needs a deployment on the default ports"]
fn a_session_is_created_used_and_revoked() {
    ready();
    let body = json!({ "realm": "web", "uid": "e2e", "roles": ["admin"], "data": {} });
    let created = admin(BRIDGES[0], Request::post_json("/v1/sessions", &body));
    assert_eq!(created.status, 201, "{}", created.text());
    let created = created.json().unwrap();
    let cookie = format!("__Host-sid={}", created["token"].as_str().unwrap());
    let request = Request::get("/admin/").field("cookie", cookie);
    assert_eq!(proxy(&request).status, 200);
    let handle = created["handle"].as_str().unwrap();
    let revoked = admin(
        BRIDGES[1],
        Request::new("DELETE", format!("/v1/sessions/{handle}")),
    );
    assert!((200..300).contains(&revoked.status), "{}", revoked.text());
    assert_eq!(proxy(&request).status, 401);
}

#[test]
#[ignore = "needs a deployment on the default ports"]
fn a_product_is_cached_until_it_is_changed_purged_or_published() {
    ready();
    let target = "/api/products/e2e";
    let first = cached(target);
    assert_eq!(cached(target), first);
    let before = version(target).as_u64().unwrap();
    assert_eq!(proxy(&Request::new("PUT", target).body("{}")).status, 204);
    assert_eq!(version(target).as_u64().unwrap(), before + 1);

    let served = cached(target);
    let url = format!("http://{PROXY}{target}");
    let purged = admin(
        BRIDGES[0],
        Request::post_json("/v1/cache/purge", &json!({ "url": url })),
    );
    assert_eq!(purged.status, 200, "{}", purged.text());
    assert_ne!(proxy(&Request::get(target)).text(), served);

    let served = cached(target);
    let channel = format!("tg:cache:invalidate:{url}");
    Server::new("127.0.0.1:10060")
        .call(&["PUBLISH", &channel, ""])
        .unwrap();
    wait::until(
        "the published invalidation arrives",
        Duration::from_secs(5),
        || {
            let now = proxy(&Request::get(target)).text();
            if now == served { Err(now) } else { Ok(()) }
        },
    )
    .unwrap();
}

#[test]
#[ignore = "needs a deployment on the default ports"]
fn a_limit_ends_in_429_with_its_name() {
    ready();
    let refused = (0..250)
        .map(|_| proxy(&Request::get("/api/cart")))
        .find(|a| a.status == 429);
    let refused = refused.expect("a 429 within 250 requests");
    assert_eq!(
        refused.get("content-type").as_deref(),
        Some("application/problem+json")
    );
    assert!(refused.text().contains("per-ip"), "{}", refused.text());
    assert!(refused.get("retry-after").is_some());
}
