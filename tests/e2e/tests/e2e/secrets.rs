//! Where tokens, payloads and keys must not be found.

use crate::kit::with_cookie;
use crate::session_kit::decoded;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_e2e::{Client, Lab, Monitor, Request};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
limits:
  per-user: { algorithm: token_bucket, limit: 100, window: 1m, key: [session.user, session.id] }
caches:
  pages: { ttl: 1m }
policies:
  web: { session: web, limits: [per-user], cache: pages }
  login: { session: { use: web, required: false, create: true } }
  profile: { session: { use: web, update: true } }
routes:
  - { match: { path: /session/set }, policy: login }
  - { match: { path_prefix: /session }, policy: profile }
default_policy: web
";

const PAYLOAD: &str = "canary-payload-7d1e";
const USER: &str = "canary-user-55aa";

/// A login, other data, a rotation, other roles: the token after each step. The last one still lives.
fn through_the_upstream(lab: &Lab) -> Vec<String> {
    let data = format!("%7B%22k%22:%22{PAYLOAD}%22%7D");
    let mut tokens: Vec<String> = Vec::new();
    for target in [
        format!("/session/set?uid={USER}&roles=canary-role&data={data}"),
        format!("/session/update?data={data}"),
        "/session/rotate".to_owned(),
        format!("/session/update?roles=canary-other&data={data}"),
    ] {
        let request = match tokens.last() {
            Some(token) => with_cookie(&target, "sid", token),
            None => Request::get(&target),
        };
        let answer = lab.client(0).send(&request).unwrap();
        assert_eq!(answer.status, 200, "{target}");
        if let [cookie] = &answer.all("set-cookie")[..] {
            let value = cookie.strip_prefix("sid=").unwrap();
            tokens.push(value.split(';').next().unwrap().to_owned());
        }
    }
    assert_eq!(tokens.len(), 3, "each but the change of data");
    tokens
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn tokens_payloads_and_keys_are_found_nowhere() {
    let mut lab = Lab::new(POLICY);
    let monitors = [
        lab.redis().monitor().unwrap(),
        lab.redis_cache().monitor().unwrap(),
    ];
    let body =
        json!({ "realm": "web", "uid": USER, "roles": ["canary-role"], "data": { "k": PAYLOAD } });
    let session = lab
        .admin()
        .post("/v1/sessions", &body)
        .unwrap()
        .json()
        .unwrap();
    let token = session["token"].as_str().unwrap().to_owned();
    let request = with_cookie("/web?page=1", "sid", &token);
    let mut client = lab.client(0);
    for _ in 0..3 {
        assert_eq!(client.send(&request).unwrap().status, 200);
    }
    let others = through_the_upstream(&lab);
    // Also on the ways of failure: refused, damaged, unknown.
    let (kept, last) = token.split_at(token.len() - 1);
    let broken = format!("{kept}{}", if last == "A" { "B" } else { "A" });
    assert_eq!(
        client
            .send(&with_cookie("/web", "sid", &broken))
            .unwrap()
            .status,
        401
    );
    let forged = Request::get("/web").field("cookie", format!("sid={token}; sid={token}"));
    assert_eq!(client.send(&forged).unwrap().status, 400);
    let admin = lab
        .admin()
        .delete(&format!("/v1/sessions/{token}"))
        .unwrap();
    assert!(admin.status >= 400, "a token is no handle");
    assert!(!admin.text().contains(&token), "{}", admin.text());

    let redis = lab.redis();
    redis
        .call(&["CONFIG", "SET", "slowlog-log-slower-than", "0"])
        .unwrap();
    assert_eq!(client.send(&request).unwrap().status, 200);
    let slow = format!("{:?}", redis.call(&["SLOWLOG", "GET", "-1"]).unwrap());
    let monitored = monitors.map(Monitor::end);
    redis.call(&["SAVE"]).unwrap();
    lab.redis_cache().call(&["SAVE"]).unwrap();
    lab.pause("redis-state-0").unwrap();
    assert_eq!(client.send(&request).unwrap().status, 503);
    lab.resume("redis-state-0").unwrap();

    let secrets = lab.secrets();
    let keys = [
        &secrets.master_key,
        &secrets.redis_password,
        &secrets.admin_token,
    ];
    // The key's random part is what must not be seen; its id is no secret.
    let mac_key = secrets.session_keys.rsplit(':').next().unwrap();
    let mut needles = vec![token.as_str(), &token[31..55], PAYLOAD, mac_key];
    needles.extend(keys.map(String::as_str));
    for token in &others {
        needles.extend([token.as_str(), &token[31..55]]);
    }
    let mut places: Vec<(String, Vec<u8>)> = vec![("SLOWLOG".into(), slow.into_bytes())];
    for bytes in monitored {
        assert!(contains(&bytes, "\"EVALSHA\""), "MONITOR was looked at");
        places.push(("MONITOR".into(), bytes));
    }
    for envoy in lab.endpoints().unwrap().envoy_admin {
        for target in [
            "/stats",
            "/config_dump?include_eds",
            "/clusters",
            "/listeners",
        ] {
            let answer = Client::new(&envoy).get(target).unwrap();
            places.push((target.into(), answer.body));
        }
    }
    for i in 0..2 {
        for target in ["/metrics", "/v1/streams"] {
            let answer = lab.admin_of(i).get(target).unwrap();
            places.push((format!("bridge {target}"), answer.body));
        }
    }
    let listed = lab
        .admin()
        .get(&format!("/v1/users/{USER}/sessions?realm=web"))
        .unwrap();
    places.push(("list".into(), listed.body));
    let dir = lab.files().dir().to_owned();
    let ours = ["secrets.json", "admin.token", "users.acl"];
    let is_ours = |path: &Path| ours.iter().any(|name| path.ends_with(name));
    for path in files(&dir).into_iter().filter(|path| !is_ours(path)) {
        if let Ok(bytes) = fs::read(&path) {
            places.push((path.display().to_string(), bytes));
        }
    }
    let looked = |name: &str| {
        places
            .iter()
            .any(|(place, bytes)| place.contains(name) && !bytes.is_empty())
    };
    for name in [
        ".aof",
        ".rdb",
        "access-0.log",
        "envoy-0.log",
        "bridge-0.log",
        "config_dump",
    ] {
        assert!(looked(name), "{name} was not looked at");
    }
    // The random part itself, as bytes and as hexadecimal digits.
    let secrets = others
        .iter()
        .chain([&token])
        .map(|token| decoded(token)[23..41].to_vec());
    let secrets: Vec<Vec<u8>> = secrets.collect();
    for (place, bytes) in &places {
        for needle in &needles {
            assert!(!contains(bytes, needle), "{needle} is in {place}");
        }
        for secret in &secrets {
            let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
            let raw = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!raw && !contains(bytes, &hex), "{hex} is in {place}");
        }
        let at_rest = [".aof", ".rdb", "SLOWLOG", "MONITOR"]
            .iter()
            .any(|kind| place.contains(kind));
        assert!(!at_rest || !contains(bytes, USER), "the user is in {place}");
    }
    lab.end("bridge-0").unwrap();
}
