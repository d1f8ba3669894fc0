//! A trial: a stack, load and operators on it, one fault after the other, and what came of it.

use crate::history::{Asked, Clock, History, Span};
use crate::load::{self, Load, Mix, Proxies, Targets};
use crate::operator::{Doors, Operators};
use crate::oracle::{Losses, Verdict};
use crate::policy::{POLICY, TIGHT_LIMIT, WIDE_LIMIT};
use crate::report::{Report, failures_by_time};
use crate::row::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tidegate::exchange::SplitMix64;
use tidegate_e2e::{Lab, wait};
use tidegate_stack::{Error, Result};

/// Load before the first fault: connections open, caches fill.
const WARM: Duration = Duration::from_secs(2);
/// Load after the bound of a recovery: a second of it is judged, and its requests must end.
const AFTER: Duration = Duration::from_millis(1_300);

/// What Envoy logs of a machine that executed `unreachable`: what a row does that asks for traps.
const TRAP: [&str; 4] = [
    "panicked at src/host/panic.rs",
    "Uncaught RuntimeError: unreachable",
    "in-VM backtrace",
    "Function: proxy_on_request_headers failed",
];

/// Requests a second of the standing load, at most; the bounds of rows on what may fail are for so many (faults.md).
pub const RATE: u64 = 1_500;

/// The standing load of a machine that carries `capacity` requests a second: half of it, so that there is room for what a
/// fault costs, and a failure says something about the fault.
pub fn standing(capacity: u64) -> u64 {
    (capacity / 2 / 50 * 50).clamp(50, RATE)
}

/// What all trials share.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// Requests a second.
    pub rate: u64,
    /// Where randomness begins.
    pub seed: u64,
    /// How often the fault is made; `None`: as the row says.
    pub rounds: Option<u32>,
    /// Every failure is told.
    pub verbose: bool,
}

/// A trial under way.
#[derive(Debug)]
pub struct Trial {
    /// The stack.
    pub lab: Lab,
    /// Randomness of the fault.
    pub random: SplitMix64,
    /// What the row itself finds and measures.
    pub verdict: Verdict,
    clock: Clock,
    begun_ns: Option<u64>,
    healed_ns: Option<u64>,
}

impl Trial {
    /// The fault begins only now: what the row did before made it possible.
    pub fn begins(&mut self) {
        self.begun_ns = Some(self.clock.ns());
    }

    /// The fault is mended now; what the row does after this is not part of it.
    pub fn healed(&mut self) {
        self.healed_ns = Some(self.clock.ns());
    }

    /// Milliseconds since the trial began.
    pub fn ms(&self) -> u64 {
        self.clock.ns() / 1_000_000
    }

    /// A number that the row measured, with its unit in the name.
    pub fn measured(&mut self, name: &str, value: u64) {
        let all = self.verdict.measured.entry(name.into()).or_default();
        all.push(value);
    }

    /// Lets the fault last.
    pub fn last(&self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

/// Runs one trial.
///
/// On a thread of its own: what a stack has for itself is of the thread that starts it, for good.
///
/// # Errors
/// When the stack does not start, or the fault cannot be made.
///
/// # Panics
/// When the trial did.
pub fn run(row: &Row, conditions: Conditions) -> Result<Report> {
    let done = std::thread::scope(|scope| scope.spawn(|| on_this_thread(row, conditions)).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn on_this_thread(row: &Row, conditions: Conditions) -> Result<Report> {
    let lab = Lab::try_with(POLICY, |spec| {
        spec.envoys = 3;
        spec.redis = row.redis;
        spec.faults = row.proxies;
        (row.stack)(spec);
    })?;
    let mut random = SplitMix64::new(conditions.seed);
    let clock = Clock::start();
    let targets = Targets::default();
    let operators = Operators::start(clock, &doors(&lab), &targets)?;
    let mix = Mix::new(random.next_u64(), targets, row.hot);
    let rate = conditions.rate * row.load / 100;
    let load = Load::start(clock, proxies(&lab, row.http2), rate, mix);
    let mut trial = Trial {
        lab,
        random,
        verdict: Verdict::default(),
        clock,
        begun_ns: None,
        healed_ns: None,
    };
    std::thread::sleep(WARM);

    let mut faults = Vec::new();
    let mut made = Ok(());
    for _ in 0..conditions.rounds.unwrap_or(row.rounds) {
        let begun_ns = clock.ns();
        (trial.begun_ns, trial.healed_ns) = (None, None);
        made = (row.run)(&mut trial);
        let healed_ns = trial.healed_ns.unwrap_or_else(|| clock.ns());
        let begun_ns = trial.begun_ns.unwrap_or(begun_ns);
        faults.push(Span {
            begun_ns,
            healed_ns,
        });
        let watched = clock.at(healed_ns) + row.expect.recovery + AFTER;
        std::thread::sleep(watched.saturating_duration_since(wait::now()));
        if made.is_err() {
            break;
        }
    }

    let (sessions, purges) = operators.stop();
    let generated = load.stop();
    made?;
    let history = History {
        records: generated.records,
        sessions,
        purges,
        faults,
        late_ns: generated.late_ns,
        sent: generated.sent,
    };
    if conditions.verbose {
        eprint!("{}", failures_by_time(&history));
        let counters = trial.lab.stats("^wasmcustom\\.tidegate\\.exchange")?;
        eprintln!("  {counters:?}");
    }
    let Trial {
        lab, mut verdict, ..
    } = trial;
    charged(&lab, &history, row.expect.losses, &mut verdict);
    keys_have_ends(&lab, &mut verdict);
    let mut complaints = lab.complaints();
    if row.expect.traps {
        complaints.retain(|text| !TRAP.iter().any(|sign| text.contains(sign)));
    }
    verdict.checked("P1", 1);
    verdict
        .violations
        .extend(complaints.iter().map(|text| format!("P1: {text}")));
    // It complains itself when it ends, with the same words.
    let _said = catch_unwind(AssertUnwindSafe(|| drop(lab)));
    Ok(Report::of(
        &row.under(conditions.rate),
        rate,
        &history,
        verdict,
    ))
}

/// Requests a second that this machine carries with everything on it: clients, 3 Envoys, 2 bridges, a Cluster.
///
/// # Errors
/// When the stack does not start.
///
/// # Panics
/// When the measurement did.
pub fn capacity(seed: u64) -> Result<u64> {
    let measured = || {
        let lab = Lab::try_with(POLICY, |spec| {
            spec.envoys = 3;
            spec.redis = tidegate_e2e::RedisKind::Cluster;
        })?;
        let (clock, targets) = (Clock::start(), Targets::default());
        let operators = Operators::start(clock, &doors(&lab), &targets)?;
        let mix = Mix::new(seed, targets, false);
        let capacity = load::capacity(clock, &proxies(&lab, false), mix);
        let _acts = operators.stop();
        capacity.map_err(Error::io("measure what the machine carries"))
    };
    let done = std::thread::scope(|scope| scope.spawn(measured).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn proxies(lab: &Lab, http2: bool) -> Proxies {
    let envoys = 0..lab.spec().envoys;
    Proxies {
        ports: envoys.map(|i| lab.spec().proxy_port(i)).collect(),
        http2,
    }
}

fn doors(lab: &Lab) -> Doors {
    let spec = lab.spec();
    let bridges = 0..spec.running_bridges();
    let (host, port) = spec.upstream_address();
    Doors {
        admins: bridges
            .map(|i| format!("127.0.0.1:{}", spec.bridge_admin_port(i)))
            .collect(),
        token: lab.secrets().admin_token.clone(),
        upstream: format!("{host}:{port}"),
        authority: "chaos.example".into(),
    }
}

/// What Redis has charged is at least what was admitted, for every key (R8). What it has charged beyond is bounded by
/// the requests that failed and by retries.
fn charged(lab: &Lab, history: &History, losses: Losses, verdict: &mut Verdict) {
    let mut highest: BTreeMap<Asked, u64> = BTreeMap::new();
    for record in &history.records {
        if let Some(number) = record.number() {
            let known = highest.entry(record.asked).or_insert(0);
            *known = number.max(*known);
        }
    }
    for (asked, number) in highest {
        let (name, key, limit) = match asked {
            Asked::Wide(key) => ("wide", key, WIDE_LIMIT),
            Asked::Tight(key) => ("tight", key, TIGHT_LIMIT),
            _ => continue,
        };
        let answer = lab
            .admin()
            .get(&format!("/v1/limits/{name}?key={name}-{key}"));
        let available = answer.and_then(|answer| answer.json()).ok();
        let Some(available) = available.and_then(|state| state["available"].as_u64()) else {
            verdict.check("R8", Some(format!("{asked:?}: its state is not known")));
            continue;
        };
        let charged = limit.saturating_sub(available);
        // The last numbers may be those that were lost; they are in the count of losses.
        let short = charged < number && !losses.increments;
        let text = format!("{asked:?}: charged {charged}, told up to {number}");
        verdict.check("R8", short.then_some(text));
    }
}

/// No key lives for ever (X11, R14).
fn keys_have_ends(lab: &Lab, verdict: &mut Verdict) {
    let state = (0..lab.spec().state_servers()).map(|i| lab.redis_of(i));
    for server in state.chain([lab.redis_cache()]) {
        let script = "local n,bad,c=0,{},'0' repeat local r=redis.call('SCAN',c,'COUNT',1000) c=r[1] \
                      for _,k in ipairs(r[2]) do n=n+1 if redis.call('PTTL',k)==-1 then bad[#bad+1]=k end end \
                      until c=='0' return {n,bad}";
        let Ok(reply) = server.call(&["EVAL", script, "0"]) else {
            continue;
        };
        let items = reply.items();
        let n = items.first().and_then(|n| n.int()).unwrap_or(0);
        verdict.checked("X11", u64::try_from(n).unwrap_or(0));
        let forever: BTreeSet<String> = items
            .get(1)
            .map(|keys| keys.items().iter().map(|key| key.text()).collect())
            .unwrap_or_default();
        if !forever.is_empty() {
            let text = format!(
                "X11: {} has keys without end: {forever:?}",
                server.address()
            );
            verdict.violations.push(text);
        }
    }
}

impl Trial {
    /// One of these, at random.
    pub fn one_of(&mut self, names: &[&str]) -> String {
        let index = self.random_below(names.len());
        names.get(index).copied().unwrap_or_default().to_owned()
    }

    /// The same of numbers; 0 when there are none.
    pub fn random_of(&mut self, numbers: &[u16]) -> u16 {
        let index = self.random_below(numbers.len());
        numbers.get(index).copied().unwrap_or(0)
    }

    fn random_below(&mut self, n: usize) -> usize {
        let bound = u64::try_from(n).unwrap_or(u64::MAX);
        usize::try_from(self.random.below(bound)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::standing;

    #[test]
    fn the_load_is_half_of_what_the_machine_carries_and_no_more_than_is_said() {
        let loads = [0, 199, 1_750, 2_999, 3_000, 9_000].map(standing);
        assert_eq!(loads, [50, 50, 850, 1_450, 1_500, 1_500]);
    }
}
