//! What the filter that makes a bare exchange is told to send: what the row of one limit sends.

use tidegate::wire::frame::Hello;
use tidegate::wire::op::{Take, TakeOptions};
use tidegate::wire::{Op, PROTOCOL, ToBridge};

/// An hour, so that no window ends while it is measured.
const WINDOW_US: u64 = 3_600_000_000;
const LIMIT: u64 = 1_000_000_000;

/// The plugin's configuration: `exchange CLUSTER HELLO OPERATION`.
pub(super) fn configuration() -> String {
    let hello = ToBridge::Hello(Hello {
        protocol: PROTOCOL,
        namespace: b"tg",
        node: b"bare",
        worker: 1,
        version: b"0",
        digest: b"bare",
    });
    let take = Op::LimitTake(vec![Take {
        algorithm: b"fixed_window",
        subject: b"a bare exchange.",
        id: b"bareline",
        limit: LIMIT,
        window_us: WINDOW_US,
        burst: LIMIT,
        cost: 1,
        options: TakeOptions::default(),
    }]);
    let (mut first, mut operation) = (Vec::new(), Vec::new());
    hello.encode(&mut first);
    take.encode(&mut operation);
    let word = tidegate_noop::EXCHANGE;
    format!(
        "{word} redis-bridge {} {}",
        digits(&first),
        digits(&operation)
    )
}

fn digits(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
