//! How a task goes on when Redis has answered it, and how an exchange ends.

use super::admin::AdminReply;
use super::exchanges::{Ended, Origin, Outcome};
use super::failure::Failure;
use super::latency::Carrier;
use super::plan::{Next, Round};
use super::types::Transmit;
use super::{Core, values};
use std::time::Duration;
use tidegate::wire::frame;

impl Core {
    /// Hands a task the answers of its round.
    pub(super) fn advance(&mut self, id: u64, now: Duration) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        // What was held in case this round would take too long.
        self.holds.forget(id);
        let (exchange, slot) = (task.exchange, task.slot);
        let replicated = task.is_replicated();
        let answers = task.take_answers();
        let Some(mut plan) = task.plan.take() else {
            self.counters.bug += 1;
            return;
        };
        let mut cx = self.context(now);
        cx.replicated = replicated;
        let next = plan.next(answers, &mut cx);
        if let Some(task) = self.tasks.get_mut(id) {
            task.plan = Some(plan);
        }
        match next {
            Next::Run(round) => {
                if self.exchanges.has_ended(exchange) && !round.must_run {
                    self.counters.dropped_late += 1;
                    self.end_task(id);
                } else {
                    self.run(id, round);
                }
            }
            Next::RunWithin(round, outcome) => {
                self.run(id, round);
                if let Some(deadline) = self.exchanges.deadline(exchange) {
                    let half = deadline.saturating_sub(now) / 2;
                    self.holds.hold(id, now + half, outcome);
                }
            }
            Next::Hold(outcome, wait) if !self.exchanges.has_ended(exchange) => {
                self.counters.held += 1;
                self.holds.hold(id, now + wait, outcome);
            }
            Next::Done(outcome) | Next::Hold(outcome, _) => {
                for held in self.fills.found(id) {
                    if held != id {
                        self.settle_task(held, outcome.clone());
                    }
                }
                self.settle(id, exchange, slot, outcome);
            }
            Next::Final(outcome, drop) => self.hold_until_final(id, outcome, drop, now),
            Next::Turn(outcome) => self.turn(id, outcome, now),
            Next::Wait(left) => self.hold_for_fill(id, left, now),
        }
    }

    /// Queues a round of a task.
    pub(super) fn run(&mut self, task: u64, mut round: Round) {
        round.role = self.role(&round);
        self.tasks.run(task, round, self.seen);
    }

    /// A task is over.
    pub(super) fn settle(&mut self, task: u64, exchange: u64, slot: usize, outcome: Outcome) {
        if let Some((verb, since)) = self.tasks.begun(task) {
            self.latencies.verb(verb, self.seen.saturating_sub(since));
        }
        let refuses = self.fills.len() > 0 && values::refuses(&outcome);
        if !self.exchanges.settle(exchange, slot, outcome) {
            self.counters.dropped_late += 1;
        }
        if refuses {
            self.hold_no_more(exchange);
        }
        self.end_if_complete(exchange);
        self.end_task(task);
    }

    /// The same, of a task whose place is looked up.
    pub(super) fn settle_task(&mut self, task: u64, outcome: Outcome) {
        if let Some((exchange, slot)) = self.tasks.place(task) {
            self.settle(task, exchange, slot, outcome);
        }
    }

    /// Ends an exchange, complete or not; what is held for it is held no longer.
    pub(super) fn end(&mut self, id: u64) -> Option<Ended> {
        let ended = self.exchanges.end(id)?;
        self.traces.ended(id, self.seen);
        for task in &ended.tasks {
            let held = self.holds.forget(*task).is_some();
            if held {
                self.late(*task);
            }
            // One that looks for others too goes on until it is answered.
            if held || self.fills.leave(*task) && !self.fills.looks(*task) {
                self.end_task(*task);
            }
        }
        self.trace_if_over(id);
        Some(ended)
    }

    /// What is held for it is told, or nobody waits for it any more, before its round is over.
    pub(super) fn late(&mut self, task: u64) {
        let task = self.tasks.get_mut(task);
        if let Some(plan) = task.and_then(|task| task.plan.as_mut()) {
            plan.late(&mut self.repeats);
        }
    }

    pub(super) fn end_task(&mut self, id: u64) {
        self.fills.gone(id);
        if let Some(task) = self.tasks.end(id) {
            self.exchanges.task_over(task.exchange, id);
            self.trace_if_over(task.exchange);
        }
    }

    pub(super) fn end_if_complete(&mut self, exchange: u64) {
        if let Some(ended) = self.exchanges.end_if_complete(exchange) {
            self.answer(ended);
            self.trace_if_over(exchange);
        }
    }

    /// Tells the caller; what has no outcome has timed out.
    pub(super) fn answer(&mut self, ended: Ended) {
        let carrier = match ended.origin {
            Origin::Admin(_) => Some(Carrier::Admin),
            Origin::Own => None,
            Origin::Request(_) => Some(Carrier::Unary),
            Origin::Stream { .. } => Some(Carrier::Stream),
        };
        if let Some(carrier) = carrier {
            let took = self.seen.saturating_sub(ended.begun);
            self.latencies.exchange(carrier, took);
        }
        let outcomes = ended.outcomes.into_iter();
        let outcomes = outcomes.map(|o| o.unwrap_or(Outcome::Failed(Failure::Timeout)));
        let outcomes: Vec<Outcome> = outcomes.collect();
        self.traces.answered(ended.id, &outcomes, self.seen);
        for outcome in &outcomes {
            if let Outcome::Failed(failure) = outcome {
                self.counters.failed(failure);
            }
        }
        match ended.origin {
            Origin::Own => {}
            Origin::Admin(request) => {
                let result = match outcomes.into_iter().next() {
                    Some(Outcome::Admin(reply)) => reply,
                    Some(Outcome::Failed(failure)) => AdminReply::Failed(failure),
                    Some(Outcome::Value(_)) | None => AdminReply::Failed(Failure::Shape),
                };
                self.outbox.push(Transmit::Admin { request, result });
            }
            Origin::Request(request) => {
                let body = values::of(outcomes).concat();
                self.outbox.push(Transmit::Response { request, body });
            }
            Origin::Stream { conn, id } => {
                if let Some(stream) = self.streams.get_mut(conn) {
                    stream.pending.remove(&id);
                }
                let mut values = values::of(outcomes);
                self.counters.errors.bulk += values::shrink(&mut values);
                self.outbox.frame(conn, |out| {
                    // A stored body is copied once here, not for each part of the frame.
                    out.reserve(values::room(&values));
                    frame::reply(out, id, values.len(), &[]);
                    values.iter().for_each(|value| out.extend_from_slice(value));
                });
            }
        }
    }
}
