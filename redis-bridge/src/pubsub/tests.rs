use super::*;
use crate::backend::scan::Matcher;

#[test]
fn channels() {
    let parse = |name: &str| {
        parse(
            format!("tg:cache:invalidate:{name}").as_bytes(),
            b"tg:cache:invalidate:",
        )
    };
    assert_eq!(
        parse("http://Shop.example/A?b"),
        Some(Purge::Url(b"http://shop.example/A?b".to_vec()))
    );
    assert_eq!(
        parse("/api/a?x"),
        Some(Purge::Scan(Matcher::Path(b"/api/a?x".to_vec())))
    );
    assert_eq!(parse("tag:p:1"), Some(Purge::Tag(b"p:1".to_vec())));
    assert_eq!(parse("tag:"), None);
    assert_eq!(parse(""), None);
    assert_eq!(parse("shop.example"), None);
    assert_eq!(parse("http://a b/"), None);
}
