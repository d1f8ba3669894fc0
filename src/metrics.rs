//! What is counted, under which names (DESIGN, "Metrics in Envoy").
//!
//! Counts gather here and the host writes them to Envoy in one go: a host call costs about a
//! microsecond, and a request would make five.

use crate::exchange;
use crate::policy::Config;

macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $text)),*];
        }
    };
}

events! {
    /// What an exchange came to.
    ExchangeEvent {
        /// Put on the wire.
        Sent => "sent",
        /// Answered.
        Ok => "ok",
        /// Not answered in time.
        Timeout => "timeout",
        /// Ended otherwise.
        Error => "error",
        /// Sent again because its stream closed.
        Retried => "retried",
        /// Sent as a unary call.
        Fallback => "fallback",
        /// Stores and other work no request waits for.
        Background => "background",
        /// Replies nobody waited for.
        Late => "late",
        /// Messages that were no frames.
        Malformed => "malformed",
        /// The breaker opened.
        BreakerOpened => "breaker_opened",
        /// Streams lost.
        StreamLost => "stream_lost",
    }
}

events! {
    /// What a limit said.
    LimitEvent {
        /// It fitted, and the request was admitted by all its limits.
        Allowed => "allowed",
        /// It did not fit.
        Denied => "denied",
        /// Denied from memory, without an exchange.
        DeniedLocal => "denied_local",
        /// Admitted from a lease.
        Leased => "leased",
        /// A shadow limit would have denied.
        ShadowDenied => "shadow_denied",
        /// Redis could not be asked.
        Error => "error",
        /// The request lacks a part of the key.
        Skipped => "skipped",
        /// A header that should say what the request costs says something else.
        CostInvalid => "cost_invalid",
        /// A cost that became known with the answer was charged, or what was too much given back.
        Settled => "settled",
        /// The same did not reach Redis: what was charged before is what remains.
        Unsettled => "unsettled",
        /// A slot had expired before its request was over: more were in flight than the limit.
        SlotExpired => "slot_expired",
    }
}

events! {
    /// What a session look-up said.
    SessionEvent {
        /// It lives.
        Valid => "valid",
        /// No credential, or no such session.
        Absent => "absent",
        /// Refused without a look-up.
        Rejected => "rejected",
        /// Nobody could tell.
        Unknown => "unknown",
        /// It lacks the role.
        Forbidden => "forbidden",
        /// Another site may have caused the request, and `csrf: report` let it pass.
        CrossSite => "cross_site",
        /// A login made it.
        Created => "created",
        /// A logout ended it, or its user's others.
        Ended => "ended",
        /// It got another token.
        Rotated => "rotated",
        /// Its data changed.
        Updated => "updated",
        /// A change was based on a version it no longer has: refused with 409.
        Conflict => "conflict",
        /// A change came after it had ended.
        Lost => "lost",
        /// A change could not be written.
        Error => "error",
        /// An `x-session-*` field of an answer that is not allowed there, or not of its form.
        Unheeded => "unheeded",
    }
}

events! {
    /// What a cache did.
    CacheEvent {
        /// Answered from this worker's memory.
        HitL1 => "hit_l1",
        /// Answered from Redis.
        HitL2 => "hit_l2",
        /// Answered stale.
        Stale => "stale",
        /// Not stored.
        Miss => "miss",
        /// Waited for another request's fill.
        Collapsed => "collapsed",
        /// Not looked up.
        Bypass => "bypass",
        /// Stored.
        Stored => "stored",
        /// Invalidated by an unsafe method.
        Purged => "purged",
        /// Redis could not be asked, or answered nonsense.
        Error => "error",
        /// The origin said that what is stored is still good.
        Validated => "validated",
        /// A store came too late: its lease was gone.
        Refused => "refused",
    }
}

events! {
    /// What else happened.
    RequestEvent {
        /// A broken invariant; the request was failed safely.
        Bug => "bug",
        /// Route metadata named a policy that does not exist.
        UnknownPolicy => "policy_unknown",
        /// An ambiguous path or credential was refused.
        BadRequest => "bad_request",
        /// A cross-site request was refused.
        CrossSite => "cross_site",
        /// A configuration was refused.
        ConfigRejected => "config.rejected",
        /// A configuration went live.
        ConfigApplied => "config.applied",
    }
}

/// One thing to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Of a cache, by index.
    Cache(usize, CacheEvent),
    /// Of exchanges.
    Exchange(ExchangeEvent),
    /// Of a limit, by index.
    Limit(usize, LimitEvent),
    /// Of anything else.
    Request(RequestEvent),
    /// Of a session realm, by index.
    Session(usize, SessionEvent),
}

/// Counts not yet written.
#[derive(Debug, Default)]
pub struct Metrics {
    names: Vec<String>,
    counts: Vec<u64>,
    dirty: Vec<usize>,
    limits: usize,
    sessions: usize,
    caches: usize,
    exchange: exchange::Counters,
}

impl Metrics {
    /// Counters for everything `config` names.
    pub fn new(config: &Config) -> Self {
        let mut names = Vec::new();
        names.extend(
            RequestEvent::ALL
                .iter()
                .map(|(_, e)| format!("tidegate.{e}")),
        );
        names.extend(
            ExchangeEvent::ALL
                .iter()
                .map(|(_, e)| format!("tidegate.exchange.{e}")),
        );
        let limits = names.len();
        for limit in &config.limits {
            let of = &limit.name;
            names.extend(
                LimitEvent::ALL
                    .iter()
                    .map(|(_, e)| format!("tidegate.limit.{of}.{e}")),
            );
        }
        let sessions = names.len();
        for realm in &config.sessions {
            let of = &realm.name;
            names.extend(
                SessionEvent::ALL
                    .iter()
                    .map(|(_, e)| format!("tidegate.session.{of}.{e}")),
            );
        }
        let caches = names.len();
        for cache in &config.caches {
            let of = &cache.name;
            names.extend(
                CacheEvent::ALL
                    .iter()
                    .map(|(_, e)| format!("tidegate.cache.{of}.{e}")),
            );
        }
        let counts = vec![0; names.len()];
        let (dirty, exchange) = (Vec::new(), exchange::Counters::default());
        Self {
            names,
            counts,
            dirty,
            limits,
            sessions,
            caches,
            exchange,
        }
    }

    /// Counts one.
    pub fn count(&mut self, metric: Metric) {
        self.add(metric, 1);
    }

    /// Takes over what an exchange client has counted since the last time.
    pub fn absorb(&mut self, now: exchange::Counters) {
        use ExchangeEvent as E;
        let then = core::mem::replace(&mut self.exchange, now);
        for (event, now, then) in [
            (E::Sent, now.sent, then.sent),
            (E::Ok, now.ok, then.ok),
            (E::Timeout, now.timeout, then.timeout),
            (E::Error, now.error, then.error),
            (E::Retried, now.retried, then.retried),
            (E::Fallback, now.fallback, then.fallback),
            (E::Background, now.background, then.background),
            (E::Late, now.late, then.late),
            (E::Malformed, now.malformed, then.malformed),
            (E::BreakerOpened, now.opened, then.opened),
            (E::StreamLost, now.lost, then.lost),
        ] {
            self.add(Metric::Exchange(event), now.saturating_sub(then));
        }
    }

    /// Hands over each counter that grew, with its growth, and forgets it.
    pub fn drain(&mut self, mut write: impl FnMut(usize, u64)) {
        for index in self.dirty.drain(..) {
            if let Some(count) = self.counts.get_mut(index) {
                write(index, core::mem::take(count));
            }
        }
    }

    /// Whether there is anything to write.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// All names, by index; Envoy shows them behind `wasmcustom.`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn add(&mut self, metric: Metric, n: u64) {
        let block = |start: usize, of: usize, len: usize, event: usize| {
            start
                .saturating_add(of.saturating_mul(len))
                .saturating_add(event)
        };
        let index = match metric {
            Metric::Request(e) => e as usize,
            Metric::Exchange(e) => block(RequestEvent::ALL.len(), 0, 0, e as usize),
            Metric::Limit(of, e) => block(self.limits, of, LimitEvent::ALL.len(), e as usize),
            Metric::Session(of, e) => block(self.sessions, of, SessionEvent::ALL.len(), e as usize),
            Metric::Cache(of, e) => block(self.caches, of, CacheEvent::ALL.len(), e as usize),
        };
        if n == 0 {
            return;
        }
        if let Some(count) = self.counts.get_mut(index) {
            if *count == 0 {
                self.dirty.push(index);
            }
            *count = count.saturating_add(n);
        }
    }
}

#[cfg(test)]
mod tests;
