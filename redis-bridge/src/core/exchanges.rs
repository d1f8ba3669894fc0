//! Exchanges: who waits for what, until when. Each ends exactly once (invariant X1): answered, timed
//! out, or its caller went away. One that ended is kept until Redis has answered all it was asked, so
//! that late answers meet nobody and the bounds count what is really held.

use super::admin::AdminReply;
use super::failure::Failure;
use super::types::{ConnId, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A caller of the admin API.
    Admin(RequestId),
    /// Nobody: the bridge does it for itself.
    Own,
    /// A caller of `POST /v1/exchange`.
    Request(RequestId),
    /// A worker's stream, and the id it chose.
    Stream { conn: ConnId, id: u64 },
}

/// How one operation ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Admin(AdminReply),
    Failed(Failure),
    /// The encoded value.
    Value(Vec<u8>),
}

/// An exchange whose caller may be answered now.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) origin: Origin,
    /// When it arrived.
    pub(super) begun: Duration,
    /// One per operation; `None` where there is none yet.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// Tasks that are not over.
    pub(super) tasks: Vec<u64>,
}

#[derive(Debug)]
struct Exchange {
    origin: Origin,
    begun: Duration,
    deadline: Duration,
    outcomes: Vec<Option<Outcome>>,
    open: usize,
    bytes: usize,
    tasks: Vec<u64>,
    ended: bool,
}

/// All exchanges.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    all: BTreeMap<u64, Exchange>,
    requests: BTreeMap<RequestId, u64>,
    deadlines: BTreeSet<(Duration, u64)>,
    bytes: usize,
    next: u64,
}

impl Exchanges {
    /// Registers an exchange of `count` operations.
    pub(super) fn begin(
        &mut self,
        origin: Origin,
        count: usize,
        bytes: usize,
        begun: Duration,
        deadline: Duration,
    ) -> u64 {
        let id = self.next;
        self.next += 1;
        if let Origin::Admin(request) | Origin::Request(request) = origin {
            self.requests.insert(request, id);
        }
        self.deadlines.insert((deadline, id));
        self.bytes += bytes;
        let exchange = Exchange {
            origin,
            begun,
            deadline,
            outcomes: vec![None; count],
            open: count,
            bytes,
            tasks: Vec::new(),
            ended: false,
        };
        self.all.insert(id, exchange);
        id
    }

    /// Sets one outcome. False when nobody waits for it any more.
    pub(super) fn settle(&mut self, id: u64, slot: usize, outcome: Outcome) -> bool {
        let Some(exchange) = self.all.get_mut(&id).filter(|exchange| !exchange.ended) else {
            return false;
        };
        match exchange.outcomes.get_mut(slot) {
            Some(empty @ None) => {
                *empty = Some(outcome);
                exchange.open -= 1;
                true
            }
            _ => false,
        }
    }

    /// Ends the exchange when all its outcomes are there.
    pub(super) fn end_if_complete(&mut self, id: u64) -> Option<Ended> {
        let complete = |exchange: &&Exchange| exchange.open == 0;
        self.all.get(&id).filter(complete)?;
        self.end(id)
    }

    /// Ends the exchange, complete or not. `None` when it has ended before.
    pub(super) fn end(&mut self, id: u64) -> Option<Ended> {
        let exchange = self.all.get_mut(&id).filter(|exchange| !exchange.ended)?;
        exchange.ended = true;
        self.deadlines.remove(&(exchange.deadline, id));
        if let Origin::Admin(request) | Origin::Request(request) = exchange.origin {
            self.requests.remove(&request);
        }
        let ended = Ended {
            id,
            origin: exchange.origin,
            begun: exchange.begun,
            outcomes: std::mem::take(&mut exchange.outcomes),
            tasks: exchange.tasks.clone(),
        };
        self.collect(id);
        Some(ended)
    }

    /// One more task works for it.
    pub(super) fn task_begun(&mut self, id: u64, task: u64) {
        if let Some(exchange) = self.all.get_mut(&id) {
            exchange.tasks.push(task);
        }
    }

    /// A task that worked for it is over.
    pub(super) fn task_over(&mut self, id: u64, task: u64) {
        if let Some(exchange) = self.all.get_mut(&id) {
            exchange.tasks.retain(|of| *of != task);
        }
        self.collect(id);
    }

    /// It may take until then, if that is later than it might already.
    pub(super) fn extend(&mut self, id: u64, deadline: Duration) {
        let open = self.all.get_mut(&id).filter(|exchange| !exchange.ended);
        if let Some(exchange) = open.filter(|exchange| exchange.deadline < deadline) {
            self.deadlines.remove(&(exchange.deadline, id));
            exchange.deadline = deadline;
            self.deadlines.insert((deadline, id));
        }
    }

    /// The stream that waits for it, and the id it chose; `None` when it is over, or a request's.
    pub(super) fn stream(&self, id: u64) -> Option<(ConnId, u64)> {
        let exchange = self.all.get(&id).filter(|exchange| !exchange.ended)?;
        match exchange.origin {
            Origin::Stream { conn, id } => Some((conn, id)),
            Origin::Admin(_) | Origin::Own | Origin::Request(_) => None,
        }
    }

    /// What is known of it so far.
    pub(super) fn outcomes(&self, id: u64) -> impl Iterator<Item = &Outcome> {
        let outcomes = self.all.get(&id).map(|exchange| exchange.outcomes.iter());
        outcomes.into_iter().flatten().flatten()
    }

    /// The tasks that work for it.
    pub(super) fn tasks(&self, id: u64) -> Vec<u64> {
        self.all
            .get(&id)
            .map(|exchange| exchange.tasks.clone())
            .unwrap_or_default()
    }

    /// When it ends without an answer; `None` when it has ended.
    pub(super) fn deadline(&self, id: u64) -> Option<Duration> {
        let open = self.all.get(&id).filter(|exchange| !exchange.ended);
        open.map(|exchange| exchange.deadline)
    }

    /// Whether something of it is left, waited for or not.
    pub(super) fn is_held(&self, id: u64) -> bool {
        self.all.contains_key(&id)
    }

    pub(super) fn has_ended(&self, id: u64) -> bool {
        self.all.get(&id).is_none_or(|exchange| exchange.ended)
    }

    pub(super) fn of_request(&self, request: RequestId) -> Option<u64> {
        self.requests.get(&request).copied()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// An exchange whose deadline is not after `now`.
    pub(super) fn expired(&self, now: Duration) -> Option<u64> {
        let (deadline, id) = self.deadlines.first()?;
        (*deadline <= now).then_some(*id)
    }

    /// Exchanges held, waited for or not.
    pub(super) fn items(&self) -> usize {
        self.all.len()
    }

    /// Whether none is waited for by anybody but the bridge itself.
    pub(super) fn none_waited_for(&self) -> bool {
        let own = |exchange: &Exchange| matches!(exchange.origin, Origin::Own);
        self.all.values().all(own)
    }

    /// Bytes of their messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn collect(&mut self, id: u64) {
        let over = |exchange: &&Exchange| exchange.ended && exchange.tasks.is_empty();
        if self.all.get(&id).filter(over).is_some()
            && let Some(exchange) = self.all.remove(&id)
        {
            self.bytes -= exchange.bytes;
        }
    }
}
