//! The scenarios, by what is overloaded.

mod bridge;
mod flood;
mod origin;
mod redis;

use super::origin::Capacity;
use super::visitors::{Ask, Manners, Pause};
use super::{Arrangement, Scenario};
use tidegate::exchange::SplitMix64;
use tidegate_e2e::RedisKind;
use tidegate_stack::fault::{Direction, Faults};

/// All of them, in the order of their ids.
pub fn all() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = [
        bridge::SCENARIOS,
        flood::SCENARIOS,
        origin::SCENARIOS,
        redis::SCENARIOS,
    ]
    .concat();
    all.sort_by_key(|scenario| scenario.id[1..].parse::<u32>().unwrap_or(u32::MAX));
    all
}

/// Who fails tries three times more, at once; Redis and the bridges are behind fault proxies; the upstream can do all.
fn limited(rate: u64, unguarded: &[&'static str]) -> Arrangement {
    Arrangement {
        policy: LIMITED.into(),
        unguarded: unguarded.to_vec(),
        envoys: (1, 2),
        bridges: 2,
        redis: RedisKind::Standalone,
        proxies: true,
        capacity: Capacity::new(200, 1),
        rate,
        manners: Manners {
            patience_ms: 2_000,
            retries: 3,
            pause: Pause::None,
            good: |status| status == 200,
        },
        draw: many_keys,
        users: 0,
        ready: |_| Ok(()),
    }
}

fn many_keys(random: &mut SplitMix64, _storm: bool) -> Ask {
    Ask::of("/limited").with("x-key", format!("key-{}", random.below(100)))
}

/// A link that passes so many bytes a second towards the server, or none for now.
fn paced(bytes_per_s: u64, stall: bool) -> Faults {
    Faults {
        up: Direction {
            bytes_per_s,
            stall,
            ..Direction::default()
        },
        ..Faults::default()
    }
}

const LIMITED: &str = "
version: 1
bridge: { timeout: 100ms }
limits:
  wide: { algorithm: fixed_window, limit: 1000000, window: 366d, key: ['header:x-key'], on_error: deny }
  tight: { algorithm: fixed_window, limit: 1000, window: 366d, key: ['header:x-key'], on_error: deny }
  once: { algorithm: fixed_window, limit: 1, window: 366d, key: ['header:x-key'], on_error: deny }
policies:
  limited: { limits: [wide] }
  once: { limits: [once] }
  hot: { limits: [tight] }
routes:
  - { match: { path: /limited }, policy: limited }
  - { match: { path: /hot }, policy: hot }
  - { match: { path: /once }, policy: once }
";
