//! A trial of a scenario: a stack, an upstream of known capacity, visitors, the trigger, and what came of it.

use super::Scenario;
use super::goodput::{Goodput, Times, Visit};
use super::origin::{Capacity, Origin};
use super::visitors::{Crowd, Draw, Manners, Visitors};
use crate::history::Clock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tidegate_e2e::{Lab, RedisKind};
use tidegate_stack::Result;

/// Load before anything is judged: connections open, caches fill.
const WARM: Duration = Duration::from_secs(3);
/// What is judged before the trigger.
const BEFORE: Duration = Duration::from_secs(4);

/// What a trial is made of.
#[derive(Debug, Clone)]
pub struct Arrangement {
    /// The policy.
    pub policy: String,
    /// Guards that are off in filter and bridges.
    pub unguarded: Vec<&'static str>,
    /// Envoy processes and workers of each.
    pub envoys: (u16, u16),
    /// Bridges.
    pub bridges: u16,
    /// How the state role of Redis runs.
    pub redis: RedisKind,
    /// Fault proxies are on every link.
    pub proxies: bool,
    /// What the upstream can do.
    pub capacity: Capacity,
    /// Visitors a second.
    pub rate: u64,
    /// How they behave.
    pub manners: Manners,
    /// What they ask for.
    pub draw: Draw,
    /// Users with a session.
    pub users: usize,
    /// What is to be done before they come.
    pub ready: fn(&mut Bed) -> Result<()>,
}

/// What all trials share.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whether the guard is on.
    pub guarded: bool,
    /// How long it is judged after the recovery is due.
    pub judged: Duration,
    /// Where randomness begins.
    pub seed: u64,
    /// Each second is told.
    pub verbose: bool,
}

/// A trial under way.
#[derive(Debug)]
pub struct Bed {
    /// The stack.
    pub lab: Lab,
    /// The upstream.
    pub origin: Origin,
    /// Whether the guard is on.
    pub guarded: bool,
    visitors: Option<Visitors>,
}

impl Bed {
    /// Whether it is stormy for visitors from now on.
    pub fn storm(&self, storm: bool) {
        if let Some(visitors) = &self.visitors {
            visitors.storm(storm);
        }
    }

    /// Lets the trigger last.
    pub fn last(&self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

/// Runs one trial.
///
/// # Errors
/// When the stack does not start, or the trigger cannot be made.
pub fn run(scenario: &Scenario, terms: Terms) -> Result<Goodput> {
    let arrangement = (scenario.arrange)(terms.guarded);
    let origin = Origin::start(arrangement.capacity)?;
    let lab = Lab::try_with(&arrangement.policy, |spec| {
        (spec.envoys, spec.workers) = arrangement.envoys;
        spec.bridges = arrangement.bridges;
        spec.redis = arrangement.redis;
        spec.faults = arrangement.proxies;
        spec.upstream = Some(origin.address());
        spec.unguarded.clone_from(&arrangement.unguarded);
    })?;
    let mut bed = Bed {
        lab,
        origin,
        guarded: terms.guarded,
        visitors: None,
    };
    (arrangement.ready)(&mut bed)?;
    let user = |i| bed.lab.login("web", &format!("user-{i}"), &[]);
    let crowd = Crowd {
        rate: arrangement.rate,
        manners: arrangement.manners,
        draw: arrangement.draw,
        tokens: (0..arrangement.users).map(user).collect::<Result<_>>()?,
        seed: terms.seed,
    };
    let clock = Clock::start();
    let envoys = (0..bed.lab.spec().envoys).map(|i| bed.lab.spec().proxy_port(i));
    bed.visitors = Some(Visitors::start(clock, envoys.collect(), crowd));
    std::thread::sleep(WARM);
    let from = clock.ns();
    std::thread::sleep(BEFORE);
    let begun = clock.ns();
    let made = (scenario.trigger)(&mut bed);
    let ended = clock.ns();
    std::thread::sleep(scenario.recovery);
    let due = clock.ns();
    std::thread::sleep(terms.judged);
    let times = Times {
        before: from..begun,
        during: begun..due,
        after: due..clock.ns(),
    };
    let visits = bed.visitors.take().map(Visitors::stop).unwrap_or_default();
    made?;
    if terms.verbose {
        eprint!("{}", by_second(&visits, begun, ended));
        eprintln!(
            "  {:?}",
            bed.lab.stats("^wasmcustom\\.tidegate\\.exchange")?
        );
        eprintln!("  the upstream served {}", bed.origin.served());
    }
    let Bed { lab, origin, .. } = bed;
    // What a stack without its guards complains of is what was to be shown.
    let clean = catch_unwind(AssertUnwindSafe(|| drop(lab))).is_ok();
    drop(origin);
    if !clean && terms.guarded {
        return Err(tidegate_stack::Error::Answer {
            what: format!("{}: the stack", scenario.id),
            got: "it complains, see above".into(),
        });
    }
    Ok(Goodput::of(&visits, &times))
}

/// Good visits and all, of each second, for `CHAOS_VERBOSE=on`.
fn by_second(visits: &[Visit], begun_ns: u64, ended_ns: u64) -> String {
    const S: u64 = 1_000_000_000;
    let last = visits.iter().map(|visit| visit.due_ns).max().unwrap_or(0);
    let line = |second: u64| {
        let range = second * S..(second + 1) * S;
        let of = visits.iter().filter(|visit| range.contains(&visit.due_ns));
        let good = of.clone().filter(|visit| visit.good).count();
        let attempts: u32 = of.clone().map(|visit| visit.attempts).sum();
        let inside = range.start < ended_ns && begun_ns < range.end;
        let mark = if inside { "*" } else { " " };
        format!(
            "  {second:3}{mark} {good} of {}, {attempts} requests\n",
            of.count()
        )
    };
    (0..=last / S).map(line).collect()
}
