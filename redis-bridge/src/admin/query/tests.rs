use super::*;

#[test]
fn values_are_decoded_and_kept_apart() {
    let query = Query::parse("key=a%26b&key=&realm=web&x").unwrap();
    assert_eq!(query.all("key"), ["a&b", ""]);
    assert_eq!(query.one("realm").unwrap(), Some("web"));
    assert!(query.one("key").is_err());
    assert!(query.only(&["key", "realm"]).is_err());
    query.only(&["key", "realm", "x"]).unwrap();
    assert_eq!(
        segments("/v1/users/a%40b%2Fc").unwrap(),
        ["v1", "users", "a@b/c"]
    );
}

#[test]
fn malformed_escapes_are_refused() {
    for text in ["a=%", "a=%2", "a=%zz", "a=%ff"] {
        assert!(Query::parse(text).is_err(), "{text}");
    }
}
