//! Takes and returns of all algorithms, asked of whatever runs a command.

use redis_bridge::core::{Command, Value};
use redis_bridge::script::Script;

/// One limit; its key is its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) key: &'static str,
    pub(crate) algorithm: &'static str,
    pub(crate) limit: u64,
    pub(crate) window: u64,
    pub(crate) burst: u64,
}

/// What one limit answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) admitted: bool,
    pub(crate) state: i64,
    pub(crate) available: u64,
    pub(crate) reset_us: u64,
    pub(crate) retry_us: u64,
    pub(crate) mark: u64,
}

/// What is asked of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) cost: u64,
    pub(crate) need: u64,
    pub(crate) lease: u64,
    pub(crate) force: bool,
    pub(crate) slot: u64,
}

impl Ask {
    pub(crate) fn of(cost: u64) -> Self {
        Self {
            cost,
            need: cost,
            lease: 0,
            force: false,
            slot: 0,
        }
    }
}

impl Limit {
    /// Units it has when nothing is used.
    pub(crate) fn capacity(&self) -> u64 {
        match self.algorithm {
            "token_bucket" => self.burst,
            "leaky_bucket" => self.burst / self.unit() + 1,
            _ => self.limit,
        }
    }

    pub(crate) fn unit(&self) -> u64 {
        self.window.div_ceil(self.limit)
    }

    fn base(&self, now: u64, slot: u64) -> Vec<Vec<u8>> {
        let burst = match self.algorithm {
            "concurrency" => format!("slot{slot}"),
            "calendar_window" => {
                let start = now / self.window * self.window;
                let bounds = [start - self.window, start, start + self.window];
                format!("{} {} {}", bounds[0], bounds[1], bounds[2])
            }
            _ => self.burst.to_string(),
        };
        vec![
            self.algorithm.into(),
            text(self.limit),
            text(self.window),
            burst.into_bytes(),
        ]
    }

    pub(crate) fn take(&self, now: u64, ask: Ask) -> Command {
        let numbers = [ask.cost, ask.need, ask.lease, u64::from(ask.force), 0];
        Command {
            script: Script::LimitTake,
            keys: vec![self.key.into()],
            args: [
                vec![text(0)],
                self.base(now, ask.slot),
                numbers.map(text).to_vec(),
            ]
            .concat(),
        }
    }

    pub(crate) fn give_back(
        &self,
        now: u64,
        units: u64,
        mark: u64,
        slot: u64,
        id: &str,
    ) -> Command {
        let rest = [units, mark, 0].map(text).to_vec();
        Command {
            script: Script::LimitReturn,
            keys: vec![self.key.into(), id.into()],
            args: [self.base(now, slot), rest].concat(),
        }
    }
}

impl Told {
    /// The answer of a take of one limit.
    pub(crate) fn read(value: &Value) -> Self {
        let items = value.as_array().unwrap_or_else(|| panic!("{value:?}"));
        let limit = items[2].as_array().unwrap();
        let Value::Integer(state) = limit[0] else {
            panic!("no state");
        };
        let number = |at: usize| limit[at].as_u64().unwrap();
        Self {
            admitted: items[0] == Value::Integer(1),
            state,
            available: number(1),
            reset_us: number(2),
            retry_us: number(3),
            mark: number(4),
        }
    }
}

pub(crate) fn text(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

const SECOND: u64 = 1_000_000;

/// One of each algorithm; all hold 5 units at once.
pub(crate) const ALL: [Limit; 7] = [
    of("calendar_window", 5, 60 * SECOND, 5),
    of("concurrency", 5, 10 * SECOND, 5),
    of("fixed_window", 5, 60 * SECOND, 5),
    of("leaky_bucket", 10, 10 * SECOND, 4 * SECOND),
    of("sliding_window", 5, 60 * SECOND, 5),
    of("sliding_window_log", 5, 60 * SECOND, 5),
    of("token_bucket", 10, 10 * SECOND, 5),
];

const fn of(algorithm: &'static str, limit: u64, window: u64, burst: u64) -> Limit {
    Limit {
        key: algorithm,
        algorithm,
        limit,
        window,
        burst,
    }
}
