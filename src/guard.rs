//! Guards against failures that keep themselves alive after their cause is gone (metastable failures).
//!
//! The chaos suite shows for each that it is needed: with the feature `unguarded`, which no build that is shipped has,
//! those that the environment variable `TIDEGATE_UNGUARDED` names (separated by commas) are off.

/// A guard of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The breaker opens, and probes instead of asking.
    Breaker,
    /// Unary calls are capped.
    Fallback,
    /// Who is over a limit is remembered.
    Denied,
    /// A stream may take longer to be welcomed than a call may take.
    Handshake,
    /// A breaker that is open lets one exchange at a time find out, and closes after several good ones.
    Probe,
    /// Those who are refused for now are not told to come back at one time.
    Spread,
    /// A session that cannot be looked up is not said to be gone.
    Unknown,
}

/// Whether it is on.
#[cfg(not(feature = "unguarded"))]
pub(crate) const fn on(_guard: Guard) -> bool {
    true
}

/// Whether it is on.
#[cfg(feature = "unguarded")]
pub(crate) fn on(guard: Guard) -> bool {
    use std::sync::OnceLock;
    static OFF: OnceLock<String> = OnceLock::new();
    let off = OFF.get_or_init(|| std::env::var("TIDEGATE_UNGUARDED").unwrap_or_default());
    let name = match guard {
        Guard::Breaker => "breaker",
        Guard::Fallback => "fallback",
        Guard::Denied => "denied",
        Guard::Handshake => "handshake",
        Guard::Probe => "probe",
        Guard::Spread => "spread",
        Guard::Unknown => "unknown",
    };
    !off.split(',').any(|other| other == name)
}
