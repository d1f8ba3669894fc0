use super::*;

fn of(text: &str, change: impl Fn(&mut policy::Cache)) -> (u64, u64) {
    let control = ResponseControl::parse([text.as_bytes()].into_iter());
    let mut cache = policy::Cache::default();
    change(&mut cache);
    let usage = usage(&control, 200, 0, &cache);
    (usage.stale_while_ms, usage.stale_error_ms)
}

fn graceful(cache: &mut policy::Cache) {
    cache.grace_ms = 7_000;
}

#[test]
fn rfc5861_the_answer_says_how_long_it_may_be_used_stale() {
    let said = "max-age=1, stale-while-revalidate=30, stale-if-error=60";
    assert_eq!(of(said, |_| {}), (30_000, 60_000));
    assert_eq!(of(said, graceful), (30_000, 60_000), "its own word wins");
    let zero = "max-age=1, stale-while-revalidate=0, stale-if-error=0";
    assert_eq!(of(zero, graceful), (0, 0));
}

#[test]
fn the_policy_speaks_for_answers_that_say_nothing() {
    assert_eq!(of("max-age=1", |_| {}), (0, 0));
    assert_eq!(of("max-age=1", graceful), (7_000, 7_000));
    let both = |cache: &mut policy::Cache| {
        graceful(cache);
        cache.stale_if_error_ms = Some(9_000);
    };
    assert_eq!(of("max-age=1", both), (7_000, 9_000));
    assert_eq!(of("max-age=1, stale-if-error=1", both), (7_000, 1_000));
}

#[test]
fn rfc9111_4_2_4_what_forbids_it() {
    for word in ["must-revalidate", "proxy-revalidate", "no-cache"] {
        let said = format!("max-age=1, stale-while-revalidate=30, stale-if-error=30, {word}");
        assert_eq!(of(&said, graceful), (0, 0), "{word}");
    }
    assert_eq!(of("s-maxage=1", graceful), (0, 0), "RFC 9111, 5.2.2.10");
    let own = "s-maxage=1, stale-while-revalidate=30";
    assert_eq!(of(own, graceful), (30_000, 0), "one it names itself");
}

#[test]
fn an_error_does_not_stand_in_for_another() {
    let cache = policy::Cache {
        grace_ms: 7_000,
        ..policy::Cache::default()
    };
    let usage = usage(&ResponseControl::default(), 503, 0, &cache);
    assert_eq!((usage.stale_while_ms, usage.stale_error_ms), (7_000, 0));
    for (status, failed) in [
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
        (404, false),
    ] {
        assert_eq!(is_failure(status), failed, "{status}");
    }
}
