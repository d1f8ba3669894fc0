//! The streams of workers: who they are, and what each is waiting for.

use super::types::ConnId;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate::wire::frame::Hello;
use tidegate::wire::{OLDEST_PROTOCOL, PROTOCOL};

/// A worker's stream, as its HELLO described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Which stream.
    pub conn: ConnId,
    /// Envoy's node id; bytes that are not UTF-8 are replaced.
    pub node: String,
    /// Tells workers of a node apart.
    pub worker: u64,
    /// Version of the filter.
    pub version: String,
    /// Digest of the live policy.
    pub digest: String,
    /// When the HELLO came, on the shell's monotonic clock.
    pub since: Duration,
}

/// All open streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<ConnId, Stream>,
}

/// One open stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) info: Option<StreamInfo>,
    /// Exchange by the id the filter chose.
    pub(super) pending: BTreeMap<u64, u64>,
}

impl Streams {
    pub(super) fn open(&mut self, conn: ConnId) {
        self.open.entry(conn).or_default();
    }

    pub(super) fn close(&mut self, conn: ConnId) -> Option<Stream> {
        self.open.remove(&conn)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Stream> {
        self.open.get_mut(&conn)
    }

    /// Streams whose HELLO was accepted.
    pub(super) fn greeted(&self) -> impl Iterator<Item = &StreamInfo> {
        self.open.values().filter_map(|stream| stream.info.as_ref())
    }
}

/// Checks a HELLO. An error is the reason for the log of whoever sent it.
pub(super) fn greet(
    conn: ConnId,
    hello: &Hello<'_>,
    namespace: &str,
    now: Duration,
) -> Result<StreamInfo, String> {
    let known = (OLDEST_PROTOCOL..=PROTOCOL).contains(&hello.protocol);
    if !known || hello.namespace != namespace.as_bytes() {
        // Cut: the peer's namespace is printed, and it has no bound of its own.
        let theirs: String = text(hello.namespace).chars().take(64).collect();
        return Err(format!(
            "this bridge speaks protocol {OLDEST_PROTOCOL} to {PROTOCOL} for namespace {namespace:?}, the \
             filter protocol {} for namespace {theirs:?}",
            hello.protocol
        ));
    }
    if hello.node.len() > 256 || hello.version.len() > 64 || hello.digest.len() > 128 {
        return Err("a text of the HELLO is too long".to_owned());
    }
    Ok(StreamInfo {
        conn,
        node: text(hello.node),
        worker: hello.worker,
        version: text(hello.version),
        digest: text(hello.digest),
        since: now,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
