//! What the shipped Envoy configuration does before and after the filter.

use tidegate_e2e::{Lab, Request, SAMPLE};
use tidegate_stack::Filter;

#[test]
fn envoy_passes_a_request() {
    let answer = Lab::sample().client(0).get("/echo?a=1").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().unwrap()["target"], "/echo?a=1");
}

#[test]
fn without_a_filter_it_is_a_plain_proxy() {
    let lab = Lab::with(SAMPLE, |spec| spec.filter = Filter::None);
    assert_eq!(lab.client(0).get("/admin/").unwrap().status, 200);
    assert!(lab.endpoints().unwrap().bridges.is_empty());
}

#[test]
fn ambiguous_requests_do_not_pass() {
    let mut client = Lab::sample().client(0);
    for target in ["/admin%2fx", "/x%5cy", "/%2e%2e%2fadmin"] {
        assert_eq!(client.get(target).unwrap().status, 400, "{target}");
    }
    let spoofed = Request::get("/echo").field("x_session_user", "admin");
    assert_eq!(client.send(&spoofed).unwrap().status, 400);
    // Normalised first, then judged: all of these are /admin/.
    for target in ["/public/../admin/", "//admin/", "/%61dmin/"] {
        assert_eq!(client.get(target).unwrap().status, 401, "{target}");
    }
}

#[test]
fn the_upstream_sees_the_peer_at_the_end_of_x_forwarded_for() {
    let request = Request::get("/echo")
        .field("x-forwarded-for", "203.0.113.9")
        .field("x-forwarded-proto", "https");
    let seen = Lab::sample()
        .client(0)
        .send(&request)
        .unwrap()
        .json()
        .unwrap();
    let field = |name: &str| {
        let all = seen["headers"].as_array().unwrap();
        all.iter()
            .filter(|pair| pair[0] == name)
            .map(|pair| pair[1].clone())
            .collect::<Vec<_>>()
    };
    let forwarded = field("x-forwarded-for");
    assert_eq!(forwarded.len(), 1, "{forwarded:?}");
    assert!(
        forwarded[0].as_str().unwrap().ends_with("127.0.0.1"),
        "{forwarded:?}"
    );
    assert_eq!(field("x-forwarded-proto"), ["http"]);
}

#[test]
fn the_access_log_names_the_policy_and_the_reason() {
    let lab = Lab::new(SAMPLE);
    assert_eq!(lab.client(0).get("/admin/").unwrap().status, 401);
    let line =
        tidegate_e2e::wait::until("the access log", std::time::Duration::from_secs(15), || {
            let text =
                std::fs::read_to_string(lab.files().access_log(0)).map_err(|e| e.to_string())?;
            text.lines()
                .next()
                .map(str::to_owned)
                .ok_or_else(|| "empty".into())
        })
        .unwrap();
    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["status"], 401);
    assert_eq!(entry["policy"], "admin");
    assert!(entry["verdict"].is_string(), "{line}");
}

#[test]
fn names_become_labels_in_prometheus() {
    let lab = Lab::sample();
    lab.client(0).get("/api/cart").unwrap();
    let admin = &lab.endpoints().unwrap().envoy_admin[0];
    let text = tidegate_e2e::Client::new(admin)
        .get("/stats/prometheus")
        .unwrap()
        .text();
    for label in [
        "tidegate_limit_allowed{tidegate_limit=\"per-ip\"}",
        "tidegate_session_absent{tidegate_session=\"web\"}",
        "tidegate_cache_miss{tidegate_cache=\"catalog\"}",
    ] {
        assert!(text.contains(label), "{label}");
    }
    // What the shipped alerts and dashboard ask Envoy for.
    let labels = ["tidegate_limit", "tidegate_session", "tidegate_cache"];
    let mut named = 0;
    for file in ["prometheus/rules.yaml", "grafana/tidegate.json"] {
        let path = tidegate_stack::spec::root().join("envoy").join(file);
        let shipped = std::fs::read_to_string(path).unwrap();
        let words = shipped.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = words.filter(|w| w.starts_with("tidegate_") && !labels.contains(w));
        for name in ours.filter(|w| !w.starts_with("tidegate_bridge_")) {
            let line = format!("# TYPE {name} counter\n");
            assert!(text.contains(&line), "{name} of {file}");
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
}
