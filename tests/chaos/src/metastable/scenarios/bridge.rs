//! The bridges are what is overloaded: the fault proxies in front of them pass so many bytes a second.
//!
//! Neither lasts, even without all that guards against it: Envoy closes a connection to a bridge that says nothing for
//! half a second (`connection_keepalive`), and what waits on it goes with it, so no dead work is left to be done.

use super::super::{Arrangement, Bed, Scenario};
use super::{limited, paced};
use std::time::Duration;
use tidegate_stack::Result;

const BRIDGES: &str = "envoy-bridge-*";
/// Bytes a second to each bridge.
const BYTES: u64 = 150_000;
/// About four fifths of that, of both.
const RATE: u64 = 600;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "M3",
        trigger_is: "both bridges are restarted",
        load: "0.8 of what the bridges can do; who fails tries three times more, at once",
        guard: "unary calls are capped; without: they are not, and there is no breaker",
        lasts: false,
        arrange: streams,
        trigger: restarted,
        recovery: Duration::from_secs(2),
    },
    Scenario {
        id: "M8",
        trigger_is: "the bridges say nothing for 2 s",
        load: "0.8 of what the bridges can do; who fails tries three times more, at once",
        guard: "a breaker, which lets one probe through while it is open, and closes after three good ones; without: none",
        lasts: false,
        arrange: probes,
        trigger: silent,
        recovery: Duration::from_secs(2),
    },
];

fn streams(guarded: bool) -> Arrangement {
    let unguarded: &[_] = if guarded {
        &[]
    } else {
        &["fallback", "breaker"]
    };
    let mut arrangement = limited(RATE, unguarded);
    arrangement.ready = |bed| bed.lab.faults().set(BRIDGES, &paced(BYTES, false));
    arrangement
}

fn probes(guarded: bool) -> Arrangement {
    let mut arrangement = streams(true);
    if !guarded {
        arrangement.unguarded.push("breaker");
    }
    arrangement
}

fn restarted(bed: &mut Bed) -> Result<()> {
    for bridge in ["bridge-0", "bridge-1"] {
        bed.lab.kill(bridge)?;
    }
    bed.last(1_000);
    for bridge in ["bridge-0", "bridge-1"] {
        bed.lab.revive(bridge)?;
    }
    Ok(())
}

fn silent(bed: &mut Bed) -> Result<()> {
    bed.lab.faults().set(BRIDGES, &paced(BYTES, true))?;
    bed.last(2_000);
    bed.lab.faults().set(BRIDGES, &paced(BYTES, false))
}
