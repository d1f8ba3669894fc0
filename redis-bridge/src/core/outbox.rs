//! What waits to be sent. Frames for one stream are collected into one message until the shell polls.

use super::types::{ConnId, RequestId, Transmit};
use std::collections::{BTreeMap, VecDeque};
use tidegate::exchange::AT_ONCE;
use tidegate::wire::MAX_MESSAGE;

/// Queue of transmits, in the order they became ready.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Ready>,
    messages: BTreeMap<ConnId, VecDeque<Message>>,
}

/// Frames for one stream.
#[derive(Debug)]
struct Message {
    frames: usize,
    bytes: Vec<u8>,
}

impl Message {
    /// A worker is called back for each message, and tells no more requests than that in one callback.
    fn has_room(&self, frame: &[u8]) -> bool {
        self.frames < AT_ONCE && self.bytes.len() + frame.len() <= MAX_MESSAGE
    }
}

#[derive(Debug)]
enum Ready {
    /// The oldest message of this stream.
    Message(ConnId),
    Other(Transmit),
}

impl Outbox {
    /// Appends a frame to the stream's open message, or opens one.
    pub(super) fn frame(&mut self, conn: ConnId, encode: impl FnOnce(&mut Vec<u8>)) {
        let messages = self.messages.entry(conn).or_default();
        let mut frame = Vec::new();
        encode(&mut frame);
        match messages.back_mut() {
            Some(open) if open.has_room(&frame) => {
                open.frames += 1;
                open.bytes.extend(frame);
            }
            _ => {
                messages.push_back(Message {
                    frames: 1,
                    bytes: frame,
                });
                self.ready.push_back(Ready::Message(conn));
            }
        }
    }

    /// Anything that is no frame.
    pub(super) fn push(&mut self, transmit: Transmit) {
        self.ready.push_back(Ready::Other(transmit));
    }

    /// Forgets what was meant for a stream that is gone.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.messages.remove(&conn);
        self.ready.retain(|ready| match ready {
            Ready::Message(of) | Ready::Other(Transmit::Close { conn: of, .. }) => *of != conn,
            Ready::Other(_) => true,
        });
    }

    /// Forgets the answer to a request that is gone.
    pub(super) fn forget_request(&mut self, gone: RequestId) {
        self.ready.retain(|ready| match ready {
            Ready::Other(
                Transmit::Admin { request, .. }
                | Transmit::Rejected { request, .. }
                | Transmit::Response { request, .. },
            ) => *request != gone,
            _ => true,
        });
    }

    /// The next one.
    pub(super) fn poll(&mut self) -> Option<Transmit> {
        loop {
            match self.ready.pop_front()? {
                Ready::Other(transmit) => return Some(transmit),
                Ready::Message(conn) => {
                    let Some(messages) = self.messages.get_mut(&conn) else {
                        continue;
                    };
                    let message = messages.pop_front();
                    if messages.is_empty() {
                        self.messages.remove(&conn);
                    }
                    if let Some(Message { bytes: message, .. }) = message {
                        return Some(Transmit::Stream { conn, message });
                    }
                }
            }
        }
    }
}
