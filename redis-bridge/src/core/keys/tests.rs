use super::*;
use proptest::prelude::*;

#[test]
fn names() {
    let keys = Keys::new("tg");
    let text = |key: Vec<u8>| String::from_utf8(key).unwrap();
    let user = [0xab; 12];
    assert_eq!(text(keys.epoch(&user)), "tg:u:{abababababababababababab}");
    assert_eq!(text(keys.index(&user)), "tg:u:{abababababababababababab}:i");
    assert_eq!(
        text(keys.session(&user, &[1; 15])),
        format!("tg:s:{{{}}}:{}", "ab".repeat(12), "01".repeat(15))
    );
    assert_eq!(
        text(keys.limit(&[2; 16], &[3; 8])),
        format!("tg:l:{{{}}}:{}", "02".repeat(16), "03".repeat(8))
    );
    // sha256("a") starts with ca978112ca1bbdcafac231b39a23dc4d
    assert_eq!(
        text(keys.cached(b"a")),
        "tg:c:{ca978112ca1bbdcafac231b39a23dc4d}"
    );
    assert_eq!(
        text(keys.tag(b"a")),
        "tg:t:{ca978112ca1bbdcafac231b39a23dc4d}"
    );
    assert_eq!(
        text(keys.tag_purged(b"a")),
        "tg:t:{ca978112ca1bbdcafac231b39a23dc4d}:p"
    );
    assert_eq!(
        keys.cached_hash(b"ca978112ca1bbdcafac231b39a23dc4d"),
        keys.cached(b"a")
    );
}

proptest! {
    /// A client's bytes never become key syntax: one pair of braces, fixed length, fixed alphabet.
    #[test]
    fn bytes_of_a_client_are_no_syntax(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let key = Keys::new("tg").cached(&bytes);
        prop_assert_eq!(key.len(), 39);
        prop_assert_eq!(key.iter().filter(|b| **b == b'{').count(), 1);
        let syntax = |b: &u8| b.is_ascii_alphanumeric() || b":{}".contains(b);
        prop_assert!(key.iter().all(syntax));
    }

    #[test]
    fn hex_and_back(bytes in any::<[u8; 15]>()) {
        prop_assert_eq!(unhex::<15>(&hex(&bytes)), Some(bytes));
        prop_assert_eq!(unhex::<14>(&hex(&bytes)), None);
        prop_assert_eq!(unhex::<15>(&hex(&bytes).to_ascii_uppercase()).is_some(),
            !hex(&bytes).iter().any(u8::is_ascii_lowercase));
    }
}
