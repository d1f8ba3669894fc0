use super::*;

#[test]
fn matchers() {
    let url: &[u8] = b"http://shop.example/api/a?x=1";
    assert!(Matcher::Path(b"/api/a?x=1".to_vec()).matches(url));
    assert!(!Matcher::Path(b"/api/a".to_vec()).matches(url));
    assert!(Matcher::PathPrefix(b"/api/".to_vec()).matches(url));
    assert!(!Matcher::PathPrefix(b"/apis".to_vec()).matches(url));
    assert!(Matcher::Prefix(b"http://shop.example/api".to_vec()).matches(url));
    assert!(!Matcher::Prefix(b"http://shop.example.evil/".to_vec()).matches(url));
    assert!(!Matcher::Path(b"/".to_vec()).matches(b"no url"));
}
