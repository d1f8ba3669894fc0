use super::*;

#[test]
fn pauses_grow_to_a_ceiling_and_never_vanish() {
    let mut backoff = Backoff::default();
    for failures in 0..100_u32 {
        let ceiling = LONGEST.min(FIRST * 2_u32.saturating_pow(failures.min(20)));
        let longest = backoff.clone().next(u64::MAX);
        let pause = backoff.next(0);
        assert_eq!(pause, FIRST);
        assert!(longest <= FIRST + ceiling, "{failures}: {longest:?}");
    }
    backoff.reset();
    assert!(backoff.next(u64::MAX) <= FIRST * 2);
    // Invariant L2: with a pause, a connection and three probes of a breaker a second is enough.
    assert!(FIRST + LONGEST <= Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn who_shares_turns_waits_for_the_one_before() {
    let (turns, begun) = (Turns::default(), Instant::now());
    turns.turn().await;
    let first = begun.elapsed();
    turns.turn().await;
    turns.turn().await;
    assert!(first < FIRST, "{first:?}");
    assert!(begun.elapsed() >= FIRST * 2);
}
