//! What is seen at Redis: takes, returns and resets that ran, and those that never did.

use super::ledger::{Ran, Said};
use crate::world::World;
use redis_bridge::core::{Batch, BatchId, Command, Value};
use redis_bridge::script::Script;
use tidegate::policy::Algorithm;

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
                let charged = self.take_ran(command, reply);
                if charged.is_empty() {
                    return;
                }
                let untold = match waits {
                    true => (bridge, incarnation, batch.id),
                    // Nobody will be told: uncertain from the start.
                    false => {
                        let lost = BatchId(self.limits.untold.len() as u64);
                        (usize::MAX, self.now, lost)
                    }
                };
                self.limits
                    .untold
                    .entry(untold)
                    .or_default()
                    .extend(charged);
            }
            Script::LimitReturn => self.return_ran(command, reply),
            Script::LimitReset => {
                let now_us = self.redis_us();
                if matches!(reply, Value::Integer(_)) {
                    self.limits.ledger(&command.keys[0]).reset(now_us);
                }
            }
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

    /// What it has charged.
    fn take_ran(&mut self, command: &Command, reply: &Value) -> Vec<(Vec<u8>, u64)> {
        let Some([Value::Integer(admitted), now, verdicts @ ..]) = reply.as_array() else {
            return Vec::new();
        };
        let (now, mut charged, mut broken) = (now.as_u64().unwrap_or(0), Vec::new(), None);
        for ((key, args), verdict) in command.keys.iter().zip(takes(command)).zip(verdicts) {
            let (Some(ran), Some(said)) = (ran(args), said(now, verdict)) else {
                continue;
            };
            let (ledger, marks) = (self.limits.ledger(key), &mut self.marks);
            let wrong = if *admitted == 1 {
                charged.push((key.clone(), ran.cost + said.leased));
                marks.add("lease_granted", said.leased);
                let wrong = ledger.admits(&ran, said, marks);
                if ran.algorithm == Algorithm::Concurrency && ran.cost > 0 {
                    self.limits.slots.insert(ran.slot.to_vec(), self.now);
                }
                wrong
            } else if matches!(said.state, 0 | -2) {
                marks.hit("denied");
                ledger.denies(&ran, said, marks)
            } else {
                None
            };
            let name = || String::from_utf8_lossy(key);
            broken = broken.or(wrong.map(|wrong| format!("{wrong}: {}", name())));
        }
        if let Some(broken) = broken {
            self.violated(broken);
        }
        charged
    }

    fn return_ran(&mut self, command: &Command, reply: &Value) {
        let (Some(given), Some((marker, keys))) = (reply.as_array(), command.keys.split_last())
        else {
            return self.not_returned(command);
        };
        // Told once more what was done before.
        let asked = match self.limits.returns.get_mut(marker) {
            Some(returning) => match std::mem::replace(&mut returning.ran, true) {
                true => return,
                false => true,
            },
            None if self.limits.undone.insert(marker.clone(), ()).is_some() => return,
            None => false,
        };
        let (now, mut broken) = (self.redis_us(), None);
        for ((key, args), units) in keys.iter().zip(command.args.chunks(7)).zip(given) {
            let given = units.as_u64().unwrap_or(0);
            let Some(ran) = ran(args) else {
                continue;
            };
            let said = Said {
                now,
                state: 1,
                retry: 0,
                mark: args.get(5).map_or(0, |text| number(text)),
                leased: 0,
            };
            let slot = ran.algorithm == Algorithm::Concurrency;
            let ledger = self.limits.ledger(key);
            let leased = ledger.leased > 0;
            let wrong = ledger.gives(&ran, (given, asked), said, &mut self.marks);
            match (given, slot) {
                (1.., true) => self.marks.hit("slot_released"),
                (1.., false) if !asked => self.marks.hit("compensated"),
                (1.., false) if leased => self.marks.hit("lease_returned"),
                (1.., false) => self.marks.hit("surplus_returned"),
                (0, _) => {}
            }
            if slot {
                self.limits.slots.remove(ran.slot);
            }
            let name = || String::from_utf8_lossy(key);
            broken = broken.or(wrong.map(|wrong| format!("{wrong}: {}", name())));
        }
        if let Some(broken) = broken {
            self.violated(broken);
        }
    }

    /// What bridges undo by themselves they try once; what workers give back is judged at the end.
    fn not_returned(&mut self, command: &Command) {
        let Some((marker, keys)) = command.keys.split_last() else {
            return;
        };
        if self.limits.returns.contains_key(marker) {
            return;
        }
        for (key, args) in keys.iter().zip(command.args.chunks(7)) {
            let units = ran(args).map_or(0, |ran| ran.cost);
            self.limits.ledger(key).unsure += units;
        }
    }
}

/// What a take asks of each limit: algorithm, limit, window, burst, cost, and options.
fn takes(command: &Command) -> std::slice::Chunks<'_, Vec<u8>> {
    match command.script {
        Script::LimitTake => command.args.get(1..).unwrap_or_default().chunks(9),
        _ => command.args.chunks(5),
    }
}

fn ran(args: &[Vec<u8>]) -> Option<Ran<'_>> {
    let [algorithm, limit, window, burst, cost, options @ ..] = args else {
        return None;
    };
    let cost = number(cost);
    // Of a return the next argument is the charge's mark.
    let [need, force] = match options {
        [need, _, force, _] => [number(need), number(force)],
        _ => [cost, 0],
    };
    Some(Ran {
        algorithm: Algorithm::from_name(algorithm)?,
        limit: number(limit),
        window_us: number(window),
        burst: number(burst),
        slot: burst,
        cost,
        need,
        force: force == 1,
    })
}

fn said(now: u64, verdict: &Value) -> Option<Said> {
    let items = verdict.as_array()?;
    let [Value::Integer(state), _, _, retry, mark, more @ ..] = items else {
        return None;
    };
    Some(Said {
        now,
        state: *state,
        retry: retry.as_u64()?,
        mark: mark.as_u64()?,
        leased: more.first().and_then(Value::as_u64).unwrap_or(0),
    })
}

fn number(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
