//! One decision stream: its request body to the owner, message by message.

use super::{Code, Decoder, Outbox, Status};
use crate::contain;
use crate::core::ConnId;
use crate::handle::Handle;
use crate::listener::budget::Held;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// What tests make the reading of a stream panic with (faults.md, A7). It is no frame, and not in a build that ships.
#[cfg(debug_assertions)]
const TRAP: &[u8] = b"x-trap: stream";

/// Reads `body` to its end and tells the owner, who ends the response through `outbox`.
///
/// What of a message is not there yet counts in `held`. The stream is over when its request is: a filter that has closed its side waits for nothing.
pub async fn run(handle: Handle, body: Incoming, outbox: Outbox, held: Held) {
    let Some(conn) = handle.open(outbox).await else {
        return;
    };
    let read = contain::alone(read(&handle, conn, body, held)).await;
    let status = read.unwrap_or_else(|| Some((Code::Internal, "failed".to_owned())));
    if let Some((code, reason)) = &status {
        tracing::debug!(conn = conn.0, %code, %reason, "stream refused");
    }
    handle.close(conn, status).await;
}

async fn read(handle: &Handle, conn: ConnId, mut body: Incoming, mut held: Held) -> Status {
    let mut decoder = Decoder::default();
    while let Some(frame) = body.frame().await {
        // Reset by the peer or connection lost: there is nobody to tell.
        let Ok(frame) = frame else { return None };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        decoder.push(data);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    #[cfg(debug_assertions)]
                    assert!(message != TRAP, "asked to");
                    if !handle.message(conn, message).await {
                        return Some((Code::Unavailable, "bridge stopped".to_owned()));
                    }
                }
                Ok(None) => break,
                Err(error) => return Some((error.code(), error.to_string())),
            }
        }
        if held.resize(decoder.partial()).is_err() {
            let reason = "too much is being read".to_owned();
            return Some((Code::ResourceExhausted, reason));
        }
    }
    if decoder.partial() > 0 {
        return Some((
            Code::InvalidArgument,
            "stream ends inside a message".to_owned(),
        ));
    }
    None
}
