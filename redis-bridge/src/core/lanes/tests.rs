use super::*;
use crate::script::Script;

fn command(key: &str) -> Command {
    Command {
        script: Script::ALL[0],
        keys: vec![key.into()],
        args: Vec::new(),
    }
}

/// As redis-server says with CLUSTER KEYSLOT.
#[test]
fn slots_are_those_of_redis() {
    for (key, wanted) in [
        ("foo", 12_182),
        ("123456789", 12_739),
        ("{user1000}.following", 3_443),
        ("foo{}{bar}", 8_363),
        ("foo{{bar}}zap", 4_015),
        ("foo{bar}{zap}", 5_061),
        ("", 0),
    ] {
        assert_eq!(slot(key.as_bytes()), wanted, "{key}");
    }
}

#[test]
fn lanes_go_by_shards_and_a_failover_moves_nobody() {
    let before = Shards::of([(0, "a"), (5_461, "b"), (10_923, "c")]);
    let after = Shards::of([(5_461, "b"), (0, "z"), (10_923, "c")]);
    assert_eq!(before, after);
    let lane = |key: &str| before.lane(&command(key));
    assert_eq!(
        [lane("{user1000}"), lane("foo{}{bar}"), lane("foo")],
        [0, 1, 2]
    );
    // Half of the first one's slots went to the third.
    let moved = Shards::of([(0, "c"), (2_730, "a"), (5_461, "b"), (10_923, "c")]);
    assert_eq!(moved.lane(&command("foo")), 0);
    assert_eq!(moved.lane(&command("{user1000}")), 1);
    assert_eq!(Shards::one().lane(&command("foo")), 0);
    assert_eq!(Shards::of::<&str>([]), Shards::one());
}

#[test]
fn a_lane_that_is_full_holds_up_no_other_and_each_has_its_turn() {
    let mut lanes = Lanes::default();
    lanes.follow(Shards::of([(0, "a"), (5_461, "b"), (10_923, "c")]));
    let keys = ["{user1000}", "foo{}{bar}", "foo"];
    for round in 0..3 {
        for key in keys {
            lanes.push(round, command(key), false, Duration::ZERO);
        }
    }
    let bounds = Bounds {
        commands: 1,
        batches: 1,
        windowed: false,
    };
    let next = |lanes: &mut Lanes<i32>| lanes.next(bounds, Duration::ZERO, |_| true);
    let back = |lanes: &mut Lanes<i32>, lane| {
        lanes.back(lane, Duration::ZERO, 1, true, Duration::ZERO);
    };
    let taken = std::iter::from_fn(|| next(&mut lanes).map(|(lane, _)| lane));
    assert_eq!(taken.collect::<Vec<_>>(), [0, 1, 2]);
    back(&mut lanes, 1);
    assert_eq!((lanes.waiting(), lanes.in_flight()), (6, 2));
    assert_eq!(next(&mut lanes).unwrap().0, 1);
    // Fewer shards: what waits in a lane that nobody goes to any more is still served.
    lanes.follow(Shards::one());
    back(&mut lanes, 2);
    assert_eq!(next(&mut lanes).unwrap().0, 2);
}

#[test]
fn a_shard_that_does_not_answer_is_given_no_more_and_the_others_are() {
    let mut lanes = Lanes::default();
    lanes.follow(Shards::of([(0, "a"), (5_461, "b")]));
    let bounds = Bounds {
        commands: 100,
        batches: 16,
        windowed: true,
    };
    let ms = Duration::from_millis;
    let (mut silent, mut done) = (0, 0);
    for now in (0..300).map(ms) {
        lanes.push(0, command("{user1000}"), false, now);
        lanes.push(1, command("foo{}{bar}"), false, now);
        while let Some((lane, batch)) = lanes.next(bounds, now, |_| true) {
            if lane == 0 && now >= ms(100) {
                silent += batch.len();
            } else {
                done += batch.len();
                lanes.back(lane, now, batch.len(), true, now);
            }
        }
    }
    assert_eq!(done, 400);
    assert!(silent <= 55, "{silent}");
    assert_eq!(lanes.waiting(), 200 - silent);
}

/// Found by the chaos suite (D2): replies that were two seconds late, ten times a second, each with the batches that
/// had been sent on its connection. Sixteen of those filled the lane, and for half of the time nobody was asked.
#[test]
fn d2_what_was_overtaken_keeps_nobody_from_being_asked() {
    let mut lanes = Lanes::default();
    let bounds = Bounds {
        commands: 100,
        batches: 16,
        windowed: true,
    };
    let ms = Duration::from_millis;
    let (mut late, mut most) = (Vec::new(), 0);
    for at in 0..5_000 {
        let now = ms(at);
        lanes.push(at, command("foo"), false, now);
        late.retain(|since: &Duration| {
            let is_out = now < *since + ms(2_000);
            if !is_out {
                lanes.back(0, *since, 1, true, now);
            }
            is_out
        });
        let Some((lane, batch)) = lanes.next(bounds, now, |_| true) else {
            panic!("{} are late, and nobody is asked after {at} ms", late.len());
        };
        match at % 100 {
            0..4 => late.push(now),
            _ => lanes.back(lane, now, batch.len(), true, now),
        }
        most = most.max(late.len());
    }
    assert_eq!((most, lanes.waiting()), (80, 0));
}

/// They cost memory, and so they are bounded all the same.
#[test]
fn x4_what_was_overtaken_is_bounded() {
    let mut lanes = Lanes::default();
    let bounds = Bounds {
        commands: 100,
        batches: 2,
        windowed: true,
    };
    let mut out = 0;
    for at in 0..1_000 {
        let now = Duration::from_millis(at);
        lanes.push(at, command("foo"), false, now);
        // Of two one is answered, the newer one.
        while let Some((lane, batch)) = lanes.next(bounds, now, |_| true) {
            match at % 2 {
                0 => out += 1,
                _ => lanes.back(lane, now, batch.len(), true, now),
            }
        }
    }
    assert!(lanes.in_flight() <= 2 * OVERTAKEN, "{}", lanes.in_flight());
    assert!(out >= OVERTAKEN, "{out}");
}
