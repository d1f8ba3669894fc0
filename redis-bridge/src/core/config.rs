//! What a core is told once, at start.

use std::time::Duration;

/// Constant facts of one bridge process.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// First segment of every Redis key; a HELLO with another one is refused.
    pub namespace: String,
    /// A random text per process: what WELCOME carries, and part of every compensation's id.
    pub bridge_id: String,
    /// The cache lives in the state Redis, so both roles share one batch.
    pub shared: bool,
    /// Redis is a Cluster: a script's keys must share a hash tag, so limits of different subjects
    /// take several calls.
    pub cluster: bool,
    /// Sessions of one user, at most; one more revokes the oldest.
    pub sessions_per_user: u32,
    /// Bounds of everything that queues.
    pub bounds: Bounds,
    /// What becomes of traced exchanges is remembered until it is polled.
    pub traces: bool,
}

/// Bounds on bytes and items (invariant X4). What is over one of them is answered `-BUSY` at once.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Exchanges and admin operations accepted and not yet finished with Redis.
    pub pending_items: usize,
    /// Bytes of their messages.
    pub pending_bytes: usize,
    /// Operations of one exchange.
    pub ops_per_exchange: usize,
    /// Commands of one batch; the rest waits for the next one.
    pub commands_per_batch: usize,
    /// Batches of one role handed out and not yet answered.
    pub batches_in_flight: usize,
    /// Longest deadline granted to an exchange.
    pub longest_deadline: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            pending_items: 16_384,
            pending_bytes: 64 << 20,
            ops_per_exchange: 64,
            commands_per_batch: 1024,
            batches_in_flight: 16,
            longest_deadline: Duration::from_secs(60),
        }
    }
}

impl CoreConfig {
    /// A standalone Redis for both roles, default bounds.
    pub fn new(namespace: impl Into<String>, bridge_id: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            bridge_id: bridge_id.into(),
            shared: true,
            cluster: false,
            sessions_per_user: 20,
            bounds: Bounds::default(),
            traces: false,
        }
    }
}
