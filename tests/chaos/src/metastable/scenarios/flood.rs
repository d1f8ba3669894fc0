//! Invalidations are what there is too much of.
//!
//! Each batch of them is more than can be named, so workers forget everything, and what they ask the bridges instead is
//! more than the links to the bridges carry. What a worker remembers holds for as long as its bridge confirms it (SYNCED),
//! and that comes too late behind answers which nobody waits for any more: so workers go on asking when the flood is
//! long over.

use super::super::{Arrangement, Bed, Scenario};
use super::bridge::BRIDGES;
use super::origin::{cold, warm};
use std::time::Duration;
use tidegate_e2e::wait;
use tidegate_stack::Result;
use tidegate_stack::fault::{Direction, Faults};

/// What is published in ten milliseconds: 2,000 invalidations a second.
const BURST: u64 = 20;
/// Bytes of a page.
const PAGE: usize = 4_000;
/// Bytes a second from each bridge: 150 pages, and 450 are asked for.
const BYTES: u64 = 600_000;
/// Connections that together reach every worker of an Envoy.
const MANY: u16 = 16;
/// Requests that each Envoy lets the upstream have at a time (README, Protecting the origin): it is not what this is about.
const AT_A_TIME: &str = "\"max_requests\":20";

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    id: "M12",
    trigger_is: "2,000 invalidations a second are published, for 5 s; workers forget everything each time",
    load: "as of M2, from the memory of workers (`l1`); each link to a bridge carries a third of it",
    guard: "a breaker, which lets out what is answered in time, and one fill of a page in the whole fleet \
            (`collapse_timeout`); without: neither",
    arrange: memories,
    trigger: flooded,
    recovery: Duration::from_secs(5),
}];

fn memories(guarded: bool) -> Arrangement {
    let mut arrangement = cold(guarded);
    if !guarded {
        arrangement.unguarded.push("breaker");
    }
    arrangement.capacity.page_bytes = PAGE;
    arrangement.proxies = true;
    arrangement.ready = remembered;
    arrangement.policy = arrangement
        .policy
        .replace("ttl: 10m,", "ttl: 10m, l1: 4MiB,");
    arrangement
}

/// Every worker remembers every page before the links are slow.
fn remembered(bed: &mut Bed) -> Result<()> {
    for envoy in 0..bed.lab.spec().envoys {
        bed.lab.reconfigure(envoy, |config| {
            let text = config.to_string();
            let few = text.replace("\"max_requests\":8192", AT_A_TIME);
            // A change that changes nothing is refused.
            if let Ok(few) = few.parse() {
                *config = few;
            }
        })?;
        for _ in 0..MANY {
            warm(bed, envoy)?;
        }
    }
    let slow = Faults {
        down: Direction {
            bytes_per_s: BYTES,
            ..Direction::default()
        },
        ..Faults::default()
    };
    bed.lab.faults().set(BRIDGES, &slow)
}

fn flooded(bed: &mut Bed) -> Result<()> {
    let redis = bed.lab.redis_cache();
    let (begun, mut number) = (wait::now(), 0);
    for burst in 0..500 {
        for _ in 0..BURST {
            number += 1;
            let channel = format!("tg:cache:invalidate:/elsewhere/{number}");
            redis.call(&["PUBLISH", &channel, ""])?;
        }
        let due = Duration::from_millis(10 * (burst + 1));
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(())
}
