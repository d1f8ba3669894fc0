//! What became of the exchanges that somebody traces, as plain data: the shell makes spans of it.
//!
//! Nothing here holds a key, a value or a token: verbs, scripts, counts, times and the code words of failures.

use super::Core;
use super::exchanges::{Origin, Outcome};
use super::failure::Failure;
use super::latency::{Carrier, Verb};
use super::types::{Batch, BatchId, Replies, Role};
use super::value::Value;
use crate::script::Script;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegate::wire::TraceParent;

/// Calls remembered of one exchange, at most: the purge of a large tag makes thousands.
const MAX_CALLS: usize = 32;

/// A traced exchange that is over. Times are the shell's monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Whose request it was.
    pub parent: TraceParent,
    /// How it came.
    pub carrier: Carrier,
    /// When it came.
    pub begun: Duration,
    /// When it was answered, or nobody waited any more.
    pub ended: Duration,
    /// How long whoever asked would wait, when it came.
    pub patience: Duration,
    /// False: whoever asked went away first.
    pub answered: bool,
    /// Its operations, in order.
    pub ops: Vec<TracedOp>,
    /// What Redis was asked for it, in the order it was handed out; the first ones of very many.
    pub calls: Vec<TracedCall>,
    /// Commands that are not in `calls`.
    pub more_commands: usize,
}

/// One operation of a traced exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedOp {
    /// `None`: refused before it was read, or it is none.
    pub verb: Option<Verb>,
    /// The code word of its failure.
    pub failure: Option<String>,
}

/// The commands of one operation that went to Redis in one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCall {
    /// What they were for.
    pub verb: Verb,
    /// The first one's script.
    pub script: Script,
    /// Which Redis.
    pub role: Role,
    /// How many.
    pub commands: usize,
    /// Commands in the pipeline, of all exchanges.
    pub pipeline: usize,
    /// When it was handed out.
    pub since: Duration,
    /// When it was answered; `None`: not before all was over.
    pub until: Option<Duration>,
    /// The code word of the first failure.
    pub failure: Option<String>,
}

impl Traced {
    /// Whether it was answered with what it asked for.
    pub fn failure(&self) -> Option<&str> {
        self.ops.iter().find_map(|op| op.failure.as_deref())
    }
}

/// What a command in a batch is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) exchange: u64,
    pub(super) task: u64,
    pub(super) verb: Verb,
    pub(super) script: Script,
}

/// A call whose answers are awaited.
#[derive(Debug)]
struct Open {
    exchange: u64,
    task: u64,
    /// Which call of the exchange.
    call: usize,
    /// Places of its commands in the batch.
    places: Vec<usize>,
}

/// The traced exchanges that are under way; as many as the core holds exchanges, at most.
#[derive(Debug, Default)]
pub(super) struct Traces {
    open: BTreeMap<u64, Traced>,
    calls: BTreeMap<BatchId, Vec<Open>>,
    over: VecDeque<u64>,
}

impl Traces {
    pub(super) fn begin(
        &mut self,
        exchange: u64,
        (parent, origin): (TraceParent, Origin),
        begun: Duration,
        patience: Duration,
    ) {
        let carrier = match origin {
            Origin::Stream { .. } => Carrier::Stream,
            Origin::Admin(_) | Origin::Own | Origin::Request(_) => Carrier::Unary,
        };
        let traced = Traced {
            parent,
            carrier,
            begun,
            ended: begun,
            patience,
            answered: false,
            ops: Vec::new(),
            calls: Vec::new(),
            more_commands: 0,
        };
        self.open.insert(exchange, traced);
    }

    /// The next operation of an exchange; ignored when it is not traced, as everything below is.
    pub(super) fn op(&mut self, exchange: u64, verb: Option<Verb>) {
        if let Some(traced) = self.open.get_mut(&exchange) {
            let failure = None;
            traced.ops.push(TracedOp { verb, failure });
        }
    }

    /// An exchange is answered.
    pub(super) fn answered(&mut self, exchange: u64, outcomes: &[Outcome], now: Duration) {
        let Some(traced) = self.open.get_mut(&exchange) else {
            return;
        };
        traced.answered = true;
        traced.ended = now;
        for (op, outcome) in traced.ops.iter_mut().zip(outcomes) {
            if let Outcome::Failed(failure) = outcome {
                op.failure = Some(word(failure));
            }
        }
    }

    /// An exchange has ended, answered or not.
    pub(super) fn ended(&mut self, exchange: u64, now: Duration) {
        if let Some(traced) = self.open.get_mut(&exchange) {
            traced.ended = now;
        }
    }

    /// The command at `place` of a batch goes to Redis.
    fn handed_out(&mut self, batch: &Batch, place: usize, asked: Asked, now: Duration) {
        let Some(traced) = self.open.get_mut(&asked.exchange) else {
            return;
        };
        let calls = self.calls.entry(batch.id).or_default();
        // The commands of one operation stand beside each other.
        let same = calls.last_mut().filter(|open| open.task == asked.task);
        if let Some(open) = same {
            open.places.push(place);
            if let Some(call) = traced.calls.get_mut(open.call) {
                call.commands += 1;
            }
            return;
        }
        if traced.calls.len() >= MAX_CALLS {
            traced.more_commands += 1;
            return;
        }
        calls.push(Open {
            exchange: asked.exchange,
            task: asked.task,
            call: traced.calls.len(),
            places: vec![place],
        });
        traced.calls.push(TracedCall {
            verb: asked.verb,
            script: asked.script,
            role: batch.role,
            commands: 1,
            pipeline: batch.commands.len(),
            since: now,
            until: None,
            failure: None,
        });
    }

    /// A batch is answered.
    pub(super) fn replied(&mut self, batch: BatchId, replies: &Replies, now: Duration) {
        for open in self.calls.remove(&batch).unwrap_or_default() {
            let traced = self.open.get_mut(&open.exchange);
            let Some(call) = traced.and_then(|traced| traced.calls.get_mut(open.call)) else {
                continue;
            };
            call.until = Some(now);
            call.failure = match replies {
                Err(error) => Some(word(&Failure::from(*error))),
                Ok(values) => open.places.iter().find_map(|at| match values.get(*at) {
                    Some(Value::Error(line)) => Some(word(&Failure::from_redis(line))),
                    _ => None,
                }),
            };
        }
    }

    /// Nothing of the exchange is left: it is told with the next poll, when it has been answered.
    fn over(&mut self, exchange: u64) {
        self.over.push_back(exchange);
    }

    fn poll(&mut self) -> Option<Traced> {
        loop {
            // Found to be over twice, it is told once.
            let exchange = self.over.pop_front()?;
            if let Some(traced) = self.open.remove(&exchange) {
                return Some(traced);
            }
        }
    }
}

impl Core {
    /// A traced exchange that is over, of which Redis has answered all that was asked. None unless
    /// [`super::CoreConfig::traces`].
    pub fn poll_trace(&mut self) -> Option<Traced> {
        self.traces.poll()
    }

    /// Remembers what of a batch is for exchanges that are traced.
    pub(super) fn trace_batch(&mut self, batch: &Batch, now: Duration) {
        if self.traces.open.is_empty() {
            return;
        }
        for (place, asked) in self.tasks.asked(batch.id).enumerate() {
            if let Some(asked) = asked {
                self.traces.handed_out(batch, place, asked, now);
            }
        }
    }

    /// Looks whether a traced exchange is over.
    pub(super) fn trace_if_over(&mut self, exchange: u64) {
        if self.traces.open.contains_key(&exchange) && !self.exchanges.is_held(exchange) {
            self.traces.over(exchange);
        }
    }
}

fn word(failure: &Failure) -> String {
    match failure {
        Failure::Redis(code) => code.clone(),
        failure => failure.code().to_owned(),
    }
}
