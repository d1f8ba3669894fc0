//! The limits of the cases, and what they are written with.

use super::{Act, Ask, Limit, Step, Told};

const ANY: [u64; 2] = [0, u64::MAX];

pub(super) const fn limit(
    name: &'static str,
    algorithm: &'static str,
    limit: u64,
    window_ms: u64,
) -> Limit {
    Limit {
        name,
        algorithm,
        limit,
        window_ms,
        calendar: None,
        burst: limit,
        overridable: false,
    }
}

pub(super) static FIXED: Limit = limit("fixed", "fixed_window", 5, 4000);
pub(super) static HUGE: Limit = limit("huge", "fixed_window", 1 << 40, 4000);
pub(super) static OWN: Limit = Limit {
    overridable: true,
    ..limit("own", "fixed_window", 2, 60_000)
};
pub(super) static LEASED: Limit = limit("leased", "fixed_window", 160, 60_000);
pub(super) static DAY: Limit = Limit {
    calendar: Some("day@Europe/Berlin"),
    ..limit("day", "fixed_window", 3, 25 * 3_600_000)
};
pub(super) static SLIDING: Limit = limit("sliding", "sliding_window", 10, 4000);
pub(super) static LOG: Limit = limit("log", "sliding_window_log", 4, 3000);
/// A unit each 500 ms; holds 4.
pub(super) static BUCKET: Limit = Limit {
    burst: 4,
    ..limit("bucket", "token_bucket", 2, 1000)
};
pub(super) static OWN_BUCKET: Limit = Limit {
    burst: 2,
    overridable: true,
    ..limit("own-bucket", "token_bucket", 1, 1000)
};
/// A turn each 500 ms; waits at most 1100 ms.
pub(super) static LEAKY: Limit = Limit {
    burst: 1100,
    ..limit("leaky", "leaky_bucket", 2, 1000)
};
pub(super) static SLOTS: Limit = limit("slots", "concurrency", 2, 3000);

pub(super) const fn ask(limit: &'static Limit, cost: u64) -> Ask {
    Ask {
        limit,
        subject: "a",
        cost,
        need: None,
        force: false,
        lease: 0,
        slot: 0,
    }
}

pub(super) const fn slot(slot: u8) -> Ask {
    Ask {
        slot,
        ..ask(&SLOTS, 1)
    }
}

pub(super) const fn told(state: i64, available: u64) -> Told {
    Told {
        state,
        available: [available, available],
        reset_ms: ANY,
        retry_ms: match state {
            1 | -1 => [0, 0],
            _ => ANY,
        },
        leased: 0,
        own: 0,
    }
}

/// It fits, so many are left, and that changes then.
pub(super) const fn fits(available: u64, reset_ms: [u64; 2]) -> Told {
    Told {
        reset_ms,
        ..told(1, available)
    }
}

/// It does not fit until then.
pub(super) const fn denied(available: u64, retry_ms: [u64; 2]) -> Told {
    Told {
        retry_ms,
        ..told(0, available)
    }
}

pub(super) const fn take(
    at_ms: u64,
    admitted: bool,
    asks: &'static [Ask],
    told: &'static [Told],
) -> Step {
    Step {
        at_ms,
        act: Act::Take {
            asks,
            admitted,
            told,
        },
    }
}

pub(super) const fn back(at_ms: u64, of: usize, units: u64, given: u64) -> Step {
    Step {
        at_ms,
        act: Act::Return {
            of,
            limit: 0,
            units,
            given,
        },
    }
}

pub(super) const fn own(at_ms: u64, limit: &'static Limit, value: &'static str) -> Step {
    Step {
        at_ms,
        act: Act::Override {
            limit,
            subject: "a",
            value,
        },
    }
}
