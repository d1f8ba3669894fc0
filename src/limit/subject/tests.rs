use super::*;
use proptest::prelude::*;

/// Counters outlive a release, and the bridge's admin API names them by the same hash.
#[test]
fn known_answer() {
    let text = b"tidegate subject 1\0\x03\0\0\0a_b\x01\0\0\0c";
    assert_eq!(subject(&[b"a_b", b"c"]), Sha256::digest(text)[..16]);
    assert_eq!(subject(&[]), Sha256::digest(b"tidegate subject 1\0")[..16]);
}

#[test]
fn parts_do_not_run_into_each_other() {
    assert_ne!(subject(&[b"a_b", b"c"]), subject(&[b"a", b"b_c"]));
    assert_ne!(subject(&[b"ab"]), subject(&[b"ab", b""]));
    assert_ne!(subject(&[b"", b"ab"]), subject(&[b"ab", b""]));
}

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    // A tiny alphabet with bytes that look like lengths, so that near collisions are common.
    let byte = prop::sample::select(vec![0, 1, 2, 3, b'a']);
    prop::collection::vec(prop::collection::vec(byte, 0..6), 0..5)
}

proptest! {
    #[test]
    fn equal_hash_only_for_equal_parts(a in parts(), b in parts()) {
        let [x, y] = [&a, &b].map(|p| subject(&p.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        prop_assert_eq!(x == y, a == b);
    }
}
