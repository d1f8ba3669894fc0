//! `redis-bridge check` and `redis-bridge schema` over the files of `tests/data/policies`.

use redis_bridge::check::{self, Draft};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Name and text of every file in a directory of `tests/data/policies`.
fn files(directory: &str) -> Vec<(String, String)> {
    let directory = root().join("tests/data/policies").join(directory);
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// What the first line of a file says after `# {key}: `.
fn expected<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().next()?;
    line.strip_prefix("# ")?
        .strip_prefix(key)?
        .strip_prefix(": ")
}

#[test]
fn every_bad_file_is_refused_with_its_reason() {
    let files = files("bad");
    assert!(files.len() >= 40, "{} files", files.len());
    let mut wrong = Vec::new();
    for (name, text) in files {
        let expected = expected(&text, "expect").expect("a first line `# expect: ...`");
        let first = match check::read(&text, &name) {
            Ok(_) => "accepted".to_owned(),
            Err(errors) => errors.problems[0].to_string(),
        };
        if first != expected {
            wrong.push(format!("{name}\n  expected {expected}\n  got      {first}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_file_is_accepted() {
    let files = files("ok");
    assert!(files.len() >= 10, "{} files", files.len());
    for (name, text) in files {
        let checked = check::read(&text, &name).unwrap_or_else(|errors| panic!("{errors}"));
        let place = expected(&text, "place").unwrap_or("");
        assert_eq!(checked.found[0].place, place, "{name}");
        let warnings: Vec<_> = checked.found[0]
            .config
            .warnings
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(
            warnings.is_empty(),
            !text.contains("# warns"),
            "{name}: {warnings:?}"
        );
    }
}

/// What Envoy, Istio and Envoy Gateway are given is the same policy under the same digest.
#[test]
fn the_digest_is_the_same_wherever_a_policy_stands() {
    let digests: Vec<_> = files("ok")
        .into_iter()
        .filter(|(_, text)| text.contains("spine-digest"))
        .map(|(name, text)| {
            (
                check::read(&text, &name)
                    .unwrap()
                    .found
                    .remove(0)
                    .config
                    .digest,
                name,
            )
        })
        .collect();
    assert!(digests.len() >= 6, "{digests:?}");
    for (digest, name) in &digests {
        assert_eq!(digest, &digests[0].0, "{name}");
    }
}

#[test]
fn the_shipped_files_are_right_and_agree() {
    let digest = |path: &str| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let mut checked = check::read(&text, path).unwrap_or_else(|errors| panic!("{errors}"));
        let config = checked.found.remove(0).config;
        assert_eq!(config.warnings, Vec::<String>::new(), "{path}");
        config.digest
    };
    assert_eq!(
        digest("envoy/policy.yaml"),
        digest("envoy/ecds/tidegate.yaml")
    );
}

/// What the sample policy must do for the requests that `make run` prints.
#[test]
fn the_sample_policy_gives_what_make_run_prints() {
    let text = fs::read_to_string(root().join("envoy/policy.yaml")).unwrap();
    let config = check::read(&text, "policy.yaml")
        .unwrap()
        .found
        .remove(0)
        .config;
    let policy = |path: &str| {
        let found = config
            .router
            .find(b"localhost:10000", path.as_bytes(), b"GET");
        &config.policies[found
            .unwrap_or_else(|| panic!("{path} has no policy"))
            .policy]
    };
    let limits = |path: &str| {
        let limits = policy(path)
            .limits
            .iter()
            .map(|&limit| &config.limits[limit]);
        limits
            .map(|limit| (limit.name.as_str(), limit.limit, limit.window_us))
            .collect::<Vec<_>>()
    };
    let products = policy("/api/products");
    assert_eq!(config.caches[products.cache.unwrap()].ttl_ms, Some(60_000));
    assert!(
        !products
            .session
            .as_ref()
            .is_some_and(|session| session.required)
    );
    assert!(!limits("/api/products").is_empty());
    // The two requests to the catalogue must not count towards the 100 to the cart.
    assert!(
        limits("/api/products")
            .iter()
            .all(|(name, ..)| *name != "per-ip")
    );

    assert!(limits("/api/cart").contains(&("per-ip", 100, 60_000_000)));
    assert_eq!(policy("/api/cart").cache, None);
    let admin = policy("/admin/").session.as_ref().unwrap();
    assert!(admin.required && admin.roles == ["admin"]);
    assert_eq!(config.sessions[admin.realm].name, "web");
    assert!(policy("/me").session.as_ref().unwrap().required);
}

/// A policy with a good limit, some of its fields replaced; `null` leaves one out.
fn limit(fields: serde_json::Value) -> serde_json::Value {
    let mut limit = serde_json::json!({
        "algorithm": "fixed_window", "limit": 1, "window": "1s", "key": ["path"],
    });
    for (name, value) in fields.as_object().unwrap() {
        limit[name] = value.clone();
    }
    limit
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    serde_json::json!({ "version": 1, "limits": { "a": limit } })
}

/// What editors show beside a field.
#[test]
fn every_field_of_the_schema_is_explained() {
    let schema: serde_json::Value =
        serde_json::from_str(&check::schema(Draft::Draft202012)).unwrap();
    let mut unexplained = Vec::new();
    let mut fields = 0;
    let types = schema["$defs"].as_object().unwrap();
    for (name, of_type) in types.iter().chain([(&"root".to_owned(), &schema)]) {
        for (field, of_field) in of_type["properties"].as_object().into_iter().flatten() {
            fields += 1;
            if of_field["description"].as_str().is_none_or(str::is_empty) {
                unexplained.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(fields >= 70, "{fields} fields");
    assert_eq!(unexplained, Vec::<String>::new());
}

#[test]
fn the_schema_takes_every_good_policy_and_refuses_wrong_shapes() {
    for draft in [Draft::Draft202012, Draft::Draft07] {
        let schema: serde_json::Value = serde_json::from_str(&check::schema(draft)).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (name, text) in files("ok") {
            for found in check::read(&text, &name).unwrap().found {
                let policy = serde_json::from_str(&found.json).unwrap();
                let errors: Vec<_> = validator
                    .iter_errors(&policy)
                    .map(|e| e.to_string())
                    .collect();
                assert!(errors.is_empty(), "{draft:?} {name}: {errors:?}");
            }
        }
        let bad = [
            serde_json::json!({}),
            serde_json::json!([]),
            serde_json::json!({ "version": 2 }),
            serde_json::json!({ "version": 1, "nonsense": 1 }),
            serde_json::json!({ "version": 1, "namespace": "Shop" }),
            serde_json::json!({ "version": 1, "bridge": { "timeout": 5 } }),
            serde_json::json!({ "version": 1, "bridge": { "timeout": "5" } }),
            serde_json::json!({ "version": 1, "client_ip": { "prefix_v4": 33 } }),
            serde_json::json!({ "version": 1, "client_ip": { "prefix_v4": 1.5 } }),
            serde_json::json!({ "version": 1, "sessions": { "web": {} } }),
            serde_json::json!({ "version": 1, "sessions": { "web": { "cookie": "a", "header": "authorization" } } }),
            serde_json::json!({ "version": 1, "sessions": { "Web": { "cookie": "a" } } }),
            serde_json::json!({ "version": 1, "limits": { "a": { "algorithm": "fixed_window" } } }),
            serde_json::json!({ "version": 1, "limits": { "a": null } }),
            limit(serde_json::json!({ "window": null })),
            limit(serde_json::json!({ "window": "monthly" })),
            limit(serde_json::json!({ "algorithm": "leaky_bucket" })),
            limit(serde_json::json!({ "algorithm": "gcra" })),
            limit(serde_json::json!({ "timezone": "Europe Berlin" })),
            limit(serde_json::json!({ "cost": -1 })),
            limit(serde_json::json!({ "cost": { "max": 5 } })),
            limit(serde_json::json!({ "cost": { "header": "a" } })),
            limit(
                serde_json::json!({ "cost": { "header": "a", "response_header": "b", "max": 5 } }),
            ),
            limit(serde_json::json!({ "apply": "response" })),
            limit(serde_json::json!({ "apply": {} })),
            limit(serde_json::json!({ "apply": { "response_status": [99] } })),
            limit(serde_json::json!({ "apply": { "response_status": ["6xx"] } })),
            limit(serde_json::json!({ "enforce": 25 })),
            limit(serde_json::json!({ "enforce": "100.5%" })),
            limit(serde_json::json!({ "lease": {} })),
            limit(serde_json::json!({ "lease": "5%" })),
            limit(serde_json::json!({ "on_denied": {} })),
            limit(serde_json::json!({ "on_denied": { "status": 200 } })),
            limit(serde_json::json!({ "on_denied": { "headers": { "x-a": 1 } } })),
            serde_json::json!({ "version": 1, "caches": { "a": { "max_body": "1KB" } } }),
            serde_json::json!({ "version": 1, "caches": { "a": { "shared": "yes" } } }),
            serde_json::json!({ "version": 1, "policies": { "a": { "session": null } } }),
            serde_json::json!({ "version": 1, "policies": { "a": { "session": { "roles": ["a"] } } } }),
            serde_json::json!({ "version": 1, "routes": [{ "match": { "path": "/" } }] }),
            serde_json::json!({ "version": 1, "routes": [{ "match": {}, "policy": "a" }] }),
            serde_json::json!({ "version": 1, "routes": [{ "match": { "path": "a" }, "policy": "a" }] }),
        ];
        assert!(validator.is_valid(&limit(serde_json::json!({}))));
        for policy in bad {
            assert!(!validator.is_valid(&policy), "{draft:?} {policy}");
        }
    }
}

/// A schema that promises what the parser does not keep, or the reverse, is found here: each good file
/// with one field renamed is refused by both.
#[test]
fn schema_and_parser_know_the_same_fields() {
    let schema: serde_json::Value =
        serde_json::from_str(&check::schema(Draft::Draft202012)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (name, text) = files("ok")
        .into_iter()
        .find(|(name, _)| name == "everything.yaml")
        .unwrap();
    let json = check::read(&text, &name).unwrap().found.remove(0).json;
    let mut renamed = 0;
    for (at, _) in json.match_indices("\":") {
        let changed = format!("{}zz{}", &json[..at], &json[at..]);
        let value = serde_json::from_str(&changed).unwrap();
        let parsed = tidegate::config::parse(changed.as_bytes());
        // Names of entries may be anything that is a name; then only a reference to it breaks.
        if !validator.is_valid(&value) {
            assert!(parsed.is_err(), "{changed}");
            renamed += 1;
        }
    }
    assert!(renamed >= 40, "{renamed} fields");
}

#[test]
fn the_command_prints_file_place_and_reason() {
    let path = root().join("tests/data/policies/bad/ecds-bad-policy.yaml");
    let outcome = check::check_command(&path, None);
    assert_eq!((outcome.status, outcome.out.len()), (1, 0));
    assert_eq!(
        outcome.err,
        [format!(
            "{}: resources[0].typed_config.config.configuration.value: \
             limits.per-ip.window: must be > 0, got 0s",
            path.display()
        )]
    );
}

#[test]
fn the_command_prints_digest_and_counts() {
    let path = root().join("tests/data/policies/ok/spine.yaml");
    let outcome = check::check_command(&path, None);
    assert_eq!(outcome.status, 0);
    let name = path.display();
    let digest = "sha256 ";
    assert_eq!(outcome.out.len(), 1);
    let line = &outcome.out[0];
    assert!(line.starts_with(&format!("{name}: ok ({digest}")), "{line}");
    assert!(line.ends_with(", 3 policies, 2 limits, 1 cache)"), "{line}");
    assert!(outcome.err.is_empty(), "{:?}", outcome.err);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = std::env::temp_dir().join(format!("tidegate-check-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let huge = directory.join("huge.yaml");
    fs::write(&huge, " ".repeat(check::MAX_FILE + 1)).unwrap();
    let latin = directory.join("latin.yaml");
    fs::write(&latin, b"version: 1 # \xe9\n").unwrap();
    let bomb = directory.join("deep.yaml");
    fs::write(&bomb, "[".repeat(1 << 20)).unwrap();
    for (path, reason) in [
        (directory.join("absent.yaml"), "No such file"),
        (directory.clone(), "Is a directory"),
        (huge, "longer than 4194304 bytes"),
        (latin, "UTF-8"),
        (bomb, "not YAML: "),
    ] {
        let outcome = check::check_command(&path, None);
        assert_eq!((outcome.status, outcome.err.len()), (1, 1));
        let line = &outcome.err[0];
        assert!(
            line.starts_with(&path.display().to_string()) && line.contains(reason),
            "{line}"
        );
    }
    fs::remove_dir_all(&directory).unwrap();
}

/// faults.md, E12: the cluster is looked at in the policy's own file and in Envoy's.
#[test]
fn e12_the_cluster_of_the_bridges_is_checked_wherever_it_stands() {
    let policy = root().join("envoy/ecds/tidegate.yaml");
    let shipped = root().join("envoy/envoy.yaml");
    let outcome = check::check_command(&policy, Some(&shipped));
    assert_eq!((outcome.status, outcome.err), (0, Vec::new()));

    let text = fs::read_to_string(&shipped).unwrap();
    let (before, after) = text
        .split_once("      # The defaults of 1024")
        .expect("the cluster's circuit breakers");
    let (_, after) = after.split_once("      # A dead bridge").unwrap();
    let defaults = format!("{before}      # A dead bridge{after}");
    let checked = check::read(&fs::read_to_string(&policy).unwrap(), "p").unwrap();
    let errors = check::read_envoy(&defaults, "e", &checked).unwrap_err();
    assert_eq!(errors.problems.len(), 3, "{errors}");
    assert!(
        errors.to_string().starts_with(
            "e: static_resources.clusters[0].circuit_breakers.thresholds: `max_connections` must be more than 1024"
        ),
        "{errors}"
    );

    let other = text.replace("name: redis-bridge\n", "name: bridges\n");
    let errors = check::read_envoy(&other, "e", &checked).unwrap_err();
    let why =
        "e: has no cluster `redis-bridge`, which `bridge.cluster` names; it has: bridges, app";
    assert_eq!(errors.to_string(), why);

    // A file with both: the same, without being told.
    let embedded = fs::read_to_string(&policy)
        .unwrap()
        .replace("resources:", "filters:");
    let clusters = defaults.split_once("  clusters:\n").unwrap().1;
    let whole = format!("{embedded}\nstatic_resources:\n  clusters:\n{clusters}");
    let errors = check::read(&whole, "w").unwrap_err();
    assert_eq!(errors.problems.len(), 3, "{errors}");
    assert!(
        errors.problems[0]
            .place
            .starts_with("static_resources.clusters[0]")
    );
}

/// What is to be refreshed in the background needs routes that say what they sent.
#[test]
fn routes_that_do_not_say_what_they_sent_are_warned_of() {
    let policy = "version: 1\nnamespace: tg\nbridge: { cluster: redis-bridge }\n\
                  caches: { c: { ttl: 60s, stale_while_revalidate: 10s } }\npolicies: { p: { cache: c } }\n";
    let shipped = fs::read_to_string(root().join("envoy/envoy.yaml")).unwrap();
    let checked = check::read(policy, "p").unwrap();
    assert_eq!(check::read_envoy(&shipped, "e", &checked), Ok(Vec::new()));

    let silent = shipped.replace("key: proxy-connection", "key: x-other");
    let doubts = check::read_envoy(&silent, "e", &checked).unwrap();
    let [doubt] = doubts.as_slice() else {
        panic!("{doubts:?}")
    };
    assert!(doubt.place.ends_with("route_config.virtual_hosts[0]"));

    let directory = std::env::temp_dir().join(format!("tidegate-sent-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let (of_policy, of_envoy) = (directory.join("p.yaml"), directory.join("e.yaml"));
    fs::write(&of_policy, policy).unwrap();
    fs::write(&of_envoy, &silent).unwrap();
    let outcome = check::check_command(&of_policy, Some(&of_envoy));
    assert_eq!((outcome.status, outcome.err.len()), (0, 1), "{outcome:?}");
    assert!(outcome.err[0].contains("e.yaml: static_resources.listeners[0]."));
    assert!(outcome.err[0].contains("[0]: warning: does not say what it sent"));
    fs::remove_dir_all(&directory).unwrap();

    // Nobody minds where nothing is refreshed.
    let plain = policy.replace(", stale_while_revalidate: 10s", "");
    let checked = check::read(&plain, "p").unwrap();
    assert_eq!(check::read_envoy(&silent, "e", &checked), Ok(Vec::new()));
}

/// Wasm filters of others may stand beside ours, with any configuration.
#[test]
fn filters_of_others_are_left_alone() {
    let filter = |name: &str, value: &str| {
        format!(
            "- \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n  config:\n    \
             name: {name}\n    configuration: {{ \"@type\": type.googleapis.com/google.protobuf.Struct, \
             value: {value} }}\n"
        )
    };
    let both = format!(
        "resources:\n{}{}",
        filter("waf", "{ rules: 1 }"),
        filter("tidegate", "{ version: 1 }")
    );
    let checked = check::read(&both, "f").unwrap();
    assert_eq!(checked.found.len(), 1);
    assert_eq!(
        checked.found[0].place,
        "resources[1].config.configuration.value"
    );
    let two = both.replace("waf", "tidegate-b");
    assert_eq!(
        check::read(&two, "f").unwrap_err().problems[0].place,
        "resources[0].config.configuration.value"
    );
}
