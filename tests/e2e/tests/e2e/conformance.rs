//! The conformance cases of limits on the whole stack, in real time: Envoy, bridge, Redis, and what a client is
//! told. The same cases run on the model and on the scripts (`redis-bridge/tests/it/conformance.rs`).
//!
//! Not here: cases whose options a filter sends by itself (see [`Case::is_plain`]), slots, which live as long as
//! their requests (`limits_pacing`), and windows that begin too seldom to wait for.

#[allow(dead_code, reason = "other drivers read more of it")]
#[path = "../../../conformance/mod.rs"]
mod cases;

use cases::{Act, Ask, Case, Limit, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tidegate_e2e::{Client, Lab, RedisKind, Reply, Request, Response, crowd, wait};

/// How late a step may be. A run that was later proves nothing, and is made again.
const SLACK_MS: u64 = 90;
/// Runs of a case on a machine that stalls.
const RUNS: usize = 6;
/// Longest time to wait for a window to begin.
const PATIENCE_MS: u64 = 60_000;

/// What a driver in real time can do.
fn suitable() -> Vec<&'static Case> {
    let is_suitable = |case: &&Case| {
        let limits = case.steps.iter().filter_map(|step| match &step.act {
            Act::Take { asks, .. } => Some(asks.iter().map(|ask| ask.limit)),
            Act::Override { .. } | Act::Return { .. } => None,
        });
        let waits = |limit: &Limit| limit.algorithm != "concurrency" && limit.calendar.is_none();
        case.is_plain() && case.align_ms <= PATIENCE_MS && limits.flatten().all(waits)
    };
    cases::cases().filter(is_suitable).collect()
}

/// The limits a request asks, as the path that selects their policy.
fn path(asks: &[Ask]) -> String {
    let names: Vec<&str> = asks.iter().map(|ask| ask.limit.name).collect();
    format!("/limits/{}", names.join("/"))
}

/// A policy for each set of limits.
fn policy(cases: &[&Case]) -> String {
    let mut limits = BTreeMap::new();
    let mut sets = BTreeMap::new();
    for step in cases.iter().flat_map(|case| case.steps) {
        let Act::Take { asks, .. } = &step.act else {
            continue;
        };
        for ask in *asks {
            let (_, most) = limits.entry(ask.limit.name).or_insert((ask.limit, 1));
            *most = ask.cost.max(*most);
        }
        let names: Vec<&str> = asks.iter().map(|ask| ask.limit.name).collect();
        sets.insert(path(asks), names.join(", "));
    }
    let mut text = "version: 1\nnamespace: tg\nbridge: { timeout: 2s }\nlimits:\n".to_owned();
    for (name, (limit, most)) in &limits {
        let more = match limit.algorithm {
            "leaky_bucket" => format!(", max_delay: {}ms", limit.burst),
            "token_bucket" => format!(", burst: {}", limit.burst),
            _ => String::new(),
        };
        let (algorithm, units, window) = (limit.algorithm, limit.limit, limit.window_ms);
        let own = limit.overridable;
        text += &format!(
            "  {name}: {{ algorithm: {algorithm}, limit: {units}, window: {window}ms{more}, override: {own}, \
             key: ['header:x-subject-{name}'], cost: {{ header: x-cost-{name}, max: {most} }}, on_error: deny }}\n"
        );
    }
    text += "policies:\n";
    for (n, names) in sets.values().enumerate() {
        text += &format!("  set-{n}: {{ limits: [{names}] }}\n");
    }
    text += "routes:\n";
    for (n, path) in sets.keys().enumerate() {
        text += &format!("  - {{ match: {{ path: {path} }}, policy: set-{n} }}\n");
    }
    text
}

/// One run of a case. `fresh`: part of its subjects that no other run has.
struct Run<'a> {
    lab: &'a Lab,
    case: &'static Case,
    fresh: String,
    start: Instant,
    /// Limits that have denied: a worker may remember what they said.
    denied: BTreeSet<(&'static str, &'static str)>,
}

/// A step came later than it should.
struct Late;

impl Run<'_> {
    fn go(lab: &Lab, case: &'static Case, run: usize) -> Result<(), Late> {
        let mut client = lab.client(0);
        // Opens the connection.
        client.get("/").unwrap();
        let mut run = Run {
            lab,
            case,
            fresh: format!("{} {run}", case.name),
            start: aligned(lab, case.align_ms),
            denied: BTreeSet::new(),
        };
        for (at, step) in case.steps.iter().enumerate() {
            let due = run.start + Duration::from_millis(step.at_ms);
            std::thread::sleep(due.saturating_duration_since(wait::now()));
            run.step(at, &mut client)?;
        }
        Ok(())
    }

    fn step(&mut self, at: usize, client: &mut Client) -> Result<(), Late> {
        let step = &self.case.steps[at];
        let place = format!("{}, step {at}", self.case.name);
        match &step.act {
            Act::Take {
                asks,
                admitted,
                told,
            } => {
                let request = asks.iter().fold(Request::get(path(asks)), |request, ask| {
                    let name = ask.limit.name;
                    let subject = self.subject(ask.subject);
                    request
                        .field(format!("x-subject-{name}"), subject)
                        .field(format!("x-cost-{name}"), ask.cost.to_string())
                });
                let answer = client.send(&request).unwrap();
                let wait = told.iter().map(|told| match told.retry_ms {
                    [_, u64::MAX] => 0,
                    [_, most] => most,
                });
                let wait = if *admitted {
                    wait.max().unwrap_or(0)
                } else {
                    0
                };
                self.in_time(step.at_ms + wait)?;
                check(&answer, asks, *admitted, told, &self.denied, &place);
                let denied = asks.iter().zip(*told).filter(|(_, told)| told.state != 1);
                self.denied
                    .extend(denied.map(|(ask, _)| (ask.limit.name, ask.subject)));
            }
            Act::Override {
                limit,
                subject,
                value,
            } => self.own(limit, subject, value, &place),
            Act::Return { .. } => unreachable!("not plain"),
        }
        Ok(())
    }

    fn in_time(&self, at_ms: u64) -> Result<(), Late> {
        let late = self.start.elapsed() > Duration::from_millis(at_ms + SLACK_MS);
        if late { Err(Late) } else { Ok(()) }
    }

    fn subject(&self, of: &str) -> String {
        format!("{of} of {}", self.fresh)
    }

    /// Through the admin API, or, what that would not take, straight into Redis.
    fn own(&self, limit: &Limit, subject: &str, value: &str, place: &str) {
        let whom = self
            .subject(subject)
            .replace(' ', "%20")
            .replace(',', "%2C");
        let whom = whom.replace(':', "%3A");
        let target = format!("/v1/limits/{}/override?key={whom}", limit.name);
        let mut words = value.split_whitespace();
        let units = words.next().map(str::parse::<u64>);
        let burst = words.next().and_then(|word| word.strip_prefix("burst="));
        let request = match units {
            None => Request::new("DELETE", &target),
            Some(Ok(units)) => {
                let burst = burst.map_or(String::new(), |burst| format!(r#", "burst": {burst}"#));
                Request::new("PUT", &target)
                    .field("content-type", "application/json")
                    .body(format!(r#"{{ "limit": {units}{burst} }}"#))
            }
            Some(Err(_)) => {
                let subject = tidegate::limit::subject(&[self.subject(subject).as_bytes()]);
                let hex: String = subject.iter().map(|b| format!("{b:02x}")).collect();
                let key = format!("tg:o:{}:{{{hex}}}", limit.name);
                let set = |i| self.lab.redis_of(i).call(&["SET", &key, value]).unwrap();
                let is_set = |i: &u16| !matches!(set(*i), Reply::Error(_));
                assert!(
                    (0..self.lab.spec().state_servers()).any(|i| is_set(&i)),
                    "{place}"
                );
                return;
            }
        };
        let answer = self.lab.admin().send(request).unwrap();
        assert!(answer.status < 300, "{place}: {}", answer.text());
    }
}

/// The start: a moment from now, when Redis' clock is at a multiple of `align_ms`.
fn aligned(lab: &Lab, align_ms: u64) -> Instant {
    let redis = lab.redis();
    let asked = wait::now();
    let time = redis.call(&["TIME"]).unwrap();
    let part = |at: usize| u64::try_from(time.items()[at].int().unwrap()).unwrap();
    let now_us = part(0) * 1_000_000 + part(1);
    let align_us = align_ms * 1_000;
    // Now, or the next multiple that is far enough to be reached in time.
    let wait_us = match align_ms {
        1 => 0,
        _ => align_us - now_us % align_us,
    };
    asked + Duration::from_micros(wait_us)
}

fn check(
    answer: &Response,
    asks: &[Ask],
    admitted: bool,
    told: &[Told],
    remembered: &BTreeSet<(&str, &str)>,
    place: &str,
) {
    let status = if admitted { 200 } else { 429 };
    assert_eq!(answer.status, status, "{place}: {}", answer.text());
    let list = answer.all("ratelimit").join(", ");
    let policies = answer.all("ratelimit-policy").join(", ");
    for (ask, told) in asks.iter().zip(told) {
        let name = ask.limit.name;
        let here = format!("{place}, {name}, {list}, {policies}");
        let Some(available) = parameter(&list, name, "r") else {
            // A denial that is remembered speaks of the limit that denied.
            assert!(!admitted && told.state == 1, "{here}");
            continue;
        };
        if told.state != 1 && remembered.contains(&(name, ask.subject)) {
            // What it said then, of a cost that was as high or lower.
            continue;
        }
        let within = |n: u64, [least, most]: [u64; 2]| least <= n && n <= most;
        assert!(within(available, told.available), "{here}: {told:?}");
        let seconds = |[least, most]: [u64; 2]| {
            let least = least.saturating_sub(SLACK_MS).div_ceil(1_000);
            [
                least,
                if most == u64::MAX {
                    most
                } else {
                    most.div_ceil(1_000)
                },
            ]
        };
        let reset = parameter(&list, name, "t").unwrap();
        assert!(within(reset, seconds(told.reset_ms)), "{here}: {told:?}");
        let quota = if told.own == 0 {
            ask.limit.limit
        } else {
            told.own
        };
        assert_eq!(parameter(&policies, name, "q"), Some(quota), "{here}");
        let retry = answer.get("retry-after").map(|text| text.parse().unwrap());
        match told.state {
            1 => {}
            -1 => assert_eq!(retry, None, "{here}"),
            _ => {
                let [least, _] = seconds(told.retry_ms);
                assert!(retry.is_some_and(|retry: u64| retry >= least), "{here}");
            }
        }
    }
    if !admitted {
        let violated = asks.iter().zip(told).filter(|(_, told)| told.state != 1);
        let violated: Vec<&str> = violated.map(|(ask, _)| ask.limit.name).collect();
        let problem = answer.json().unwrap();
        assert_eq!(problem["violated-policies"], serde_json::json!(violated));
    }
}

/// A parameter of the item `name` of a list of strings.
fn parameter(list: &str, item: &str, name: &str) -> Option<u64> {
    let start = format!("\"{item}\";");
    let item = list
        .split(", ")
        .find_map(|item| item.strip_prefix(&start))?;
    let value = item
        .split(';')
        .find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    value?.parse().ok()
}

fn all(redis: RedisKind) {
    let cases = suitable();
    assert!(cases.len() >= 10, "{}", cases.len());
    let lab = Lab::with(&policy(&cases), |spec| spec.redis = redis);
    let late = crowd(cases.len(), |n| {
        (0..RUNS)
            .find(|run| Run::go(&lab, cases[n], *run).is_ok())
            .is_none()
    });
    let late = cases.iter().zip(late).filter(|(_, late)| *late);
    let late: Vec<&str> = late.map(|(case, _)| case.name).collect();
    assert!(late.is_empty(), "never in time: {late:?}");
}

#[test]
fn limits_conform_on_the_whole_stack() {
    all(RedisKind::Standalone);
}

#[test]
fn limits_conform_on_the_whole_stack_with_a_cluster() {
    all(RedisKind::Cluster);
}
