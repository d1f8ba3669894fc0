//! Marks: proof that a run met what it was meant to meet.

use std::collections::BTreeMap;

/// How often each thing happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

/// What must have happened at least once over all seeds, or the seeds prove nothing.
pub const REQUIRED: &[&str] = &[
    "admin_purge_acked",
    "breaker_opened",
    "bridge_crashed",
    "bridge_frozen",
    "cache_hit",
    "change_conflict",
    "change_failed",
    "change_lost",
    "client_hung_up",
    "close_duplicated",
    "compensated",
    "denied",
    "denied_local",
    "ended_out_of_turn",
    "ended_unsent",
    "exchange_duplicated_by_retry",
    "fallback_post",
    "forged_token",
    "forgotten",
    "half_open",
    "fleet_gap",
    "invalidate_during_fill",
    "invalidation_final_by_time",
    "invalidation_unacknowledged",
    "l1_hit",
    "late_reply_dropped",
    "lease_granted",
    "lease_returned",
    "leased",
    "limit_reset",
    "loading",
    "local_denied",
    "logged_in",
    "logged_out",
    "logout_repeated",
    "paced",
    "probe_of_its_own",
    "redis_command_failed",
    "redis_crashed",
    "redis_paused",
    "redis_ran_after_timeout",
    "refreshed_in_background",
    "reload_with_pending",
    "reply_for_gone_request",
    "retry_charged_twice",
    "retry_happened",
    "revoke_during_lookup",
    "rotated",
    "session_expired",
    "session_unknown_503",
    "session_valid",
    "settled",
    "slot_expired",
    "slot_released",
    "slots_full",
    "store_refused",
    "stored",
    "stream_closed_with_pending",
    "stream_reset",
    "stream_stalled",
    "surplus_returned",
    "swap_with_pending",
    "timeout",
    "updated",
    "upstream_aborted",
    "vary_asked_again",
];

impl Marks {
    /// Counts one.
    pub fn hit(&mut self, mark: &'static str) {
        self.add(mark, 1);
    }

    /// Counts several.
    pub fn add(&mut self, mark: &'static str, n: u64) {
        if n > 0 {
            *self.0.entry(mark).or_default() += n;
        }
    }

    /// How often.
    pub fn count(&self, mark: &str) -> u64 {
        self.0.get(mark).copied().unwrap_or(0)
    }

    /// Takes over another run's.
    pub fn merge(&mut self, other: &Self) {
        for (mark, n) in &other.0 {
            self.add(mark, *n);
        }
    }

    /// Those of [`REQUIRED`] that never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        let never = |mark: &&&str| self.count(mark) == 0;
        REQUIRED.iter().filter(never).copied().collect()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(mark, n)| (*mark, *n))
    }
}
