//! What all requests of one worker's VM share.

mod complaints;
mod entropy;
mod work;

use crate::cache::l1::L1;
use crate::exchange::{CallError, Client, ClientConfig, Invalid, SplitMix64};
use crate::guard::{self, Guard};
use crate::http::Headers;
use crate::limit::lease::GiveBack;
use crate::limit::{DeniedKeys, Leases, LocalLimits};
use crate::metrics::{CacheEvent, LimitEvent, Metric, Metrics};
use crate::policy::{Calendar, Config, KeyPart, Policy, Routed};
use crate::session::{Keys, RealmTag};
use crate::stream::{self, KeptBytes, Refresh, VaryMemo};
use crate::wire::op::{Give, LimitReturn, Take};
use crate::wire::reply::LimitReply;
use crate::wire::{Op, Value, reply};
use core::time::Duration;
use std::rc::Rc;

/// Calls pending at once, at most: with 64 KiB of operations each this stays far below the VM's cap,
/// and more would only wait past their deadline.
const MAX_PENDING: usize = 8_192;
/// Bytes of pending operations, stores included, at most.
const MAX_PENDING_BYTES: usize = 16 << 20;
/// Unary fall-back calls per second and worker (faults.md, M3).
const FALLBACK_PER_SECOND: u32 = 200;

/// A 503 says to come again after one to so many seconds.
const SPREAD_S: u64 = 3;

/// A policy that is about to be replaced leases nothing for so long: longer than Envoy takes to replace
/// it on all workers.
const EXACT: Duration = Duration::from_secs(5);

pub(crate) use complaints::Complaint;
use complaints::Complaints;
pub use entropy::Entropy;
pub(crate) use work::{MAX_NUMBER, Work};

/// One VM's memory: bounded, and all of it made from a configuration and a seed.
#[derive(Debug)]
pub struct Vm {
    /// The policy.
    pub config: Rc<Config>,
    /// Streams to the bridges.
    pub client: Client,
    /// Counts not yet written.
    pub metrics: Metrics,
    pub(crate) keys: Option<Keys>,
    pub(crate) realms: Vec<RealmTag>,
    pub(crate) local: LocalLimits,
    pub(crate) denied: DeniedKeys,
    pub(crate) leases: Leases,
    /// Of each limit with a window of the calendar, that window as it travels.
    pub(crate) calendars: Rc<[Option<String>]>,
    pub(crate) vary: VaryMemo,
    pub(crate) kept: KeptBytes,
    pub(crate) complaints: Complaints,
    pub(crate) l1: L1,
    /// Requests of our own can reach upstreams; the host says when they cannot.
    pub refreshes: bool,
    pub(crate) rng: SplitMix64,
    /// Where secrets come from.
    pub entropy: Entropy,
    /// Some policy requires a session.
    pub(crate) protects: bool,
    /// By policy.
    wants_peer: Vec<bool>,
    /// Streams lost, as last looked at.
    lost: u64,
    /// Until then no units are leased.
    pub(crate) exact_until: Duration,
}

/// What the host knows and the policy does not.
#[derive(Debug, Clone)]
pub struct VmSeed {
    /// Seeds jitter and lease identifiers.
    pub random: u64,
    /// Tells this worker from the others.
    pub worker: u64,
    /// Envoy's node id.
    pub node: String,
}

impl Vm {
    /// A VM that knows nothing yet but its policy.
    pub fn new(config: Config, keys: Option<Keys>, seed: VmSeed) -> Self {
        let mut rng = SplitMix64::new(seed.random);
        let l1 = L1::new(config.caches.iter().map(|cache| cache.l1_bytes));
        let window = Duration::from_millis(u64::from(config.bridge.l1_sync_ms));
        let by_peer = |policy: &Policy| {
            let mut limits = policy.limits.iter().filter_map(|i| config.limits.get(*i));
            limits.any(|limit| limit.key.contains(&KeyPart::ClientIp))
        };
        let client = ClientConfig {
            timeout: Duration::from_millis(u64::from(config.bridge.timeout_ms)),
            max_pending: MAX_PENDING,
            max_pending_bytes: MAX_PENDING_BYTES,
            fallback_per_second: FALLBACK_PER_SECOND,
            namespace: config.namespace.clone(),
            node: seed.node,
            worker: seed.worker,
            digest: config.digest.clone(),
            l1_sync: l1.is_used().then_some(window),
        };
        Self {
            client: Client::new(client, rng.next_u64()),
            metrics: Metrics::new(&config),
            keys,
            realms: config
                .sessions
                .iter()
                .map(|realm| RealmTag::of(&realm.name))
                .collect(),
            local: LocalLimits::new(),
            denied: DeniedKeys::new(),
            leases: Leases::new(),
            calendars: config
                .limits
                .iter()
                .map(|limit| limit.calendar.as_ref().map(Calendar::to_wire))
                .collect(),
            vary: VaryMemo::new(),
            kept: KeptBytes::default(),
            complaints: Complaints::default(),
            l1,
            refreshes: true,
            rng,
            entropy: Entropy::default(),
            protects: config
                .policies
                .iter()
                .any(|policy| policy.session.as_ref().is_some_and(|used| used.required)),
            wants_peer: config.policies.iter().map(by_peer).collect(),
            lost: 0,
            exact_until: Duration::ZERO,
            config: Rc::new(config),
        }
    }

    /// Random bytes that [`Vm::entropy`] is to be given before the next input.
    pub fn wants_entropy(&self) -> usize {
        if self.config.sessions.is_empty() {
            0
        } else {
            self.entropy.wanted()
        }
    }

    /// `Retry-After` of a 503, seconds: all who were refused while Redis was away must not come back at once
    /// (faults.md, M1).
    pub(crate) fn retry_after_s(&mut self) -> u64 {
        let spread = if guard::on(Guard::Spread) {
            SPREAD_S
        } else {
            1
        };
        1_u64.saturating_add(self.rng.below(spread))
    }

    /// Whether a limit of the request's policy counts by the client's address.
    pub fn wants_peer(&self, routed: &Routed) -> bool {
        match routed {
            Routed::To(target) => self.wants_peer.get(target.policy) == Some(&true),
            Routed::Nowhere | Routed::Unknown(_) => false,
        }
    }

    /// Which policy judges a request: what [`Config::route`] says.
    pub fn route(&self, named: Option<Vec<u8>>, headers: &Headers) -> Routed {
        self.config.route(named, headers)
    }

    /// Background work ended.
    pub fn background(&mut self, tag: u32, result: Result<Vec<Value<'_>>, CallError>) {
        let value = match result.as_deref() {
            Ok([value]) => Some(value),
            _ => None,
        };
        let metric = match Work::of(tag) {
            Work::Uncounted => return,
            Work::Store(cache) => {
                let event = match value.map(reply::parse_stored) {
                    Some(Ok(true)) => CacheEvent::Stored,
                    Some(Ok(false)) => CacheEvent::Refused,
                    _ => CacheEvent::Error,
                };
                Metric::Cache(cache, event)
            }
            Work::Charge(limit) => {
                let done = value.is_some_and(|value| LimitReply::parse(value, 1).is_ok());
                Metric::Limit(limit, settled(done))
            }
            Work::Return(limit) => {
                let done = value.is_some_and(|value| reply::parse_returned(value, 1).is_ok());
                Metric::Limit(limit, settled(done))
            }
            Work::Slot(limit) => match value.map(|value| reply::parse_returned(value, 1)) {
                Some(Ok(units)) if units == [0] => Metric::Limit(limit, LimitEvent::SlotExpired),
                Some(Ok(_)) => return,
                _ => Metric::Limit(limit, LimitEvent::Unsettled),
            },
            Work::Shadow(limit) => {
                let event = match value.map(|value| LimitReply::parse(value, 1)) {
                    Some(Ok(reply)) if reply.admitted => LimitEvent::Allowed,
                    Some(Ok(_)) => LimitEvent::ShadowDenied,
                    _ => LimitEvent::Error,
                };
                Metric::Limit(limit, event)
            }
            Work::Lease(ticket) => {
                let reply = value.and_then(|value| LimitReply::parse(value, 1).ok());
                let said = reply.and_then(|reply| reply.limits.first().copied());
                let algorithm = |limit: usize| Some(self.config.limits.get(limit)?.algorithm);
                return self.leases.granted(ticket, algorithm, said);
            }
        };
        self.metrics.count(metric);
    }

    /// Time passed: gives leased units back that are not used. Call it every few ten milliseconds.
    pub fn tick(&mut self, now: Duration) {
        self.heed(now);
        for back in self.leases.poll(now) {
            self.give_back(back, now);
        }
    }

    /// The VM is about to end, or its policy is: gives back what it holds and takes no more for
    /// [`EXACT`], in case it goes on. Returns whether it held anything, so that what it has to say should
    /// still be sent.
    pub fn end(&mut self, now: Duration) -> bool {
        self.heed(now);
        self.exact_until = now.saturating_add(EXACT);
        let held = self.leases.end(now);
        let any = !held.is_empty();
        for back in held {
            self.give_back(back, now);
        }
        any
    }

    /// What bridges say of subjects whose limits were reset or overridden is heeded, and of objects that were
    /// invalidated: nothing remembered of them holds any more. Costs nothing when there is no such word; called
    /// before anything that is remembered is used.
    pub fn heed(&mut self, now: Duration) {
        if self.client.has_invalid() {
            for invalid in self.client.take_invalid() {
                match invalid {
                    Invalid::All => self.l1.clear(),
                    Invalid::Url(name) => self.l1.invalidate(&name),
                }
            }
        }
        if self.client.has_forget() {
            for subject in self.client.take_forget() {
                self.denied.forget(&subject, now);
                self.leases.forget(&subject);
            }
        }
        // Such a word may have been lost with the stream it would have come by, and comes by none while
        // there is none.
        let lost = self.client.counters().lost;
        if core::mem::replace(&mut self.lost, lost) != lost || !self.client.is_linked() {
            self.denied.clear(now);
        }
    }

    /// A request made for [`crate::stream::Output::refresh`] was answered, with its whole body.
    pub fn refreshed(&mut self, refresh: &Refresh, headers: &Headers, body: &[u8], now: Duration) {
        stream::refreshed(refresh, headers, body, self, now);
    }

    /// Evenly distributed.
    pub(crate) fn roll(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.rng.next_u64().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Sends what settles something with a limit; nobody waits for it.
    pub(crate) fn settle(&mut self, work: Work, op: &Op<'_>, now: Duration) {
        if !self.client.submit_settlement(work.tag(), op, None, now) {
            self.background(work.tag(), Err(CallError::Unreachable));
        }
    }

    /// Asks for units to spend. It takes as long as a decision may: what is granted later than that is
    /// too old to be spent.
    pub(crate) fn lease(&mut self, ticket: u32, op: &Op<'_>, now: Duration) {
        let tag = Work::Lease(ticket).tag();
        let patience = Duration::from_millis(self.config.bridge.timeout_ms.into());
        if !self.client.submit_settlement(tag, op, Some(patience), now) {
            self.background(tag, Err(CallError::Unreachable));
        }
    }

    pub(crate) fn give_back(&mut self, back: GiveBack, now: Duration) {
        let config = Rc::clone(&self.config);
        let calendars = Rc::clone(&self.calendars);
        let (index, subject) = back.key;
        let Some(limit) = config.limits.get(index) else {
            return;
        };
        let calendar = calendars.get(index).and_then(Option::as_deref);
        let take = Take {
            cost: back.units,
            ..limit.take(&subject, calendar)
        };
        let mark = back.mark;
        self.send_back(Work::Uncounted, Give { mark, take }, now);
    }

    /// Sends one charge, or one slot, back; nobody waits for it.
    pub(crate) fn send_back(&mut self, work: Work, give: Give<'_>, now: Duration) {
        let id = self.random_id();
        let gives = vec![give];
        let op = Op::LimitReturn(LimitReturn { id: &id, gives });
        self.settle(work, &op, now);
    }

    /// 16 bytes that nobody else draws: names of slots, leases and returns. They need not be secret.
    pub(crate) fn random_id(&mut self) -> [u8; 16] {
        let (high, low) = (self.rng.next_u64(), self.rng.next_u64());
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }
}

fn settled(done: bool) -> LimitEvent {
    if done {
        LimitEvent::Settled
    } else {
        LimitEvent::Unsettled
    }
}

#[cfg(test)]
mod tests;
