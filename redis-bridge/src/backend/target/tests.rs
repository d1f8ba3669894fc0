use super::*;

fn node(host: &str, port: u16) -> Node {
    (host.to_owned(), port)
}

#[test]
fn urls() {
    for (url, want) in [
        (
            "redis://127.0.0.1:7000",
            Target::Tcp(node("127.0.0.1", 7000)),
        ),
        ("redis://cache/", Target::Tcp(node("cache", 6379))),
        ("redis://cache/0", Target::Tcp(node("cache", 6379))),
        ("redis://[::1]:7000", Target::Tcp(node("::1", 7000))),
        (
            "redis+unix:///run/r.sock",
            Target::Unix("/run/r.sock".to_owned()),
        ),
        (
            "redis-cluster://a:1,b:2",
            Target::Cluster(vec![node("a", 1), node("b", 2)]),
        ),
        (
            "redis-sentinel://a,b:2/main",
            Target::Sentinel {
                nodes: vec![node("a", 26379), node("b", 2)],
                name: "main".to_owned(),
            },
        ),
    ] {
        assert_eq!(url.parse::<Target>(), Ok(want), "{url}");
    }
}

#[test]
fn mistakes_are_named() {
    for (url, want) in [
        ("127.0.0.1:6379", TargetError::Scheme),
        ("rediss://a", TargetError::Scheme),
        ("redis://:secret@a", TargetError::Credentials),
        ("redis-cluster://u:p@a:1,b:2", TargetError::Credentials),
        ("redis://a/3", TargetError::Database),
        ("redis://a:99999", TargetError::Node),
        ("redis://a:0", TargetError::Node),
        ("redis://", TargetError::Node),
        ("redis-cluster://a:1,,b:2", TargetError::Node),
        ("redis-sentinel://a:1", TargetError::Primary),
        ("redis-sentinel://a:1/", TargetError::Primary),
        ("redis://a?protocol=resp3", TargetError::Parameters),
        ("redis+unix://run/r.sock", TargetError::Path),
    ] {
        assert_eq!(url.parse::<Target>(), Err(want), "{url}");
    }
}

#[test]
fn what_is_printed_reads_back() {
    for url in [
        "redis://a:1",
        "redis+unix:///r.sock",
        "redis-cluster://a:1,b:2",
        "redis-sentinel://a:1/main",
    ] {
        assert_eq!(url.parse::<Target>().unwrap().to_string(), url);
    }
}

#[test]
fn an_s_in_the_scheme_means_tls() {
    for url in [
        "rediss://a:1",
        "rediss-cluster://a:1,b:2",
        "rediss-sentinel://a:1/main",
    ] {
        let parsed: Url = url.parse().unwrap();
        assert!(parsed.tls, "{url}");
        assert_eq!(parsed.to_string(), url);
    }
    let plain: Url = "redis://a:1".parse().unwrap();
    assert!(!plain.tls);
    assert_eq!(plain.to_string(), "redis://a:1");
    for url in ["rediss+unix:///run/r.sock", "redisss://a"] {
        assert_eq!(url.parse::<Url>(), Err(TargetError::Scheme), "{url}");
    }
}
