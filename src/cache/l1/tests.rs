use super::*;
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;

const FIELD: [u8; 16] = [1; 16];

fn copy(bytes: usize) -> Remembered {
    Remembered {
        record: vec![7; bytes].into(),
        born_us: 1,
        clock: RedisClock::told(2_000, Duration::from_secs(5)),
    }
}

fn keep(l1: &mut L1, url: &[u8], bytes: usize) {
    let generation = l1.generation();
    l1.put(0, url, &FIELD, copy(bytes), generation);
}

fn has(l1: &mut L1, url: &[u8]) -> bool {
    l1.get(0, url, &FIELD).is_some()
}

#[test]
fn what_was_not_used_for_longest_leaves_first() {
    let each = OVERHEAD + 1 + 100;
    let mut l1 = L1::new([3 * each]);
    for url in [b"a", b"b", b"c"] {
        keep(&mut l1, url, 100);
    }
    assert_eq!(l1.bytes(), 3 * each);
    assert!(has(&mut l1, b"a"));
    keep(&mut l1, b"d", 100);
    assert!(has(&mut l1, b"a") && !has(&mut l1, b"b"));
    // One that needs the room of two.
    keep(&mut l1, b"e", 100 + OVERHEAD);
    assert!(!has(&mut l1, b"c") && !has(&mut l1, b"d") && has(&mut l1, b"a"));
    // One that has no room at all throws nothing out.
    keep(&mut l1, b"f", 4 * each);
    assert!(has(&mut l1, b"e") && !has(&mut l1, b"f"));
}

#[test]
fn c2_what_is_invalidated_is_gone_with_all_its_variants_and_in_all_caches() {
    let mut l1 = L1::new([9_000, 9_000]);
    for cache in [0, 1] {
        for field in 0..3 {
            l1.put(cache, b"http://a/", &[field; 16], copy(9), 0);
            l1.put(cache, b"http://b/", &[field; 16], copy(9), 0);
        }
    }
    l1.invalidate(&name(b"http://a/"));
    for cache in [0, 1] {
        for field in 0..3 {
            assert!(l1.get(cache, b"http://a/", &[field; 16]).is_none());
            assert!(l1.get(cache, b"http://b/", &[field; 16]).is_some());
        }
    }
    l1.clear();
    assert!(l1.get(1, b"http://b/", &FIELD).is_none());
    assert_eq!(l1.bytes(), 0);
}

#[test]
fn c3_what_was_found_before_an_invalidation_is_not_kept_after_it() {
    let mut l1 = L1::new([9_000]);
    let sent = l1.generation();
    l1.invalidate(&name(b"other"));
    l1.put(0, b"a", &FIELD, copy(1), sent);
    assert!(!has(&mut l1, b"a"));
    let sent = l1.generation();
    l1.clear();
    l1.put(0, b"a", &FIELD, copy(1), sent);
    assert!(!has(&mut l1, b"a"));
}

#[test]
fn a_cache_without_room_holds_nothing() {
    let mut l1 = L1::new([0, 9_000]);
    assert!(l1.is_used() && !l1.holds(0) && l1.holds(1) && !l1.holds(2));
    l1.put(0, b"a", &FIELD, copy(1), 0);
    l1.put(2, b"a", &FIELD, copy(1), 0);
    assert!(!has(&mut l1, b"a"));
    assert!(!L1::new([0]).is_used());
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8, usize),
    Get(u8, u8),
    Remove(u8, u8),
    Invalidate(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let (url, field) = (0_u8..6, 0_u8..3);
    prop_oneof![
        6 => (url.clone(), field.clone(), 0_usize..900).prop_map(|(u, f, n)| Step::Put(u, f, n)),
        4 => (url.clone(), field.clone()).prop_map(|(u, f)| Step::Get(u, f)),
        1 => (url.clone(), field).prop_map(|(u, f)| Step::Remove(u, f)),
        1 => url.prop_map(Step::Invalidate),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    /// C12, and: it never has what a map without bounds would not have.
    #[test]
    fn c12_it_is_bounded_and_its_books_agree(steps in vec(step(), 0..80)) {
        let max = 4_000;
        let mut l1 = L1::new([max]);
        let mut all = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(url, field, bytes) => {
                    let generation = l1.generation();
                    l1.put(0, &[url], &[field; 16], copy(bytes), generation);
                    all.insert((url, field), bytes);
                }
                Step::Get(url, field) => {
                    let found = l1.get(0, &[url], &[field; 16]).map(|copy| copy.record.len());
                    if let Some(found) = found {
                        prop_assert_eq!(Some(&found), all.get(&(url, field)));
                    }
                }
                Step::Remove(url, field) => {
                    l1.remove(0, &[url], &[field; 16]);
                    all.remove(&(url, field));
                }
                Step::Invalidate(url) => {
                    l1.invalidate(&name(&[url]));
                    all.retain(|(of, _), _| *of != url);
                }
                Step::Clear => {
                    l1.clear();
                    all.clear();
                }
            }
            let copies = &l1.caches[0];
            let sum: usize = copies.by_key.iter().map(|(k, e)| cost(&k.url, &e.copy)).sum();
            prop_assert_eq!(copies.bytes, sum);
            prop_assert!(copies.bytes <= max);
            prop_assert_eq!(copies.by_use.len(), copies.by_key.len());
            prop_assert_eq!(copies.by_url.values().map(Vec::len).sum::<usize>(), copies.by_key.len());
            prop_assert!(copies.by_url.values().all(|keys| !keys.is_empty()));
        }
    }
}
