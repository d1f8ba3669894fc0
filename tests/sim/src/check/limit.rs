//! R1, R2, R8: what was charged at Redis and what workers were told, kept apart from the model's data.

use crate::marks::Marks;
use crate::world::World;
use redis_bridge::core::{Batch, BatchId, Command, Keys, Value};
use redis_bridge::script::Script;
use std::collections::BTreeMap;
use tidegate::wire::op::Take;
use tidegate::wire::reply::LimitReply;

/// A limit of a subject, as a worker asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    name: Vec<u8>,
    bucket: bool,
    limit: u64,
    window_us: u64,
    burst: u64,
}

#[derive(Debug, Default)]
struct Ledger {
    bucket: bool,
    limit: u64,
    window_us: u64,
    burst: u64,
    /// Charged at Redis, by window.
    charged: BTreeMap<u64, u64>,
    /// Times of charges of a bucket, and the mark that undoes each.
    taken: Vec<(u64, u64)>,
    /// Told to workers as admitted, by window, where the time is that of this key.
    admitted: BTreeMap<u64, u64>,
    /// The same, all of it.
    admitted_in_all: u64,
    /// The same, times.
    admitted_at: Vec<u64>,
    /// Charges that may have reached nobody.
    unsure: u64,
}

/// Charges whose reply is on its way.
type Untold = BTreeMap<(usize, u64, BatchId), Vec<Vec<u8>>>;

/// All ledgers.
#[derive(Debug, Default)]
pub struct Limits {
    ledgers: BTreeMap<Vec<u8>, Ledger>,
    untold: Untold,
}

impl Key {
    /// The key of a take.
    pub fn of(take: &Take<'_>, keys: &Keys) -> Self {
        Self {
            name: keys.take(take),
            bucket: take.algorithm == b"token_bucket",
            limit: take.limit,
            window_us: take.window_us,
            burst: take.burst,
        }
    }
}

impl Limits {
    /// A worker was told. Returns what is broken.
    pub fn answered(&mut self, keys: &[Key], reply: &LimitReply, cluster: bool) -> Option<String> {
        if !reply.admitted {
            return None;
        }
        for key in keys {
            let ledger = self.ledgers.entry(key.name.clone()).or_default();
            ledger.is_of(key);
            ledger.admitted_in_all += 1;
            // With several calls the reply names the latest of their times.
            if cluster && keys.len() > 1 {
                continue;
            }
            if key.bucket {
                ledger.admitted_at.push(reply.now_us);
                continue;
            }
            let window = reply.now_us / key.window_us;
            let admitted = ledger.admitted.entry(window).or_default();
            *admitted += 1;
            if *admitted > key.limit {
                return Some(format!(
                    "R1: {admitted} admitted of {} in window {window} of {}",
                    key.limit,
                    String::from_utf8_lossy(&key.name)
                ));
            }
        }
        None
    }

    /// These keys may have been charged once more than anybody was told.
    pub fn unsure(&mut self, keys: &[Key]) {
        for key in keys {
            self.ledgers.entry(key.name.clone()).or_default().unsure += 1;
        }
    }

    /// A batch's replies reached their bridge.
    pub fn told(&mut self, bridge: usize, incarnation: u64, batch: BatchId) {
        self.untold.remove(&(bridge, incarnation, batch));
    }

    /// R8 and R2, when nothing is on its way any more. `calm`: there was no fault.
    pub fn at_the_end(&mut self, marks: &mut Marks) -> Option<String> {
        for keys in std::mem::take(&mut self.untold).into_values() {
            for key in keys {
                self.ledgers.entry(key).or_default().unsure += 1;
            }
        }
        for (name, ledger) in &self.ledgers {
            let name = String::from_utf8_lossy(name);
            let charged = match ledger.bucket {
                true => ledger.taken.len() as u64,
                false => ledger.charged.values().sum(),
            };
            let admitted = ledger.admitted_in_all;
            if charged < admitted {
                return Some(format!(
                    "R8: {name}: {charged} charged, {admitted} admitted"
                ));
            }
            if charged > admitted {
                marks.hit("retry_charged_twice");
            }
            if charged - admitted > ledger.unsure {
                return Some(format!(
                    "R8: {name}: {charged} charged, {admitted} admitted, {} uncertain",
                    ledger.unsure
                ));
            }
            let mut taken: Vec<u64> = ledger.taken.iter().map(|(at, _)| *at).collect();
            taken.sort_unstable();
            let mut told = ledger.admitted_at.clone();
            told.sort_unstable();
            for times in [taken, told] {
                if let Some(broken) = ledger.over_rate(&times) {
                    return Some(format!("R2: {name}: {broken}"));
                }
            }
        }
        None
    }
}

impl Ledger {
    fn is_of(&mut self, key: &Key) {
        self.bucket = key.bucket;
        self.limit = key.limit;
        self.window_us = key.window_us;
        self.burst = key.burst;
    }

    /// R2 over all pairs of times.
    fn over_rate(&self, times: &[u64]) -> Option<String> {
        for (from, start) in times.iter().enumerate() {
            for (to, end) in times.iter().enumerate().skip(from) {
                let sum = (to - from + 1) as u64;
                let span = end - start;
                let refill = span * self.limit / self.window_us.max(1);
                if sum > self.burst + refill + 1 {
                    return Some(format!("{sum} admitted within {span} us"));
                }
            }
        }
        None
    }
}

impl World {
    /// A command of a batch ran; `waits`: somebody waits for its reply.
    pub fn ran(
        &mut self,
        bridge: usize,
        incarnation: u64,
        batch: &Batch,
        command: &Command,
        reply: &Value,
        waits: bool,
    ) {
        match command.script {
            Script::LimitTake | Script::LimitTakePlain => {
                let admitted = self.take_ran(command, reply);
                let untold = (bridge, incarnation, batch.id);
                if admitted && !waits {
                    // Nobody will be told: uncertain from the start.
                    let lost = (
                        usize::MAX,
                        self.now,
                        BatchId(self.limits.untold.len() as u64),
                    );
                    self.limits.untold.insert(lost, command.keys.clone());
                } else if admitted {
                    let keys = self.limits.untold.entry(untold).or_default();
                    keys.extend(command.keys.clone());
                }
            }
            Script::LimitReturn => self.return_ran(command, reply),
            _ => self.session_ran(command, reply),
        }
    }

    /// A batch was lost before it ran.
    pub fn never_ran(&mut self, batch: &Batch) {
        for command in &batch.commands {
            if command.script == Script::LimitReturn {
                self.not_returned(command);
            }
        }
    }

    fn take_ran(&mut self, command: &Command, reply: &Value) -> bool {
        let Some([Value::Integer(admitted), now, verdicts @ ..]) = reply.as_array() else {
            return false;
        };
        let now = now.as_u64().unwrap_or(0);
        let mut broken = None;
        for ((key, args), verdict) in command.keys.iter().zip(asked(command)).zip(verdicts) {
            let number = |at: usize| -> u64 {
                let text = args.get(at).and_then(|a| std::str::from_utf8(a).ok());
                text.and_then(|text| text.parse().ok()).unwrap_or(0)
            };
            let ledger = self.limits.ledgers.entry(key.clone()).or_default();
            ledger.bucket = args.first().is_some_and(|a| a == b"token_bucket");
            (ledger.limit, ledger.window_us, ledger.burst) = (number(1), number(2), number(3));
            let name = String::from_utf8_lossy(key);
            let [state, .., mark] = verdict.as_array().unwrap_or_default() else {
                continue;
            };
            let mark = mark.as_u64().unwrap_or(0);
            let window = now / ledger.window_us.max(1);
            if *admitted == 1 && ledger.bucket {
                ledger.taken.push((now, mark));
            } else if *admitted == 1 {
                let charged = ledger.charged.entry(window).or_default();
                *charged += number(4);
                if *charged > ledger.limit {
                    broken = Some(format!(
                        "R1: {charged} charged of {} to {name}",
                        ledger.limit
                    ));
                }
            } else if *state == Value::Integer(0) {
                self.marks.hit("denied");
                let charged = ledger.charged.get(&window).copied().unwrap_or(0);
                if !ledger.bucket && charged + number(4) <= ledger.limit {
                    broken = Some(format!(
                        "R1: {name} denies at {charged} of {}: with demand all of it is given",
                        ledger.limit
                    ));
                }
            }
        }
        if let Some(broken) = broken {
            self.violated(broken);
        }
        *admitted == 1
    }

    fn return_ran(&mut self, command: &Command, reply: &Value) {
        let Some(given) = reply.as_array() else {
            return self.not_returned(command);
        };
        let keys = command.keys.split_last().map_or(&[][..], |(_, keys)| keys);
        for ((key, args), units) in keys.iter().zip(command.args.chunks(7)).zip(given) {
            let mark = args.get(5).and_then(|a| std::str::from_utf8(a).ok());
            let mark: u64 = mark.and_then(|text| text.parse().ok()).unwrap_or(0);
            let ledger = self.limits.ledgers.entry(key.clone()).or_default();
            let before = ledger.taken.len();
            ledger.taken.retain(|(_, of)| *of != mark);
            let window = (mark / ledger.window_us.max(1)).saturating_sub(1);
            let charged = ledger.charged.entry(window).or_default();
            let undone = match ledger.bucket {
                true => ledger.taken.len() < before,
                false => units.as_u64() > Some(0),
            };
            if undone && !ledger.bucket {
                *charged -= 1;
            }
            match undone {
                true => self.marks.hit("compensated"),
                false => ledger.unsure += 1,
            }
        }
    }

    fn not_returned(&mut self, command: &Command) {
        let keys = command.keys.split_last().map_or(&[][..], |(_, keys)| keys);
        for key in keys {
            self.limits.ledgers.entry(key.clone()).or_default().unsure += 1;
        }
    }
}

/// What a take asks of each limit: algorithm, limit, window, burst, cost, and options.
fn asked(command: &Command) -> std::slice::Chunks<'_, Vec<u8>> {
    match command.script {
        Script::LimitTake => command.args.get(1..).unwrap_or_default().chunks(9),
        _ => command.args.chunks(5),
    }
}
