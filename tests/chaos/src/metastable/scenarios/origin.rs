//! The upstream is what is overloaded.

use super::super::origin::Capacity;
use super::super::visitors::{Ask, Manners, Pause};
use super::super::{Arrangement, Bed, Scenario};
use super::paced;
use std::time::Duration;
use tidegate::exchange::SplitMix64;
use tidegate_e2e::{Error, RedisKind};
use tidegate_stack::Result;
use tidegate_stack::fault::{Direction, Faults};

/// Pages that are asked for often.
const PAGES: u64 = 60;
/// People with a session.
const USERS: usize = 300;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "M2",
        trigger_is: "FLUSHALL of the cache",
        load: "90 % of it hits; the upstream is made for 20 % of it; a visitor waits 1 s",
        guard: "one fill of a page in the whole fleet (`collapse_timeout`)",
        arrange: cold,
        trigger: flushed,
        recovery: Duration::from_secs(30),
    },
    Scenario {
        id: "M9",
        trigger_is: "a tag that all pages have is purged",
        load: "as of M2, but nobody waits for another one's fill (`collapse_timeout: 0s`)",
        guard: "a soft purge: what is stale is given while one refreshes it; without: a hard one",
        arrange: tagged,
        trigger: purged,
        recovery: Duration::from_secs(30),
    },
    Scenario {
        id: "M10",
        trigger_is: "Redis answers 2 s late, for 5 s",
        load: "sessions; 0.4 of what the upstream can do, but a login costs it twenty times as much",
        guard: "a session that cannot be looked up is 503 and not 401; without: people log in again",
        arrange: sessions,
        trigger: slow,
        recovery: Duration::from_secs(5),
    },
];

/// 100 requests a second are what the upstream can do, and a tenth of 500 are never in the cache: half its load. Sixty
/// pages that all are missing at once take it 1.2 s of the other half. Without the guard 450 of 500 ask it until
/// each page is stored; what waits longer than a second has gone when it is answered, and a request that has
/// gone stores nothing.
pub(super) fn cold(guarded: bool) -> Arrangement {
    let collapse = if guarded { "2s" } else { "0s" };
    Arrangement {
        policy: CACHED.replace("COLLAPSE", collapse),
        unguarded: vec![],
        envoys: (2, 2),
        bridges: 2,
        redis: RedisKind::Standalone,
        proxies: false,
        capacity: Capacity::new(5, 50),
        rate: 500,
        manners: Manners {
            patience_ms: 1_000,
            retries: 0,
            pause: Pause::None,
            good: |status| status == 200,
        },
        draw: pages,
        users: 0,
        ready: |bed| warm(bed, 0),
    }
}

fn tagged(_guarded: bool) -> Arrangement {
    cold(false)
}

/// One page after the other: a cache that is cold without its guard would never become warm.
pub(super) fn warm(bed: &mut Bed, envoy: u16) -> Result<()> {
    let mut client = bed.lab.client(envoy);
    for page in 0..PAGES {
        let request = tidegate_e2e::Request::get(format!("/page/{page}"));
        client.send(&request.field("host", "chaos.example"))?;
    }
    Ok(())
}

fn flushed(bed: &mut Bed) -> Result<()> {
    bed.lab.redis_cache().call(&["FLUSHALL"]).map(|_| ())
}

fn purged(bed: &mut Bed) -> Result<()> {
    let body = serde_json::json!({ "tag": "pages", "soft": bed.guarded });
    let answer = bed.lab.admin().post("/v1/cache/purge", &body)?;
    if answer.status == 200 {
        return Ok(());
    }
    Err(Error::Answer {
        what: "POST /v1/cache/purge".into(),
        got: answer.text(),
    })
}

fn pages(random: &mut SplitMix64, _storm: bool) -> Ask {
    match random.below(10) {
        0 => Ask::of(format!("/live/{}", random.next_u64())),
        _ => Ask::of(format!("/page/{}", random.below(PAGES))),
    }
}

/// 400 answers a second are what the upstream can do, or 20 logins. Three hundred people who are logged out at once are
/// 15 s of work for it; who waits longer than a second asks again, and the login that was begun is for nobody.
fn sessions(guarded: bool) -> Arrangement {
    let mut arrangement = super::limited(160, if guarded { &[] } else { &["unknown"] });
    arrangement.policy = SESSIONS.into();
    arrangement.capacity = Capacity::new(4, 10);
    arrangement.manners.patience_ms = 1_000;
    arrangement.draw = |random, _storm| Ask {
        user: usize::try_from(random.below(USERS as u64)).ok(),
        ..Ask::of("/me")
    };
    arrangement.users = USERS;
    arrangement
}

fn slow(bed: &mut Bed) -> Result<()> {
    let late = Faults {
        down: Direction {
            delay_ms: 2_000,
            ..Direction::default()
        },
        ..paced(0, false)
    };
    bed.lab.faults().set("bridge-redis-0", &late)?;
    bed.last(5_000);
    bed.lab.faults().heal("bridge-redis-0")
}

const CACHED: &str = "
version: 1
bridge: { timeout: 100ms }
caches:
  pages: { ttl: 10m, tags_header: surrogate-key, stale_while_revalidate: 10m, collapse_timeout: COLLAPSE }
policies:
  pages: { cache: pages }
routes:
  - { match: { path_prefix: /page/ }, policy: pages }
";

const SESSIONS: &str = "
version: 1
bridge: { timeout: 100ms }
sessions:
  web: { cookie: sid, idle: 1h, absolute: 12h }
policies:
  me: { session: web }
  login: { session: { use: web, create: true, required: false } }
routes:
  - { match: { path: /me }, policy: me }
  - { match: { path: /login }, policy: login }
";
