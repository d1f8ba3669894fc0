mod limits;

use super::*;
use crate::policy::{Algorithm, Cost, Credential, Csrf, KeyPart, LimitHeaders, OnError, Target};
use crate::wire::op::Touch;

/// The spine of the design, as Envoy sends it: every number a double.
const SPINE: &str = r#"{
  "version": 1.0,
  "namespace": "tg",
  "bridge": {"cluster": "redis-bridge", "timeout": "100ms"},
  "client_ip": {"prefix_v4": 24, "prefix_v6": 56.0, "trusted_hops": 2.0},
  "sessions": {
    "web": {"cookie": "__Host-sid", "idle": "30m", "absolute": "12h", "touch": "always", "csrf": "report", "seal": false},
    "api": {"header": "authorization"}
  },
  "limits": {
    "per-ip": {"algorithm": "fixed_window", "limit": 100.0, "window": "1m", "key": ["client.ip"]},
    "per-user": {"algorithm": "token_bucket", "limit": 600.0, "window": "1m", "burst": 100.0,
      "key": ["session.user", "header:X-Plan", "cookie:a", "query:q", "'v1'", "\"v2\""],
      "on_error": "local", "peers": 4, "headers": "legacy", "shadow": true, "cost": 2}
  },
  "caches": {
    "catalog": {"ttl": "60s", "max_body": "64KiB", "stale_while_revalidate": "10s",
      "stale_if_error": "5m", "tags_header": "Surrogate-Key", "shared": true}
  },
  "policies": {
    "api": {"session": "web", "limits": ["per-ip", "per-user"], "cache": "catalog"},
    "admin": {"session": {"use": "web", "roles": ["admin"]}, "limits": ["per-user"]},
    "login": {"session": {"use": "web", "create": true, "required": false, "touch": "never"}, "limits": ["per-ip"]}
  },
  "routes": [
    {"match": {"path_prefix": "/admin", "hosts": ["Shop.Example"]}, "policy": "admin"},
    {"match": {"path": "/login", "methods": ["POST"]}, "policy": "login"},
    {"match": {"path_prefix": "/api/"}, "policy": "api"}
  ],
  "default_policy": "login"
}"#;

fn errors(json: &str) -> Vec<String> {
    let Err(errors) = parse(json.as_bytes()) else {
        return Vec::new();
    };
    errors.0.iter().map(ToString::to_string).collect()
}

/// One limit with `fields` beside a good minimum.
fn limit(fields: &str) -> String {
    format!(r#"{{"version": 1, "limits": {{"x": {{{fields}}}}}}}"#)
}

#[test]
fn the_spine_compiles() {
    let config = parse(SPINE.as_bytes()).unwrap();
    assert_eq!(config.namespace, "tg");
    assert_eq!(
        (config.bridge.cluster.as_str(), config.bridge.timeout_ms),
        ("redis-bridge", 100)
    );
    let ip = config.client_ip;
    assert_eq!((ip.prefix_v4, ip.prefix_v6, ip.trusted_hops), (24, 56, 2));

    let web = config.sessions.iter().find(|r| r.name == "web").unwrap();
    assert_eq!(web.credential, Credential::Cookie("__Host-sid".to_owned()));
    assert_eq!((web.idle_ms, web.absolute_ms), (1_800_000, 43_200_000));
    let api = config.sessions.iter().find(|r| r.name == "api").unwrap();
    assert_eq!(api.credential, Credential::Bearer);

    let per_ip = &config.limits[0];
    assert_eq!(
        (per_ip.name.as_str(), per_ip.algorithm),
        ("per-ip", Algorithm::FixedWindow)
    );
    assert_eq!(
        (per_ip.limit, per_ip.window_us, per_ip.burst, &per_ip.cost),
        (100, 60_000_000, 100, &Cost::Fixed(1))
    );
    assert_eq!(
        (per_ip.on_error, per_ip.headers, per_ip.shadow),
        (OnError::Allow, LimitHeaders::Draft11, false)
    );
    assert_eq!(per_ip.key, [KeyPart::ClientIp]);
    let per_user = &config.limits[1];
    assert_eq!(
        (per_user.algorithm, per_user.burst, &per_user.cost),
        (Algorithm::TokenBucket, 100, &Cost::Fixed(2))
    );
    assert_eq!(per_user.on_error, OnError::Local { peers: 4 });
    assert_eq!(
        (per_user.headers, per_user.shadow),
        (LimitHeaders::Legacy, true)
    );
    assert_eq!(
        per_user.key,
        [
            KeyPart::SessionUser,
            KeyPart::Header("x-plan".to_owned()),
            KeyPart::Cookie("a".to_owned()),
            KeyPart::Query("q".to_owned()),
            KeyPart::Literal("v1".to_owned()),
            KeyPart::Literal("v2".to_owned()),
        ]
    );

    let cache = &config.caches[0];
    assert_eq!(
        (cache.ttl_ms, cache.ttl_max_ms, cache.max_body),
        (Some(60_000), 86_400_000, 65_536)
    );
    assert_eq!(cache.tags_header.as_deref(), Some("surrogate-key"));
    assert_eq!((cache.shared, cache.store_set_cookie), (true, false));
    assert_eq!(cache.stale_while_revalidate_ms, Some(10_000));
    assert_eq!((cache.keep_ms, cache.grace_ms), (3_600_000, 0));
    assert_eq!((cache.jitter, cache.strip_headers.as_ref()), (0, None));

    let policy = |name: &str| &config.policies[config.policy_named(name.as_bytes()).unwrap()];
    assert_eq!(policy("api").limits, [0, 1]);
    assert_eq!(policy("api").cache, Some(0));
    let session = policy("admin").session.as_ref().unwrap();
    assert_eq!(config.sessions[session.realm].name, "web");
    assert!(session.required && !session.create && session.roles == ["admin"]);
    let session = policy("login").session.as_ref().unwrap();
    assert!(!session.required && session.create && session.roles.is_empty());
    assert_eq!((session.touch, session.update), (Touch::Never, false));
    let session = policy("api").session.as_ref().unwrap();
    assert_eq!((session.touch, session.data), (Touch::Always, false));
    let realm = &config.sessions[session.realm];
    assert_eq!((realm.csrf, realm.seal), (Csrf::Report, false));

    let found = config
        .router
        .find(b"shop.example:80", b"/admin/x?y", b"GET");
    let admin = config.policy_named(b"admin").unwrap();
    assert_eq!(
        found,
        Some(Target {
            route: 0,
            policy: admin
        })
    );
    assert_eq!(config.router.find(b"other", b"/admin", b"GET"), None);
    assert_eq!(config.default_policy, config.policy_named(b"login"));
    assert_eq!(config.warnings, ["sessions.api: no policy uses it",]);
    assert_eq!(config.digest.len(), 64);
}

#[test]
fn the_least_configuration_is_a_version() {
    let config = parse(br#"{"version": 1}"#).unwrap();
    assert_eq!(
        (config.namespace.as_str(), config.bridge.timeout_ms),
        ("tg", 100)
    );
    assert_eq!(
        (config.client_ip.prefix_v4, config.client_ip.prefix_v6),
        (32, 64)
    );
    assert!(config.policies.is_empty() && config.default_policy.is_none());
    assert_eq!(errors("{}"), ["version: missing"]);
}

#[test]
fn the_digest_ignores_order_white_space_and_the_type_of_numbers() {
    let a = r#"{"version": 1, "namespace": "a", "client_ip": {"prefix_v4": 24, "prefix_v6": 48}}"#;
    let b =
        r#"{"client_ip":{"prefix_v6":48.0,"prefix_v4":2.4e1},"namespace":"\u0061","version":1.0}"#;
    let c = r#"{"version": 1, "namespace": "b", "client_ip": {"prefix_v4": 24, "prefix_v6": 48}}"#;
    let digest = |json: &str| parse(json.as_bytes()).unwrap().digest;
    assert_eq!(digest(a), digest(b));
    assert_ne!(digest(a), digest(c));
    // Fixed: workers of two releases must agree on what they run.
    let text = r#"{"client_ip":{"prefix_v4":24,"prefix_v6":48},"namespace":"a","version":1}"#;
    let sum = <sha2::Sha256 as sha2::Digest>::digest(text);
    assert_eq!(
        digest(a),
        sum.iter().map(|b| format!("{b:02x}")).collect::<String>()
    );
}

#[test]
fn one_pass_finds_every_mistake() {
    let json = r#"{
      "version": 2, "namespace": "T", "nonsense": 1,
      "limits": {
        "per-ip": {"algorithm": "fixed_window", "limit": "5", "window": "0s", "key": ["client.ip", "nope"], "x": 1, "y": 1},
        "Bad": {"algorithm": "gcra", "limit": 0.5, "window": 5, "key": []}
      },
      "policies": {"p": {"limits": ["per-ip", "other"], "cache": "c", "session": {"use": "s", "why": 1}}},
      "routes": [{"match": {}, "policy": "p"}, {"policy": "q"}]
    }"#;
    let found = errors(json);
    for expected in [
        "nonsense: unknown field, known: version, namespace, bridge, client_ip, sessions, limits, caches, \
         policies, routes, default_policy",
        "version: must be 1, got 2",
        "namespace: a name must be [a-z][a-z0-9-]*, at most 64 characters, got \"T\"",
        "limits.per-ip.limit: must be a whole number >= 0 and < 2^53, got \"5\"",
        "limits.per-ip.window: must be > 0, got 0s",
        "limits.Bad: a name must be [a-z][a-z0-9-]*, at most 64 characters, got \"Bad\"",
        "limits.Bad.limit: must be a whole number >= 0 and < 2^53, got a fraction",
        "limits.Bad.window: must be a string, got 5 (quote it)",
        "limits.Bad.key: must have 1 to 16 items, got 0",
        "policies.p.limits[1]: unknown limit \"other\", known: Bad, per-ip",
        "policies.p.cache: unknown cache \"c\", there is none",
        "routes[0].match: needs one of path, path_prefix, hosts, methods (all requests: path_prefix: /)",
        "routes[1].match: missing",
        "routes[1].policy: unknown policy \"q\", known: p",
    ] {
        assert!(
            found.iter().any(|e| e == expected),
            "{expected}\nnot in\n{}",
            found.join("\n")
        );
    }
    for place in [
        "limits.per-ip.key[1]:",
        "limits.per-ip.x:",
        "limits.per-ip.y:",
        "policies.p.session.why:",
    ] {
        assert!(
            found.iter().any(|e| e.starts_with(place)),
            "{place}\n{}",
            found.join("\n")
        );
    }
    assert_eq!(
        found
            .iter()
            .filter(|e| e.starts_with("limits.Bad.algorithm"))
            .count(),
        1
    );
}

#[test]
fn names_given_twice_are_refused() {
    let json =
        r#"{"version": 1, "limits": {}, "limits": {}, "policies": {"a": {}, "b": {}, "a": {}}}"#;
    assert_eq!(
        errors(json),
        ["limits: given twice", "policies.a: given twice"]
    );
    assert_eq!(
        errors(r#"{"version": 1, "\u0076ersion": 1}"#),
        ["version: given twice"]
    );
}

#[test]
fn numbers_are_whole_and_exact() {
    let with = |number: &str| {
        errors(&limit(&format!(
            r#""algorithm": "fixed_window", "limit": {number}, "window": "1s", "key": ["path"]"#
        )))
    };
    for good in [
        "1",
        "1.0",
        "1e3",
        "100.0",
        "9007199254740991",
        "9007199254740991.0",
    ] {
        assert_eq!(with(good), Vec::<String>::new(), "{good}");
    }
    let reason = "limits.x.limit: must be a whole number >= 0 and < 2^53, got";
    for (bad, got) in [
        ("1.5", "a fraction"),
        ("1e-9", "a fraction"),
        ("-1", "-1"),
        ("-1.0", "-1"),
        ("9007199254740992", "a number of 2^53 or more"),
        ("1e300", "a number of 2^53 or more"),
        ("18446744073709551615", "a number of 2^53 or more"),
        ("true", "true"),
        ("\"1\"", "\"1\""),
        ("[]", "a list"),
        ("null", "null (leave it out, or give it a value)"),
    ] {
        assert_eq!(with(bad), [format!("{reason} {got}")], "{bad}");
    }
    assert_eq!(with("0"), ["limits.x.limit: must be > 0, got 0"]);
    assert_eq!(with("1e999").len(), 1);
}

#[test]
fn input_that_is_not_json_or_too_much_of_it_is_refused() {
    for bad in [
        "",
        "{",
        "[1",
        "{\"version\": 1} x",
        "nul",
        "\u{feff}{}",
        "{\"a\": \"\\ud800\"}",
    ] {
        let found = errors(bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(
            found[0].starts_with("configuration: not JSON: "),
            "{found:?}"
        );
    }
    assert_eq!(parse(b"\xff\xfe").unwrap_err().0.len(), 1);
    for (bad, got) in [
        ("[]", "a list"),
        ("1", "1"),
        ("null", "null (leave it out, or give it a value)"),
    ] {
        assert_eq!(
            errors(bad),
            [format!("configuration: must be a mapping, got {got}")]
        );
    }
    for (open, place) in [("[", "[0]"), ("{\"a\":", "a")] {
        let found = errors(&open.repeat(200_000));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with(place) && found[0].ends_with("nested more than 32 deep"),
            "{found:?}"
        );
    }
    assert_eq!(
        errors(&" ".repeat(MAX_INPUT + 1)),
        ["configuration: longer than 4194304 bytes"]
    );
    let many = format!("[{}0]", "0,".repeat(1 << 18));
    assert_eq!(errors(&many), ["[262143]: more than 262144 values"]);
}

#[test]
fn a_flood_of_mistakes_is_counted_not_listed() {
    let names: Vec<String> = (0..1_000).map(|n| format!("\"x{n}\": 1")).collect();
    let found = errors(&format!("{{\"version\": 1, {}}}", names.join(",")));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "configuration: 900 more mistakes");
}

#[test]
fn messages_quote_what_they_repeat() {
    let long = "x".repeat(5_000);
    for name in ["a\nb", "\u{1b}[31m", "a.b", "", long.as_str()] {
        let json = serde_json::json!({ "version": 1, "limits": { name: 1 }, "namespace": name });
        for error in errors(&json.to_string()) {
            assert!(
                error.len() < 300 && !error.chars().any(char::is_control),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_wrong_value_never_becomes_a_default() {
    // A `null` session must not turn a protected policy into an open one.
    let json = r#"{"version": 1, "policies": {"p": {"session": null}}}"#;
    let expected =
        "policies.p.session: must be the name of a session realm, or a mapping, got null";
    assert_eq!(
        errors(json),
        [format!("{expected} (leave it out, or give it a value)")]
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Err(errors) = parse(&bytes) {
            proptest::prop_assert!(!errors.0.is_empty());
        }
    }

    /// A byte of the spine replaced: whatever comes out, nothing panics, and a refusal has a reason.
    #[test]
    fn a_damaged_configuration_is_read_or_refused(at in 0..SPINE.len(), byte: u8) {
        let mut bytes = SPINE.as_bytes().to_vec();
        bytes[at] = byte;
        if let Err(errors) = parse(&bytes) {
            proptest::prop_assert!(errors.0.iter().all(|e| !e.reason.is_empty()));
        }
    }
}
