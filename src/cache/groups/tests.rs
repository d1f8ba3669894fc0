use super::*;

fn url(text: &str) -> Url {
    Url::parse(text.as_bytes()).expect("valid")
}

fn stored(at: &str, groups: &str) -> Option<Vec<Vec<u8>>> {
    let mut tags = Vec::new();
    let headers = Headers::from_pairs([("cache-groups", groups)]);
    add_tags(&url(at), &headers, &mut tags).map(|()| tags)
}

fn ended(at: &str, status: u16, groups: &str) -> Vec<Vec<u8>> {
    let headers = Headers::from_pairs([("cache-group-invalidation", groups)]);
    invalidated(&url(at), status, &headers)
}

#[test]
fn rfc9875_2_groups_are_compared_exactly_within_an_origin() {
    let one = stored("http://a/x", "\"shop\", \"all\";x=1").expect("tags");
    assert_eq!(one.len(), 2);
    assert_eq!(ended("http://a/y", 200, "\"shop\""), one[..1]);
    assert_ne!(ended("http://a/y", 200, "\"Shop\""), one[..1]);
    assert_ne!(ended("https://a/y", 200, "\"shop\""), one[..1]);
    assert_ne!(ended("http://b/y", 200, "\"shop\""), one[..1]);
}

#[test]
fn rfc9875_2_what_is_no_list_of_strings_is_ignored() {
    for bad in ["shop", "\"a\" \"b\"", "\"a\",", "(\"a\")", "\"a"] {
        assert_eq!(stored("http://a/", bad), Some(Vec::new()), "{bad}");
        assert!(ended("http://a/", 200, bad).is_empty(), "{bad}");
    }
}

#[test]
fn rfc9875_3_an_error_invalidates_nothing() {
    assert_eq!(ended("http://a/", 204, "\"g\", \"g\"").len(), 1);
    assert_eq!(ended("http://a/", 302, "\"g\"").len(), 1);
    assert!(ended("http://a/", 404, "\"g\"").is_empty());
    assert!(ended("http://a/", 503, "\"g\"").is_empty());
}

#[test]
fn a_store_that_a_purge_would_miss_is_not_made() {
    let many: Vec<String> = (0..32).map(|n| format!("\"{n}\"")).collect();
    assert_eq!(
        stored("http://a/", &many.join(",")).map(|t| t.len()),
        Some(32)
    );
    assert_eq!(
        stored("http://a/", &format!("\"{}\"", "g".repeat(300))),
        None
    );
}
