//! The response body of a stream: messages out, then the status as trailers.

use super::{Code, Status, message};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes that may wait for one reader. Beyond them the stream is given up: the filter then asks another
/// bridge, while a buffer without bound would take this one down for all (invariant X4).
pub const MAX_QUEUED: usize = 4 << 20;
/// Small messages that wait are joined up to this size: one DATA frame, one write.
const JOIN: usize = 16 << 10;

/// Where the owner puts what a stream shall send. Dropped without [`Outbox::end`], it ends the stream
/// as unavailable.
#[derive(Debug)]
pub struct Outbox(Arc<Mutex<Queue>>);

/// What hyper reads from.
#[derive(Debug)]
pub struct StreamBody(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    /// Bytes in `messages`, prefixes included.
    bytes: usize,
    /// How the stream ends once `messages` are sent.
    end: Option<Status>,
    /// The trailers are out, or nobody reads any more.
    done: bool,
    reader: Option<Waker>,
}

/// A connected pair.
pub fn channel() -> (Outbox, StreamBody) {
    let queue = Arc::default();
    (Outbox(Arc::clone(&queue)), StreamBody(queue))
}

/// Why a message could not be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// More than [`MAX_QUEUED`] bytes would wait.
    Full,
    /// Nobody reads any more.
    Gone,
}

impl Outbox {
    /// Queues a message.
    ///
    /// # Errors
    ///
    /// The stream must be given up after one.
    pub fn send(&self, message: Vec<u8>) -> Result<(), SendError> {
        let mut queue = lock(&self.0);
        let bytes = queue.bytes + message.len() + message::PREFIX;
        if queue.done {
            return Err(SendError::Gone);
        }
        if bytes > MAX_QUEUED {
            return Err(SendError::Full);
        }
        queue.bytes = bytes;
        queue.messages.push_back(message);
        queue.wake();
        Ok(())
    }

    /// Ends the stream once what waits is sent.
    pub fn end(self, status: Status) {
        lock(&self.0).end = Some(status);
    }

    /// Ends the stream and forgets what waits: its reader has stopped reading.
    pub fn give_up(self) {
        let mut queue = lock(&self.0);
        queue.messages = VecDeque::new();
        queue.bytes = 0;
        queue.end = Some(Some((
            Code::ResourceExhausted,
            "read too slowly".to_owned(),
        )));
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue
            .end
            .get_or_insert_with(|| Some((Code::Unavailable, "bridge stopped".to_owned())));
        queue.wake();
    }
}

impl Queue {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Waiting messages, joined; `None` when none waits.
    fn take(&mut self) -> Option<Bytes> {
        let first = self.messages.pop_front()?;
        let mut joined = BytesMut::with_capacity(first.len() + message::PREFIX);
        put(&mut joined, &first);
        while joined.len() < JOIN
            && let Some(next) = self.messages.pop_front()
        {
            put(&mut joined, &next);
        }
        self.bytes -= joined.len();
        Some(joined.freeze())
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut queue = lock(&self.0);
        if queue.done {
            return Poll::Ready(None);
        }
        if let Some(joined) = queue.take() {
            return Poll::Ready(Some(Ok(Frame::data(joined))));
        }
        if let Some(status) = queue.end.take() {
            queue.done = true;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(status)))));
        }
        queue.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).done
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.done = true;
        queue.messages = VecDeque::new();
        queue.bytes = 0;
    }
}

/// No code panics while it holds the lock, so a poisoned one holds good data.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(joined: &mut BytesMut, message: &[u8]) {
    joined.reserve(message.len() + message::PREFIX);
    joined.put_slice(&message::prefix(message.len()));
    joined.put_slice(message);
}

/// `grpc-status`, and `grpc-message` when the text is a field value.
pub fn trailers(status: Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let Some((code, text)) = status else {
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        return trailers;
    };
    trailers.insert("grpc-status", HeaderValue::from(code as u16));
    if let Ok(text) = HeaderValue::try_from(text) {
        trailers.insert("grpc-message", text);
    }
    trailers
}

#[cfg(test)]
mod tests;
