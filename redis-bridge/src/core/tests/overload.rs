//! A trigger passes, and what it left must pass too (faults.md, "Metastable scenarios").

use super::rig::*;
use crate::core::{Batch, ConnId, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegate::wire::Op;

const MS: Duration = Duration::from_millis(1);
/// What Redis does in a second.
const CAPACITY: u32 = 500;
/// Attempts of a visit.
const ATTEMPTS: u32 = 4;
/// The deadline of each.
const DEADLINE_MS: u32 = 100;

/// Visitors who come at a constant rate, and try again at once when they were not served; a Redis that does one command
/// after the other.
struct Visits {
    rig: Rig,
    conn: ConnId,
    next: u64,
    /// By exchange: when its visit began, ms, and which attempt it is.
    open: BTreeMap<u64, (u64, u32)>,
    /// What Redis has, and when it is done with it.
    busy: VecDeque<(Duration, Batch)>,
    /// Visits that were served, by when they began, ms.
    good: Vec<u64>,
}

impl Visits {
    fn new() -> Self {
        let mut rig = Rig::new();
        let conn = rig.open(1);
        rig.now = Duration::ZERO;
        Self {
            rig,
            conn,
            next: 0,
            open: BTreeMap::new(),
            busy: VecDeque::new(),
            good: Vec::new(),
        }
    }

    fn ask(&mut self, begun: u64, attempt: u32) {
        self.next += 1;
        self.open.insert(self.next, (begun, attempt));
        let key = [u8::try_from(self.next % 97).unwrap(); 16];
        let op = Op::LimitTake(vec![take(&key, &[1; 8], 1_000_000)]);
        self.rig.exchange(self.conn, self.next, DEADLINE_MS, &[op]);
    }

    /// One millisecond; Redis does nothing while it is `stalled`.
    fn tick(&mut self, now: u64, stalled: bool) {
        self.rig.now = MS * u32::try_from(now).unwrap();
        if now % 5 < 2 {
            self.ask(now, 1);
        }
        if stalled {
            self.busy.iter_mut().for_each(|(at, _)| *at += MS);
        }
        while self.busy.front().is_some_and(|(at, _)| *at <= self.rig.now) {
            let (_, batch) = self.busy.pop_front().unwrap();
            let replies = self.rig.execute(&batch);
            let now = self.rig.now;
            self.rig.core.handle_replies(batch.id, Ok(replies), now);
        }
        loop {
            self.rig.core.handle_timeout(self.rig.now);
            while let Some(batch) = self.rig.core.poll_batch(self.rig.now) {
                let free = self.busy.back().map_or(self.rig.now, |(at, _)| *at);
                let work = Duration::from_secs(1) / CAPACITY;
                let work = work * u32::try_from(batch.commands.len()).unwrap();
                self.busy.push_back((free + work, batch));
            }
            let replies = replies(&self.rig.collect());
            if replies.is_empty() {
                break;
            }
            for (_, id, values) in replies {
                let (begun, attempt) = self.open.remove(&id).unwrap();
                if !matches!(values[0], Value::Error(_)) {
                    self.good.push(begun);
                } else if attempt < ATTEMPTS {
                    self.ask(begun, attempt + 1);
                }
            }
        }
    }

    /// Of the visits that began then, how many of a hundred were served.
    fn per_cent(&self, from: u64, to: u64) -> u64 {
        let good = self.good.iter().filter(|begun| (from..to).contains(begun));
        let all = (from..to).filter(|now| now % 5 < 2).count();
        u64::try_from(good.count() * 100 / all).unwrap()
    }
}

/// Without a window and with the oldest first nobody was served any more, for ever.
#[test]
fn m5_a_stall_of_redis_is_over_a_second_after_it() {
    for stall in [50, 300, 2_000] {
        let mut visits = Visits::new();
        for now in 0..10_000 {
            visits.tick(now, (2_000..2_000 + stall).contains(&now));
        }
        assert!(visits.per_cent(500, 1_900) >= 99, "{stall}");
        let from = 2_000 + stall + 1_000;
        let after = visits.per_cent(from, 9_500);
        assert!(after >= 95, "{stall}: {after} %");
    }
}
