//! Invalidations are what there is too much of.
//!
//! It does not last: bridges carry out together what has come meanwhile, and what they tell each other is not behind it.

use super::super::{Arrangement, Bed, Scenario};
use super::origin;
use std::time::Duration;
use tidegate_e2e::wait;
use tidegate_stack::Result;

/// What is published in ten milliseconds: 2,000 invalidations a second.
const BURST: u64 = 20;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    id: "M12",
    trigger_is: "2,000 invalidations a second are published, for 5 s; each empties what workers remember",
    load: "as of M2, from the memory of workers (`l1`)",
    guard: "one fill of a page in the whole fleet (`collapse_timeout`)",
    lasts: false,
    needs: &[],
    arrange: memories,
    trigger: flooded,
    recovery: Duration::from_secs(5),
}];

fn memories(guarded: bool) -> Arrangement {
    let mut arrangement = origin::cold(guarded);
    arrangement.policy = arrangement
        .policy
        .replace("ttl: 10m,", "ttl: 10m, l1: 4MiB,");
    arrangement
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
