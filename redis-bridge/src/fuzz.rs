//! Entries of the bridge's fuzz targets: what HTTP carries to either listener. Each panics when what must hold of
//! any bytes does not. `tests/fuzz` runs them under libFuzzer; the test runs each on its seeds, on those damaged,
//! and on random bytes.

use crate::admin;
use crate::core::{BackendError, Core, CoreConfig, RequestId, Transmit, Value};
use crate::vault::Vault;
use std::time::Duration;

/// What a target runs.
pub type Entry = fn(&[u8]);

/// All targets by name; each has a program in `tests/fuzz/targets` and seeds in `tests/fuzz/seeds`.
pub const TARGETS: &[(&str, Entry)] = &[
    ("bridge_admin", fuzz_admin),
    ("bridge_exchange", fuzz_exchange),
];

/// Longer than any deadline.
const END: Duration = Duration::from_secs(120);

/// Runs the target called `name`; a name that is none runs nothing and fails.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    assert!(target.is_some(), "no fuzz target {name}");
    if let Some((_, entry)) = target {
        entry(data);
    }
}

/// A request to the admin listener, as `/path?query`, a line break, and the body: refused with a reason, or an
/// operation that ends with one answer.
pub fn fuzz_admin(data: &[u8]) {
    for op in admin::fuzz_request(data) {
        let mut life = Life::new(0);
        life.core.handle_admin(RequestId(1), &op, Duration::ZERO);
        assert_eq!(life.run(), 1, "answers");
    }
}

/// The body of `POST /v1/exchange`; how Redis answers is in the first byte. It ends with one answer, and never
/// makes a command without its script's keys.
pub fn fuzz_exchange(data: &[u8]) {
    let (how, body) = data.split_first().unwrap_or((&0, &[]));
    let mut life = Life::new(*how);
    life.core
        .handle_request(RequestId(1), body, 1000, None, Duration::ZERO);
    assert_eq!(life.run(), 1, "answers");
}

/// A core from a request to its answer.
struct Life {
    core: Core,
    how: u8,
}

impl Life {
    fn new(how: u8) -> Self {
        let mut config = CoreConfig::new("tg", "bridge-1");
        config.cluster = how & 0x80 != 0;
        let core = Core::new(config, Vault::new(&[7; 32]));
        Self { core, how }
    }

    /// Answers every batch, and lets time pass; how many answers the request had.
    fn run(&mut self) -> usize {
        let (mut now, mut answers) = (Duration::ZERO, 0);
        loop {
            while let Some(batch) = self.core.poll_batch(now) {
                assert!(!batch.commands.is_empty());
                let replies = match self.how & 3 {
                    0 => Err(BackendError::Down),
                    1 => Err(BackendError::Timeout),
                    2 => Ok(vec![Value::error(&b"OOM"[..]); batch.commands.len()]),
                    // Fewer than asked for.
                    _ => Ok(Vec::new()),
                };
                self.core.handle_replies(batch.id, replies, now);
            }
            while let Some(transmit) = self.core.poll_transmit() {
                let of = match transmit {
                    Transmit::Admin { request, .. }
                    | Transmit::Rejected { request, .. }
                    | Transmit::Response { request, .. } => Some(request),
                    _ => None,
                };
                answers += usize::from(of == Some(RequestId(1)));
            }
            match self.core.poll_timeout() {
                Some(next) if now < END => now = next.max(now + Duration::from_millis(1)),
                _ => return answers,
            }
            self.core.handle_timeout(now);
        }
    }
}

/// Where the repository is, for the test.
#[cfg(test)]
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
#[cfg(test)]
const OF_BRIDGE: bool = true;
#[cfg(test)]
#[path = "../../src/fuzz/tests.rs"]
mod tests;
