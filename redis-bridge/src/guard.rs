//! Guards against failures that keep themselves alive after their cause is gone (metastable failures); as in the
//! filter, and for the same suite.

/// A guard of the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// What nobody waits for any more is dropped before Redis sees it.
    Deadline,
    /// A connection is late when others have overtaken it for a while, not with their first answer; those that are
    /// late are made anew one after the other.
    Patience,
    /// Scripts that Redis has are not sent again with each connection.
    Scripts,
    /// No more is out with Redis than it does without queueing; of what waits, the newest is served.
    Window,
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
        Guard::Deadline => "deadline",
        Guard::Patience => "patience",
        Guard::Scripts => "scripts",
        Guard::Window => "window",
    };
    !off.split(',').any(|other| other == name)
}
