use super::*;
use proptest::prelude::*;

fn rule(path: PathRule, hosts: Vec<HostRule>, methods: &[&str]) -> Rule {
    Rule {
        path,
        hosts,
        methods: methods.iter().map(|m| (*m).to_owned()).collect(),
        policy: 0,
    }
}

fn prefix(text: &str) -> Rule {
    rule(PathRule::Prefix(text.to_owned()), vec![], &[])
}

fn exact(text: &str) -> Rule {
    rule(PathRule::Exact(text.to_owned()), vec![], &[])
}

fn host(text: &str) -> HostRule {
    match text.strip_prefix("*.") {
        Some(name) => HostRule::Below(name.to_owned()),
        None => HostRule::Exact(text.to_owned()),
    }
}

fn route(rules: &[Rule], host: &str, path: &str, method: &str) -> Option<usize> {
    let found = Router::new(rules).find(host.as_bytes(), path.as_bytes(), method.as_bytes());
    found.map(|t| t.route)
}

/// The definition: every route in order, none of the router's code.
fn naive(rules: &[Rule], host: &str, path: &str, method: &str) -> Option<usize> {
    let path = path.split(['?', '#']).next().unwrap();
    let host = host.to_ascii_lowercase();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && !name.contains(':') => name.to_owned(),
        Some((name, _)) if name.ends_with(']') => name.to_owned(),
        _ => host,
    };
    let host = host.strip_suffix('.').unwrap_or(&host);
    rules.iter().position(|rule| {
        let path = match &rule.path {
            PathRule::Any => true,
            PathRule::Exact(p) => path == p,
            PathRule::Prefix(p) if p.ends_with('/') => path.starts_with(p.as_str()),
            PathRule::Prefix(p) => path == p || path.starts_with(&format!("{p}/")),
        };
        let host = rule.hosts.is_empty()
            || rule.hosts.iter().any(|rule| match rule {
                HostRule::Exact(h) => h == host,
                HostRule::Below(h) => host.len() > h.len() + 1 && host.ends_with(&format!(".{h}")),
            });
        path && host && (rule.methods.is_empty() || rule.methods.iter().any(|m| m == method))
    })
}

#[test]
fn prefixes_take_whole_segments() {
    let rules = [prefix("/admin")];
    for path in [
        "/admin",
        "/admin/",
        "/admin/x",
        "/admin?x=/public",
        "/admin#f",
    ] {
        assert_eq!(route(&rules, "h", path, "GET"), Some(0), "{path}");
    }
    for path in [
        "/administrator",
        "/adm",
        "/",
        "",
        "/Admin",
        "admin",
        "/x/admin",
        "*",
    ] {
        assert_eq!(route(&rules, "h", path, "GET"), None, "{path}");
    }
}

#[test]
fn prefixes_with_a_slash_do_not_take_the_bare_name() {
    let rules = [prefix("/api/")];
    for path in ["/api/", "/api/x", "/api//", "/api/?q"] {
        assert_eq!(route(&rules, "h", path, "GET"), Some(0), "{path}");
    }
    assert_eq!(route(&rules, "h", "/api", "GET"), None);
    assert_eq!(route(&[prefix("/")], "h", "/", "GET"), Some(0));
    assert_eq!(route(&[prefix("/")], "h", "/a/b", "GET"), Some(0));
    assert_eq!(route(&[prefix("/")], "h", "*", "OPTIONS"), None);
}

#[test]
fn the_first_route_wins_not_the_longest() {
    let rules = [prefix("/a"), exact("/a/b"), prefix("/a/b"), prefix("/")];
    assert_eq!(route(&rules, "h", "/a/b", "GET"), Some(0));
    let rules = [exact("/a/b"), prefix("/a/b"), prefix("/a"), prefix("/")];
    assert_eq!(route(&rules, "h", "/a/b", "GET"), Some(0));
    assert_eq!(route(&rules, "h", "/a/b/c", "GET"), Some(1));
    assert_eq!(route(&rules, "h", "/a/c", "GET"), Some(2));
    assert_eq!(route(&rules, "h", "/c", "GET"), Some(3));
}

#[test]
fn hosts_are_compared_without_case_port_and_final_dot() {
    let rules = [rule(
        PathRule::Any,
        vec![host("shop.example"), host("[::1]")],
        &[],
    )];
    for name in [
        "shop.example",
        "SHOP.example:8443",
        "shop.example.",
        "shop.example.:80",
        "[::1]",
        "[::1]:80",
    ] {
        assert_eq!(route(&rules, name, "/", "GET"), Some(0), "{name}");
    }
    for name in [
        "",
        "a.shop.example",
        "shop.example.evil",
        "::1",
        "[::2]",
        "shop.example:x",
        "shop.example:1:2",
    ] {
        assert_eq!(route(&rules, name, "/", "GET"), None, "{name}");
    }
}

#[test]
fn wildcard_hosts_take_names_below_only() {
    let rules = [rule(PathRule::Any, vec![host("*.shop.example")], &[])];
    for name in ["a.shop.example", "a.b.shop.example:443"] {
        assert_eq!(route(&rules, name, "/", "GET"), Some(0), "{name}");
    }
    for name in [
        "shop.example",
        ".shop.example",
        "ashop.example",
        "a.shop.example.evil",
    ] {
        assert_eq!(route(&rules, name, "/", "GET"), None, "{name}");
    }
}

#[test]
fn methods_are_case_sensitive() {
    let rules = [rule(PathRule::Any, vec![], &["POST", "PUT"])];
    assert_eq!(route(&rules, "h", "/", "PUT"), Some(0));
    assert_eq!(route(&rules, "h", "/", "put"), None);
    assert_eq!(route(&rules, "h", "/", "GET"), None);
}

#[test]
fn the_policy_is_the_routes_own() {
    let mut rules = vec![exact("/a"), exact("/b")];
    rules[1].policy = 7;
    let found = Router::new(&rules).find(b"h", b"/b", b"GET");
    assert_eq!(
        found,
        Some(Target {
            route: 1,
            policy: 7
        })
    );
}

#[test]
fn a_thousand_routes_are_not_a_thousand_comparisons() {
    let tables: [Vec<Rule>; 5] = [
        (0..1000).map(|n| exact(&format!("/api/{n}"))).collect(),
        (0..1000).map(|n| prefix(&format!("/api/{n}/"))).collect(),
        (0..1000)
            .map(|n| rule(PathRule::Any, vec![host(&format!("h{n}.example"))], &[]))
            .collect(),
        (0..1000)
            .map(|n| {
                rule(
                    PathRule::Prefix("/".into()),
                    vec![host(&format!("*.h{n}.example"))],
                    &["GET"],
                )
            })
            .collect(),
        (0..1000)
            .map(|n| rule(PathRule::Any, vec![], &[&format!("M{n}")]))
            .collect(),
    ];
    for (table, rules) in tables.iter().enumerate() {
        let router = Router::new(rules);
        for n in [0, 1, 500, 998, 999] {
            let (host, method) = match table {
                2 => (format!("h{n}.example"), "GET".to_owned()),
                3 => (format!("x.h{n}.example"), "GET".to_owned()),
                4 => ("h".to_owned(), format!("M{n}")),
                _ => ("h".to_owned(), "GET".to_owned()),
            };
            let path = format!("/api/{n}/x");
            let path = if table == 0 {
                path.strip_suffix("/x").unwrap()
            } else {
                &path
            };
            let search = router.search(host.as_bytes(), path.as_bytes(), method.as_bytes());
            assert_eq!(search.best, Some(n), "table {table}");
            assert!(
                search.looked_at <= 4,
                "table {table}: {} candidates",
                search.looked_at
            );
        }
    }
}

/// An 8 kB path of slashes, and a host of dots, stay linear: this would take minutes otherwise.
#[test]
fn long_hostile_paths_and_hosts_are_cheap() {
    let rules = [
        prefix("/a"),
        rule(PathRule::Any, vec![host("*.a.example")], &[]),
    ];
    let router = Router::new(&rules);
    let (path, host) = ("/".repeat(1 << 16), "a.".repeat(1 << 16));
    for _ in 0..100 {
        assert_eq!(router.find(host.as_bytes(), path.as_bytes(), b"GET"), None);
    }
}

fn any_path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["", "a", "b", "ab"], 1..4)
        .prop_map(|s| format!("/{}", s.join("/")))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let path = prop_oneof![
        Just(PathRule::Any),
        any_path().prop_map(PathRule::Exact),
        any_path().prop_map(PathRule::Prefix),
    ];
    let hosts: &[&str] = &[
        "a.example",
        "b.a.example",
        "*.a.example",
        "*.example",
        "[::1]",
    ];
    let hosts = proptest::collection::vec(proptest::sample::select(hosts), 0..3);
    let methods = proptest::collection::vec(proptest::sample::select(&["GET", "PUT"][..]), 0..3);
    (path, hosts, methods).prop_map(|(path, hosts, methods)| {
        rule(path, hosts.into_iter().map(host).collect(), &methods)
    })
}

proptest! {
    #[test]
    fn finds_what_a_linear_scan_finds(
        rules in proptest::collection::vec(any_rule(), 0..30),
        requests in proptest::collection::vec((
            proptest::sample::select(&[
                "a.example", "A.example:80", "b.a.example", "c.b.a.example.", "example", "[::1]:8080", ".example", "",
            ][..]),
            prop_oneof![any_path(), any_path().prop_map(|p| p + "?q=/a/b"), Just("*".to_owned())],
            proptest::sample::select(&["GET", "PUT", "POST"][..]),
        ), 1..20),
    ) {
        let router = Router::new(&rules);
        for (host, path, method) in requests {
            let found = router.find(host.as_bytes(), path.as_bytes(), method.as_bytes());
            prop_assert_eq!(found.map(|t| t.route), naive(&rules, host, &path, method), "{} {}", host, path);
        }
    }

    #[test]
    fn any_bytes_are_routed(host: Vec<u8>, path: Vec<u8>, method: Vec<u8>) {
        let router = Router::new(&[prefix("/"), exact("/a")]);
        let found = router.find(&host, &path, &method);
        prop_assert_eq!(found.is_some(), path.first() == Some(&b'/'));
    }
}
