use super::*;

fn with(ignore: &[&str], sort: bool, path: &str) -> Option<String> {
    let rules = Query {
        ignore: ignore.iter().map(|name| (*name).to_owned()).collect(),
        sort,
    };
    normalised(path.as_bytes(), &rules).map(|path| String::from_utf8(path).expect("text"))
}

#[test]
fn ignored_parameters_go_and_nothing_else_changes() {
    let utm = ["utm_*", "fbclid"];
    let cases = [
        ("/a?utm_source=x&b=1", "/a?b=1"),
        ("/a?b=1&utm_=&c", "/a?b=1&c"),
        ("/a?fbclid", "/a"),
        ("/a?fbclid=1&", "/a?"),
        ("/a?x=1&&fbclid=2", "/a?x=1&"),
    ];
    for (path, expected) in cases {
        assert_eq!(with(&utm, false, path).as_deref(), Some(expected), "{path}");
    }
    for path in [
        "/a",
        "/a?",
        "/a?b=utm_x",
        "/a?UTM_x=1",
        "/a?b;utm_x=1",
        "/a?fbclid2=1",
    ] {
        assert_eq!(with(&utm, false, path), None, "{path}");
    }
}

#[test]
fn sorting_keeps_the_order_of_one_name() {
    assert_eq!(
        with(&[], true, "/a?c=1&b=2&c=0").as_deref(),
        Some("/a?b=2&c=1&c=0")
    );
    assert_eq!(with(&[], true, "/a?b&&a").as_deref(), Some("/a?a&b"));
    assert_eq!(with(&[], true, "/a?a=2&b=1"), None, "as it is");
    assert_eq!(with(&[], false, "/a?b&a"), None, "no rules");
}
