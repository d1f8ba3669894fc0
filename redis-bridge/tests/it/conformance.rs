//! The conformance cases of limits through a core: on the model alone, on a standalone Redis and on a
//! Cluster, each at the very times the cases name.

#[allow(dead_code, reason = "drivers of the whole stack read more of it")]
#[path = "../../../tests/conformance/mod.rs"]
mod cases;

use crate::both::{Both, MS, T0};
use cases::{Act, Ask, Case, Told};
use redis_bridge::core::{Command, Core, CoreConfig, RequestId, Transmit, Value};
use redis_bridge::model::ModelRedis;
use redis_bridge::script::Script;
use redis_bridge::vault::Vault;
use std::time::Duration;
use tidegate::wire::op::{Give, LimitReturn, Op, Take, TakeOptions};
use tidegate::wire::reply::{LimitReply, TakeState, parse_returned};
use tidegate::wire::resp;

/// Runs one command at a time of Redis'.
type Run<'a> = &'a mut dyn FnMut(&Command, u64) -> Value;

struct Driver<'a> {
    core: Core,
    run: Run<'a>,
    /// Redis' clock, microseconds.
    now: u64,
    requests: u64,
}

/// What an ask is made of, kept alive for the operation that borrows it.
struct Named {
    subject: [u8; 16],
    id: [u8; 8],
    slot: [u8; 16],
}

impl Named {
    fn new(ask: &Ask) -> Self {
        let mut named = Self {
            subject: [0; 16],
            id: [0; 8],
            slot: [ask.slot; 16],
        };
        let fill = |to: &mut [u8], from: &str| {
            to.iter_mut().zip(from.bytes()).for_each(|(to, b)| *to = b);
        };
        fill(&mut named.subject, ask.subject);
        fill(&mut named.id, ask.limit.name);
        named
    }

    fn take(&self, ask: &Ask, cost: u64) -> Take<'_> {
        let limit = ask.limit;
        let slots = limit.algorithm == "concurrency";
        let burst = match limit.algorithm {
            "leaky_bucket" => limit.burst * MS,
            _ => limit.burst,
        };
        Take {
            algorithm: limit.algorithm.as_bytes(),
            subject: &self.subject,
            id: &self.id,
            limit: limit.limit,
            window_us: limit.window_ms * MS,
            burst,
            cost,
            options: TakeOptions {
                calendar: limit.calendar.map(str::as_bytes),
                force: ask.force,
                lease: Some(ask.lease).filter(|lease| *lease > 0),
                need: ask.need,
                overridable: limit.overridable.then_some(limit.name.as_bytes()),
                slot: slots.then_some(&self.slot),
            },
        }
    }
}

impl Driver<'_> {
    fn at(&self) -> Duration {
        Duration::from_micros(self.now - T0 + 1_000_000)
    }

    /// One operation; its value, and how long the answer was held.
    fn ask(&mut self, op: &Op<'_>) -> (Vec<u8>, Duration) {
        let mut body = Vec::new();
        op.encode(&mut body);
        self.requests += 1;
        self.core.handle_redis_time(self.now, self.at());
        self.core
            .handle_request(RequestId(self.requests), &body, 60_000, None, self.at());
        while let Some(batch) = self.core.poll_batch(self.at()) {
            let replies = batch
                .commands
                .iter()
                .map(|command| (self.run)(command, self.now));
            let replies = replies.collect();
            self.core.handle_replies(batch.id, Ok(replies), self.at());
        }
        let mut held = Duration::ZERO;
        loop {
            match self.core.poll_transmit() {
                Some(Transmit::Response { body, .. }) => return (body, held),
                Some(other) => panic!("{other:?}"),
                None => {
                    let due = self.core.poll_timeout().unwrap();
                    held = due - self.at();
                    self.core.handle_timeout(due);
                }
            }
        }
    }

    fn case(&mut self, case: &Case) {
        let mut marks: Vec<Vec<(Ask, u64)>> = Vec::new();
        for (at, step) in case.steps.iter().enumerate() {
            let place = format!("{}, step {at}", case.name);
            self.now = T0 + step.at_ms * MS;
            let mut taken = Vec::new();
            match &step.act {
                Act::Take {
                    asks,
                    admitted,
                    told,
                } => {
                    let named: Vec<Named> = asks.iter().map(Named::new).collect();
                    let takes = named.iter().zip(*asks);
                    let takes = takes.map(|(named, ask)| named.take(ask, ask.cost));
                    let (body, held) = self.ask(&Op::LimitTake(takes.collect()));
                    let values = resp::decode_all(&body).unwrap();
                    let reply = LimitReply::parse(&values[0], asks.len()).unwrap();
                    assert_eq!(reply.admitted, *admitted, "{place}: {reply:?}");
                    check(&reply, told, &place);
                    let paced = asks.iter().zip(&reply.limits);
                    let paced = paced.filter(|(ask, _)| ask.limit.algorithm == "leaky_bucket");
                    let wait = paced.map(|(_, taken)| taken.retry_us).max();
                    let wait = wait.filter(|_| reply.admitted).unwrap_or(0);
                    assert_eq!(held, Duration::from_micros(wait), "{place}");
                    taken.extend(asks.iter().zip(&reply.limits).map(|(a, t)| (*a, t.mark)));
                }
                Act::Return {
                    of,
                    limit,
                    units,
                    given,
                } => {
                    let (ask, mark) = marks[*of][*limit];
                    let named = Named::new(&ask);
                    let mut take = named.take(&ask, *units);
                    (take.options.lease, take.options.need) = (None, None);
                    let id = [u8::try_from(at).unwrap(); 16];
                    let gives = vec![Give { mark, take }];
                    let op = Op::LimitReturn(LimitReturn { id: &id, gives });
                    let (body, _) = self.ask(&op);
                    let values = resp::decode_all(&body).unwrap();
                    let back = parse_returned(&values[0], 1).unwrap();
                    assert_eq!(back, [*given], "{place}");
                }
                Act::Override {
                    limit,
                    subject,
                    value,
                } => {
                    let mut whom = [0; 16];
                    whom.iter_mut()
                        .zip(subject.bytes())
                        .for_each(|(to, b)| *to = b);
                    let command = Command {
                        script: Script::LimitOwn,
                        keys: vec![self.core.keys().overridden(limit.name.as_bytes(), &whom)],
                        args: vec![
                            value.as_bytes().to_vec(),
                            b"60000".into(),
                            b"channel".into(),
                        ],
                    };
                    (self.run)(&command, self.now);
                }
            }
            marks.push(taken);
        }
    }
}

fn check(reply: &LimitReply, told: &[Told], place: &str) {
    assert_eq!(reply.limits.len(), told.len(), "{place}");
    for (taken, told) in reply.limits.iter().zip(told) {
        let state = match taken.state {
            TakeState::Busy => -2,
            TakeState::Denied => 0,
            TakeState::Never => -1,
            TakeState::Ok => 1,
        };
        let within = |n: u64, [least, most]: [u64; 2]| least <= n && n <= most;
        let fits = state == told.state
            && within(taken.available, told.available)
            && within(taken.reset_us.div_ceil(MS), told.reset_ms)
            && within(taken.retry_us.div_ceil(MS), told.retry_ms)
            && (taken.leased, taken.limit) == (told.leased, told.own);
        assert!(fits, "{place}: {taken:?}, want {told:?}");
    }
}

#[test]
fn on_the_model() {
    for cluster in [false, true] {
        for case in cases::cases() {
            let mut model = ModelRedis::default();
            one(case, cluster, &mut |command, now| model.call(now, command));
        }
    }
}

#[test]
fn on_a_standalone_redis() {
    on(&mut Both::new(), false);
}

#[test]
fn on_a_cluster() {
    on(&mut Both::cluster(), true);
}

fn on(both: &mut Both, cluster: bool) {
    for case in cases::cases() {
        both.clear();
        one(case, cluster, &mut |command, now| {
            both.now = now;
            both.call(command)
        });
        both.dump();
    }
}

fn one(case: &Case, cluster: bool, run: Run<'_>) {
    assert_eq!(T0 / MS % case.align_ms, 0, "{}", case.name);
    let mut config = CoreConfig::new("tg", "bridge-1");
    config.cluster = cluster;
    let mut driver = Driver {
        core: Core::new(config, Vault::new(&[7; 32])),
        run,
        now: T0,
        requests: 0,
    };
    driver.case(case);
}
