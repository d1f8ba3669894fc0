use super::*;

#[tokio::test]
async fn only_the_failed_generation_is_retired() {
    let link = Link::new();
    assert!(link.get().is_none());
    let first = link.install('a');
    link.retire(first);
    assert!(link.get().is_none());
    link.wait_retired().await;

    let second = link.install('b');
    link.retire(first);
    assert_eq!(
        link.get(),
        Some((second, 'b')),
        "a late failure of the first"
    );
}

fn at(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

#[tokio::test]
async fn a_pipeline_without_a_reply_makes_its_connection_late_until_it_ends() {
    let link = Link::new();
    let start = Instant::now();
    let generation = link.install('a');
    let flight = link.sends(generation, start);
    let later = link.sends(generation, at(start, 9));
    assert!(!link.is_late(at(start, 9)));
    assert!(link.is_late(at(start, 10)));
    drop(flight);
    assert!(!link.is_late(at(start, 10)), "the other one was sent later");
    drop(later);
    assert!(!link.is_late(at(start, 1_000)));
}

#[tokio::test]
async fn a_connection_is_given_up_when_redis_answers_what_was_asked_later() {
    let link = Link::new();
    let start = Instant::now();
    let generation = link.install('a');
    let flight = link.sends(generation, at(start, 5));
    assert!(
        !link.overtaken(start, at(start, 500)),
        "asked before: Redis may be slow"
    );
    assert!(!link.overtaken(at(start, 6), at(start, 500)), "the first");
    assert!(!link.overtaken(at(start, 490), at(start, 519)));
    assert!(link.get().is_some() && !link.was_stuck());
    assert!(link.overtaken(at(start, 495), at(start, 520)));
    assert!(link.get().is_none() && link.was_stuck());
    assert!(!link.overtaken(at(start, 495), at(start, 560)), "once");
    link.wait_retired().await;

    let fresh = link.install('b');
    drop(flight);
    assert!(!link.is_late(at(start, 100)) && !link.was_stuck());
    // A late end of the first says nothing about the second.
    let _flight = link.sends(fresh, at(start, 100));
    drop(link.sends(generation, start));
    assert!(link.is_late(at(start, 110)));
}

/// M5: after a stall of Redis both connections were replaced, as often as it had stalled.
#[tokio::test]
async fn after_a_stall_of_redis_no_connection_is_given_up() {
    let link = Link::new();
    let start = Instant::now();
    let generation = link.install('a');
    let first = link.sends(generation, start);
    let second = link.sends(generation, at(start, 290));
    // Everything is answered after 300 ms, what was asked on the other one first.
    assert!(!link.overtaken(at(start, 10), at(start, 300)));
    assert!(!link.overtaken(at(start, 299), at(start, 310)));
    drop(first);
    assert!(
        !link.overtaken(at(start, 310), at(start, 360)),
        "another one"
    );
    drop(second);
    assert!(!link.overtaken(at(start, 400), at(start, 500)));
    assert!(link.get().is_some());
}

#[tokio::test]
async fn when_all_are_late_for_very_long_one_is_made_anew() {
    let link = Link::new();
    let start = Instant::now();
    let generation = link.install('a');
    let _flight = link.sends(generation, start);
    assert!(!link.silent(at(start, 249)));
    assert!(link.silent(at(start, 250)) && link.was_stuck());
    assert!(link.get().is_none());
    assert!(!link.silent(at(start, 260)), "once");
    link.install('b');
    assert!(!link.silent(at(start, 500)), "nothing waits on this one");
}
