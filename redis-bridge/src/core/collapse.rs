//! One fill per URL and fleet: who looks for what somebody else is filling is held, for a while.

use super::exchanges::Origin;
use super::exchanges::Outcome;
use super::fills::Due;
use super::latency::Verb;
use super::plan::{Answer, Context, Next, Plan, Round};
use super::types::ConnId;
use super::{Core, values};
use std::time::Duration;
use tidegate::wire::FromBridge;

/// How long after it was held long enough an exchange may still be answered.
const SLACK: Duration = Duration::from_millis(50);
/// How long what nobody waits for may take.
const OWN_TIME: Duration = Duration::from_secs(5);

impl Core {
    /// Somebody else fills what this task looks for.
    pub(super) fn hold_for_fill(&mut self, task: u64, left: Duration, now: Duration) {
        if self.fills.found_held(task, now, left) {
            if !self.fills.holds(task) {
                self.end_task(task);
            }
            return;
        }
        let Some((exchange, _)) = self.tasks.place(task) else {
            return;
        };
        let stream = self.exchanges.stream(exchange);
        let refused = self.exchanges.outcomes(exchange).any(values::refuses);
        let Some(get) = self.tasks.look_up(task) else {
            return;
        };
        let until = get.until();
        let known = self.unshared.knows(&get.fill().url, now);
        let Some((conn, id)) = stream.filter(|_| until > now && !known && !refused) else {
            self.counters.unheld += u64::from(known);
            return self.go_upstream(task, now);
        };
        get.hold();
        self.fills.join(task, get.fill(), until, now, left);
        self.counters.collapsed += 1;
        self.exchanges.extend(exchange, until + SLACK);
        let ms = u32::try_from((until - now).as_millis()).unwrap_or(u32::MAX);
        self.outbox
            .frame(conn, |out| FromBridge::Held { id, ms }.encode(out));
    }

    /// What a request is refused for makes its look-up's answer useless.
    pub(super) fn hold_no_more(&mut self, exchange: u64) {
        for task in self.exchanges.tasks(exchange) {
            if self.fills.leave(task) {
                self.go_upstream(task, Duration::ZERO);
            }
        }
    }

    /// The task is told to fill what it looks for.
    pub(super) fn turn(&mut self, task: u64, outcome: Outcome, now: Duration) {
        let ended = |core: &Self, task| {
            let place = core.tasks.place(task);
            place.is_none_or(|(exchange, _)| core.exchanges.has_ended(exchange))
        };
        let heir = match self.fills.looks(task) {
            true => self.fills.found_turn(task, now),
            false => Some(task).filter(|task| !ended(self, *task)),
        };
        let Some(get) = self.tasks.look_up(task) else {
            return;
        };
        let (forgo, until) = (get.forgo(), get.turn(now));
        let Some(heir) = heir else {
            // Nobody is there to use it. The task ends when this is done.
            self.counters.turns_returned += 1;
            return self.run(task, forgo);
        };
        let place = self.tasks.place(heir);
        let stream = place.and_then(|(exchange, _)| self.exchanges.stream(exchange));
        if let Some((conn, _)) = stream {
            self.turns.given(conn, until, forgo, now);
        }
        self.settle_task(heir, outcome);
        if heir != task {
            self.end_task(task);
        }
    }

    /// A worker's stream is gone, and most likely the requests it had: what they had to fill is others'
    /// again. A worker that lives may still store.
    pub(super) fn take_turns_back(&mut self, conn: ConnId) {
        for round in self.turns.take(conn, self.seen) {
            self.counters.turns_returned += 1;
            self.own(Verb::CachePass, Box::new(Last), round);
        }
    }

    /// Starts something that nobody waits for.
    pub(super) fn own(&mut self, verb: Verb, plan: Box<dyn Plan>, round: Round) {
        let until = self.seen + OWN_TIME;
        let id = self.exchanges.begin(Origin::Own, 1, 0, self.seen, until);
        self.begin(id, 0, Ok((verb, (plan, round))));
    }

    /// Everything that is due of what is held.
    pub(super) fn look_again(&mut self, now: Duration) {
        self.seen = self.seen.max(now);
        while let Some(due) = self.fills.pop(now) {
            match due {
                Due::Look(task) => match self.tasks.look_up(task).map(|get| get.again()) {
                    Some(round) => self.run(task, round),
                    None => self.end_task(task),
                },
                Due::Over(task) => {
                    self.counters.held_too_long += 1;
                    self.go_upstream(task, now);
                }
            }
        }
    }

    /// Answers a look-up with what it knows: nothing.
    fn go_upstream(&mut self, task: u64, now: Duration) {
        let now = self.seen.max(now);
        let Some(outcome) = self.tasks.look_up(task).map(|get| get.over(now)) else {
            return;
        };
        if !self.fills.looks(task) {
            return self.settle_task(task, outcome);
        }
        // It looks for others too: it goes on without anybody waiting for it.
        if let Some((exchange, slot)) = self.tasks.place(task) {
            self.exchanges.settle(exchange, slot, outcome);
            self.end_if_complete(exchange);
        }
    }
}

/// The last thing that was to be done.
pub(super) struct Last;

impl Plan for Last {
    fn next(&mut self, _answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        Next::Done(Outcome::Value(Vec::new()))
    }
}
