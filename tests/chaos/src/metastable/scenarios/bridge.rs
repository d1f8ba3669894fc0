//! The bridges are what is overloaded.
//!
//! Neither lasts, even without all that guards against it. M3: a stream is dialled the moment there is a bridge, before
//! calls without one have piled up in it, and its handshake is two short frames. M8: Envoy closes a connection to a bridge
//! that says nothing for half a second (`connection_keepalive`), and what waits on it goes with it, so no dead work is
//! left to be done.

use super::super::{Arrangement, Bed, Scenario};
use super::{limited, paced};
use crate::group::Group;
use crate::need::Need;
use crate::processor::busy;
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
        trigger_is: "both bridges are killed, and are back after a second, with a quarter more of a processor than their \
                     streams took",
        load: "0.8 of what the bridges can do; who fails tries three times more, at once",
        guard: "unary calls are capped; without: they are not, and there is no breaker",
        lasts: false,
        needs: &[Need::Processor],
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
        needs: &[],
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
    limited(RATE, unguarded)
}

fn probes(guarded: bool) -> Arrangement {
    let mut arrangement = limited(RATE, &[]);
    arrangement.ready = |bed| bed.lab.faults().set(BRIDGES, &paced(BYTES, false));
    if !guarded {
        arrangement.unguarded.push("breaker");
    }
    arrangement
}

/// From now on they have a quarter more of a processor than their streams needed.
fn restarted(bed: &mut Bed) -> Result<()> {
    const PERIOD_US: u64 = 100_000;
    let bridges = ["bridge-0", "bridge-1"];
    let pids = [bed.lab.pid(bridges[0])?, bed.lab.pid(bridges[1])?];
    let used = busy(&pids, Duration::from_secs(2))?;
    let group = Group::of("cpu")?;
    group.set("cpu.cfs_period_us", &PERIOD_US.to_string())?;
    let quota = PERIOD_US * used * 5 / 4 / 1_000;
    group.set("cpu.cfs_quota_us", &quota.to_string())?;
    for bridge in bridges {
        bed.lab.kill(bridge)?;
        bed.lab
            .alter(bridge, |launch| *launch = group.within(launch))?;
    }
    bed.last(1_000);
    bed.group = Some(group);
    for bridge in bridges {
        bed.lab.revive(bridge)?;
    }
    Ok(())
}

fn silent(bed: &mut Bed) -> Result<()> {
    bed.lab.faults().set(BRIDGES, &paced(BYTES, true))?;
    bed.last(2_000);
    bed.lab.faults().set(BRIDGES, &paced(BYTES, false))
}
