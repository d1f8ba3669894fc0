//! Redis is what is overloaded. Its capacity is known: the fault proxy in front of it passes so many bytes a second, and
//! keeps what is too much in the order it came, as the sockets and the one thread of a busy Redis do.

use super::super::visitors::{Ask, Pause};
use super::super::{Arrangement, Bed, Scenario};
use super::{LIMITED, limited, many_keys, paced};
use std::time::Duration;
use tidegate::exchange::SplitMix64;
use tidegate_e2e::Request;
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
        arrange: retries,
        trigger: frozen,
        recovery: Duration::from_secs(5),
    },
    Scenario {
        id: "M4",
        trigger_is: "Redis is killed, and is back after a second, with its data and without the scripts",
        load: "0.8 of what Redis can do; who fails tries three times more, at once",
        guard: "a connection sends the scripts that are missing; without: all of them each time",
        arrange: connections,
        trigger: killed,
        recovery: Duration::from_secs(1),
    },
    Scenario {
        id: "M5",
        trigger_is: "Redis stands still for 300 ms",
        load: "0.8 of what Redis can do; who fails tries three times more, at once",
        guard: "Redis is given what it does without queueing, the newest first",
        arrange: stall,
        trigger: stalls,
        recovery: Duration::from_secs(1),
    },
    Scenario {
        id: "M6",
        trigger_is: "the policy is replaced, and with it all that workers remember",
        load: "19 of 20 are denied from memory; at one exchange for each it is twice what Redis can do; who fails tries \
               three times more, at once",
        guard: "Redis is given what it does without queueing, the newest first: each answer is remembered",
        arrange: remembered,
        trigger: swapped,
        recovery: Duration::from_secs(2),
    },
    Scenario {
        id: "M7",
        trigger_is: "for 5 s everybody wants one key that is used up, at 1.8 times what Redis can do",
        load: "0.6 of what Redis can do before and after; who fails tries three times more, at once",
        guard: "denials are remembered by workers; Redis is given what it does without queueing; breakers",
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

/// Twice as quick as elsewhere, since the scripts are as long as ever.
fn connections(guarded: bool) -> Arrangement {
    let mut arrangement = stall(true);
    if !guarded {
        arrangement.unguarded.push("scripts");
    }
    arrangement.rate = CAPACITY * 2 * 8 / 10;
    arrangement.ready = |bed| bed.lab.faults().set(REDIS, &paced(BYTES * 2, false));
    arrangement
}

/// Keys that are used up, and asked for all the time.
const HOT: u64 = 500;

fn remembered(guarded: bool) -> Arrangement {
    let mut arrangement = stall(guarded);
    arrangement.rate = CAPACITY * 2;
    // One worker each, so that it is known who remembers what.
    arrangement.envoys = (2, 1);
    arrangement.manners.good = |status| status == 200 || status == 429;
    arrangement.draw = |random, storm| match random.below(20) {
        0 => many_keys(random, storm),
        _ => Ask::of("/once").with("x-key", format!("hot-{}", random.below(HOT))),
    };
    arrangement.ready = learn;
    arrangement
}

/// Every worker hears of every key before Redis is slow: without its guard it would never come to that.
fn learn(bed: &mut Bed) -> Result<()> {
    for envoy in 0..2 {
        let mut client = bed.lab.client(envoy);
        for key in 0..HOT {
            let request = Request::get("/once").field("host", "chaos.example");
            let request = request.field("x-key", format!("hot-{key}"));
            while client.send(&request)?.status != 429 {}
        }
    }
    bed.lab.faults().set(REDIS, &paced(BYTES, false))
}

fn swapped(bed: &mut Bed) -> Result<()> {
    bed.lab.swap(&LIMITED.replace("1000000", "1000001"))
}

fn killed(bed: &mut Bed) -> Result<()> {
    bed.lab.kill("redis-state-0")?;
    bed.last(1_000);
    bed.lab.revive("redis-state-0")
}

/// 1,200 visitors a second, of whom 900 want what costs nothing but for the five seconds of the storm. The others are so
/// many that Redis does not catch up once each of them asks four times.
fn hot(guarded: bool) -> Arrangement {
    let mut arrangement = stall(guarded);
    if !guarded {
        arrangement.unguarded.extend(["denied", "breaker"]);
    }
    arrangement.rate = CAPACITY * 12 / 5;
    arrangement.manners.good = |status| status == 200 || status == 429;
    arrangement.draw = hot_or_not;
    arrangement
}

fn hot_or_not(random: &mut SplitMix64, storm: bool) -> Ask {
    match random.below(4) {
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
