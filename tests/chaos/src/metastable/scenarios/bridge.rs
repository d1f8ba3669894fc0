//! The bridge is what is overloaded. What it can do is known: the fault proxy in front of it passes so many bytes a second,
//! and keeps what is too much in the order it came, as sockets do in front of a busy process.
//!
//! Who fails asks again a moment later, so that four times as many ask when the bridge is back. What is let through of that
//! beyond what it can do delays all of it until nobody waits for it any more.

use super::super::visitors::Pause;
use super::super::{Arrangement, Bed, Scenario};
use super::{limited, paced};
use std::time::Duration;
use tidegate_stack::Result;

pub(super) const BRIDGES: &str = "envoy-bridge-*";
/// There is one: what it can do does not depend on which streams end where.
const BRIDGE: &str = "bridge-0";
/// Bytes a second to it.
const BYTES: u64 = 150_000;
/// Four fifths of that: 750 a second are what it carries (seen).
const RATE: u64 = 600;
/// Who fails tries again within this.
const MOMENT_MS: u64 = 500;

const LOAD: &str =
    "0.8 of what the bridge can do; who fails tries three times more, each within half a second";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "M3",
        trigger_is: "the bridge is killed, and is back after a second",
        load: LOAD,
        guard: "unary calls are capped, a stream may take longer to be opened than a call, and a breaker lets out what \
                is answered in time; without: none of them",
        arrange: streams,
        trigger: restarted,
        recovery: Duration::from_secs(2),
    },
    Scenario {
        id: "M8",
        trigger_is: "the bridge says nothing for 2 s",
        load: LOAD,
        guard: "a breaker that is open lets one probe through at a time, and after three good ones as many calls as are \
                answered in time (slow start); without: it lets everything through for as long as nothing fails",
        arrange: probes,
        trigger: silent,
        recovery: Duration::from_secs(2),
    },
];

fn streams(guarded: bool) -> Arrangement {
    overloaded(guarded, &["fallback", "handshake", "breaker"])
}

fn probes(guarded: bool) -> Arrangement {
    overloaded(guarded, &["probe"])
}

fn overloaded(guarded: bool, guards: &[&'static str]) -> Arrangement {
    let mut arrangement = limited(RATE, if guarded { &[] } else { guards });
    arrangement.bridges = 1;
    arrangement.manners.pause = Pause::Moment(MOMENT_MS);
    arrangement.ready = |bed| bed.lab.faults().set(BRIDGES, &paced(BYTES, false));
    arrangement
}

fn restarted(bed: &mut Bed) -> Result<()> {
    bed.lab.kill(BRIDGE)?;
    bed.last(1_000);
    bed.lab.revive(BRIDGE)
}

fn silent(bed: &mut Bed) -> Result<()> {
    bed.lab.faults().set(BRIDGES, &paced(BYTES, true))?;
    bed.last(2_000);
    bed.lab.faults().set(BRIDGES, &paced(BYTES, false))
}
