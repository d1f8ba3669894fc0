//! Redis is what is overloaded. Its capacity is known: the fault proxy in front of it passes so many bytes a second, and
//! keeps what is too much in the order it came, as the sockets and the one thread of a busy Redis do.

use super::super::visitors::{Ask, Pause};
use super::super::{Arrangement, Bed, Scenario};
use super::{limited, many_keys, paced};
use std::time::Duration;
use tidegate::exchange::SplitMix64;
use tidegate_stack::Result;

const REDIS: &str = "bridge-redis-0";
/// Bytes of one charge of a limit on the wire, with its part of what else the bridges ask.
const CHARGE: u64 = 300;
/// Charges a second that pass: little enough that this machine is not what is overloaded.
const CAPACITY: u64 = 500;
const BYTES: u64 = CAPACITY * CHARGE;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "M1",
        trigger_is: "Redis is frozen for 5 s",
        load: "0.8 of what Redis can do; who fails tries three times more, a second later or when `Retry-After` says",
        guard: "Redis is given what it does without queueing, the newest first; what nobody waits for is dropped; \
                `Retry-After` is spread",
        lasts: true,
        arrange: retries,
        trigger: frozen,
        recovery: Duration::from_secs(5),
    },
    Scenario {
        id: "M5",
        trigger_is: "Redis stands still for 300 ms",
        load: "0.8 of what Redis can do; who fails tries three times more, at once",
        guard: "Redis is given what it does without queueing, the newest first",
        lasts: true,
        arrange: stall,
        trigger: stalls,
        recovery: Duration::from_secs(1),
    },
    Scenario {
        id: "M7",
        trigger_is: "for 5 s everybody wants one key that is used up, at twice what Redis can do",
        load: "0.4 of what Redis can do before and after; who fails tries three times more, at once",
        guard: "denials are remembered by workers; Redis is given what it does without queueing",
        lasts: true,
        arrange: hot,
        trigger: hot_key,
        recovery: Duration::from_secs(2),
    },
];

fn retries(guarded: bool) -> Arrangement {
    let mut arrangement = stall(guarded);
    arrangement.manners.pause = Pause::Polite;
    if !guarded {
        arrangement.unguarded.extend(["deadline", "spread"]);
    }
    arrangement
}

fn stall(guarded: bool) -> Arrangement {
    let unguarded: &[_] = if guarded { &[] } else { &["window"] };
    let mut arrangement = limited(CAPACITY * 8 / 10, unguarded);
    arrangement.ready = |bed| bed.lab.faults().set(REDIS, &paced(BYTES, false));
    arrangement
}

/// 1,200 visitors a second, of whom a thousand want what costs nothing but for the five seconds of the storm.
fn hot(guarded: bool) -> Arrangement {
    let mut arrangement = stall(guarded);
    if !guarded {
        arrangement.unguarded.push("denied");
    }
    arrangement.rate = CAPACITY * 12 / 5;
    arrangement.manners.good = |status| status == 200 || status == 429;
    arrangement.draw = hot_or_not;
    arrangement
}

fn hot_or_not(random: &mut SplitMix64, storm: bool) -> Ask {
    match random.below(6) {
        0 => many_keys(random, storm),
        _ if storm => Ask::of("/hot").with("x-key", "hot"),
        _ => Ask::of("/free"),
    }
}

fn frozen(bed: &mut Bed) -> Result<()> {
    bed.lab.pause("redis-state-0")?;
    bed.last(5_000);
    bed.lab.resume("redis-state-0")
}

fn stalls(bed: &mut Bed) -> Result<()> {
    bed.lab.faults().set(REDIS, &paced(BYTES, true))?;
    bed.last(300);
    bed.lab.faults().set(REDIS, &paced(BYTES, false))
}

fn hot_key(bed: &mut Bed) -> Result<()> {
    bed.storm(true);
    bed.last(5_000);
    bed.storm(false);
    Ok(())
}
