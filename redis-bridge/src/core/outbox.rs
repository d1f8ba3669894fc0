//! What waits to be sent. Frames for one stream are collected into one message until the shell polls.

use super::types::{ConnId, RequestId, Transmit};
use std::collections::{BTreeMap, VecDeque};
use tidegate::wire::MAX_MESSAGE;

/// Queue of transmits, in the order they became ready.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Ready>,
    messages: BTreeMap<ConnId, VecDeque<Vec<u8>>>,
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
            Some(open) if open.len() + frame.len() <= MAX_MESSAGE => open.extend(frame),
            _ => {
                messages.push_back(frame);
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
                    if let Some(message) = message {
                        return Some(Transmit::Stream { conn, message });
                    }
                }
            }
        }
    }
}
