use super::{number, story};
use crate::{Marks, Options, run};

/// Seeds tried when nobody says how many.
const SEEDS: u64 = 200;

#[test]
fn no_seed_breaks_an_invariant_and_all_marks_are_met() {
    if let Some(seed) = number("TIDEGATE_SIM_SEED") {
        let report = run(Options::of_seed(seed));
        assert!(report.violation.is_none(), "{}", story(&report));
        return;
    }
    let seeds = number("TIDEGATE_SIM_SEEDS").unwrap_or(SEEDS);
    let mut marks = Marks::default();
    let mut requests = 0;
    for seed in 0..seeds {
        let report = run(Options::of_seed(seed));
        assert!(report.violation.is_none(), "{}", story(&report));
        marks.merge(&report.marks);
        requests += report.requests;
    }
    let counts: Vec<String> = marks.iter().map(|(m, n)| format!("{m}={n}")).collect();
    let counts = counts.join(" ");
    eprintln!("{seeds} seeds, {requests} requests: {counts}");
    let missing = marks.missing();
    assert!(
        missing.is_empty() || seeds < SEEDS,
        "never met: {missing:?} in {seeds} seeds, {requests} requests: {counts}"
    );
}

#[test]
fn one_seed_goes_one_way() {
    for seed in [1, 2, 3, 5] {
        let (one, other) = (run(Options::of_seed(seed)), run(Options::of_seed(seed)));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.marks, other.marks, "seed {seed}");
    }
}

#[test]
fn r13_other_clocks_give_the_same_verdicts() {
    for seed in [0, 1, 4, 6] {
        let options = Options::of_seed(seed);
        let other = Options {
            clocks: seed + 1000,
            ..options.clone()
        };
        let (one, other) = (run(options), run(other));
        assert_eq!(one.verdicts, other.verdicts, "seed {seed}");
    }
}
