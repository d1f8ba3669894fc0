use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const ALL: [Reason; 14] = [
    Reason::AmbiguousCredential,
    Reason::AmbiguousPath,
    Reason::CostExceedsLimit,
    Reason::CostInvalid,
    Reason::CrossSite,
    Reason::Internal,
    Reason::LimitUnavailable,
    Reason::QuotaExceeded,
    Reason::RoleRequired,
    Reason::SessionInvalid,
    Reason::SessionRequired,
    Reason::SessionConflict,
    Reason::SessionUnavailable,
    Reason::UnknownPolicy,
];

fn json_of(problem: &Problem<'_>) -> Value {
    serde_json::from_slice(&problem.render().body).unwrap()
}

fn field(problem: &Problem<'_>, name: &str) -> Option<String> {
    let headers = problem.render().headers;
    let mut values = headers
        .into_iter()
        .filter(|(other, _)| *other == name)
        .map(|(_, value)| value);
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

#[test]
fn quota_exceeded_names_the_limits() {
    let problem = Problem {
        policy: Some("api"),
        violated: vec!["per-ip", "per-user"],
        retry_after_s: Some(18),
        detail: "Try again in 18 s",
        ..Problem::new(Reason::QuotaExceeded)
    };
    assert_eq!(
        json_of(&problem),
        json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "status": 429,
            "detail": "Try again in 18 s",
            "policy": "api",
            "reason": "quota-exceeded",
            "violated-policies": ["per-ip", "per-user"],
        })
    );
    assert_eq!(field(&problem, "retry-after").as_deref(), Some("18"));
    assert_eq!(field(&problem, "www-authenticate"), None);
}

#[test]
fn every_refusal_is_a_problem_of_its_own() {
    let mut types = Vec::new();
    for reason in ALL {
        let problem = Problem::new(reason);
        let body = json_of(&problem);
        let rendered = problem.render();
        assert_eq!(body["status"], rendered.status);
        assert_eq!(body["reason"], reason.name());
        assert_eq!(body["title"], reason.title());
        assert!(body.get("detail").is_none() && body.get("violated-policies").is_none());
        assert_eq!(
            field(&problem, "content-type").as_deref(),
            Some("application/problem+json")
        );
        assert_eq!(
            field(&problem, "cache-control").as_deref(),
            Some("no-store")
        );
        assert_eq!(
            field(&problem, "www-authenticate").is_some(),
            rendered.status == 401
        );
        assert_eq!(
            field(&problem, "retry-after").is_some(),
            rendered.status == 503
        );
        types.push((
            body["type"].as_str().unwrap().to_owned(),
            body["reason"].to_string(),
        ));
    }
    let own = types
        .iter()
        .filter(|(uri, _)| uri.starts_with("https://tidegate.dev/problems/"));
    assert_eq!(own.count(), ALL.len() - 2);
    types.sort();
    types.dedup();
    assert_eq!(types.len(), ALL.len());
}

/// specs/limits.md, 7: waiting does not help, so nothing says to wait.
#[test]
fn a_cost_that_never_fits_has_no_retry_after() {
    assert_eq!(
        field(&Problem::new(Reason::CostExceedsLimit), "retry-after"),
        None
    );
}

#[test]
fn a_401_says_how_to_authenticate() {
    for (reason, challenge, field_value) in [
        (
            Reason::SessionRequired,
            Challenge::Bearer { realm: "api" },
            r#"Bearer realm="api""#,
        ),
        (
            Reason::SessionInvalid,
            Challenge::Bearer { realm: "api" },
            r#"Bearer realm="api", error="invalid_token""#,
        ),
        (
            Reason::SessionRequired,
            Challenge::Cookie { realm: "web" },
            r#"Cookie realm="web""#,
        ),
        (
            Reason::SessionInvalid,
            Challenge::Cookie { realm: "web" },
            r#"Cookie realm="web""#,
        ),
    ] {
        let problem = Problem {
            challenge,
            ..Problem::new(reason)
        };
        assert_eq!(
            field(&problem, "www-authenticate").as_deref(),
            Some(field_value)
        );
    }
}

proptest! {
    #[test]
    fn any_text_comes_back_from_a_json_parser(
        detail in "\\PC{0,10}[\\x00-\\x1f\"\\\\</]{0,4}", policy: String, name: String,
    ) {
        let problem = Problem {
            detail: &detail,
            policy: Some(&policy),
            violated: vec![&name, ""],
            ..Problem::new(Reason::QuotaExceeded)
        };
        let body = problem.render().body;
        prop_assert!(body.iter().all(|b| !b.is_ascii_control() && *b != b'<'));
        let json: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(&json["policy"], &policy);
        prop_assert_eq!(&json["violated-policies"], &json!([name, ""]));
        prop_assert_eq!(json.get("detail").map_or("", |d| d.as_str().unwrap()), detail);
    }
}
