//! Invariant S6: at the upstream, reserved fields are exactly those we wrote.

use super::policy::POLICY;
use super::rig::{Rig, token};
use super::run::{Fate, Req, get};
use crate::http::Headers;
use proptest::prelude::*;

const ROUTES: [&str; 8] = [
    "/elsewhere",
    "/web",
    "/open-web",
    "/limited",
    "/cached/x",
    "/full",
    "/bearer",
    "/open-cached",
];

/// Reserved, as a CGI-like upstream would read names.
fn is_ours(name: &str) -> bool {
    name.to_ascii_lowercase()
        .replace('_', "-")
        .starts_with("x-session-")
}

fn told(headers: &Headers) -> Vec<(String, String)> {
    let ours = headers.iter().filter(|(name, _)| is_ours(name));
    ours.map(|(n, v)| (n.to_owned(), String::from_utf8_lossy(v).into_owned()))
        .collect()
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[xX][-_][sS][eE][sS][sS][iI][oO][nN][-_][a-zA-Z0-9_-]{0,8}",
        1 => "[a-z][a-z0-9-]{0,12}",
        1 => Just("cookie".to_owned()),
        1 => Just("authorization".to_owned()),
    ]
}

fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    prop::collection::vec((name(), prop::collection::vec(any::<u8>(), 0..24)), 0..8)
}

proptest! {
    #[test]
    fn only_our_own_reserved_fields_reach_the_upstream(
        route in prop::sample::select(&ROUTES[..]),
        extra in lines(),
        signed_in in any::<bool>(),
        up in any::<bool>(),
    ) {
        let mut rig = Rig::new(POLICY);
        if !up {
            rig.cut();
        }
        let mut req: Req = get(route);
        req.lines.extend(extra);
        if signed_in {
            req = req.cookie(&token("web"));
        }
        let seen = rig.run(&req);
        if let Fate::Forwarded(headers) = &seen.fate {
            let told = told(headers);
            let mut names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            match told.iter().find(|(name, _)| name == "x-session-state").map(|(_, v)| v.as_str()) {
                None => prop_assert!(names.is_empty()),
                Some("valid") => {
                    prop_assert_eq!(names, ["x-session-id", "x-session-roles", "x-session-state", "x-session-user"]);
                    prop_assert!(told.contains(&("x-session-user".to_owned(), "42".to_owned())));
                }
                Some("none" | "unknown") => prop_assert_eq!(names, ["x-session-state"]),
                Some(other) => prop_assert!(false, "state {}", other),
            }
        }
        prop_assert!(!rig.counted().contains_key("tidegate.bug"));
    }
}
