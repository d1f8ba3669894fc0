//! The response body of a stream: messages out, then the status as trailers.

use super::{Code, Status, message};
use crate::listener::budget::{Budget, Held};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes that may wait for a reader that has stopped. Beyond them the stream is given up: the filter then asks another
/// bridge, while a buffer without bound would take this one down for all (invariant X4). Whoever reads may have more, at
/// the expense of the budget of all: a page that five hundred requests waited for is five hundred answers in one moment.
pub const MAX_QUEUED: usize = 4 << 20;
/// A reader that has taken nothing of what waits for so long has stopped.
const STOPPED: Duration = Duration::from_millis(500);
/// Bytes that may wait for a reader beside the budget of all: who reads in time never needs more for long, so
/// slow readers do not take what it is answered with.
const FREE: usize = 16 << 10;
/// What is handed out at a time: one DATA frame. Small messages are joined up to it, large ones cut, so that
/// what HTTP/2 holds for a reader that has stopped is no more than this.
const CHUNK: usize = 16 << 10;

/// Where the owner puts what a stream shall send. Dropped without [`Outbox::end`], it ends the stream
/// as unavailable.
#[derive(Debug)]
pub struct Outbox(Arc<Mutex<Queue>>);

/// What hyper reads from.
#[derive(Debug)]
pub struct StreamBody(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    /// Each with its prefix before it.
    messages: VecDeque<Vec<u8>>,
    /// Bytes of the first one that were handed out.
    handed: usize,
    /// Bytes in `messages` that were not.
    bytes: usize,
    /// When the reader took something last, or something began to wait.
    moved: Instant,
    /// Of these, what is more than [`FREE`].
    held: Held,
    /// How the stream ends once `messages` are sent.
    end: Option<Status>,
    /// The trailers are out, or nobody reads any more.
    done: bool,
    reader: Option<Waker>,
}

/// A connected pair, whose messages wait at the expense of `unread`.
pub fn channel(unread: &Budget) -> (Outbox, StreamBody) {
    let queue = Arc::new(Mutex::new(Queue {
        messages: VecDeque::new(),
        handed: 0,
        bytes: 0,
        moved: Instant::now(),
        held: unread.hold(),
        end: None,
        done: false,
        reader: None,
    }));
    (Outbox(Arc::clone(&queue)), StreamBody(queue))
}

/// Why a message could not be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// More waits for all readers together than the budget allows: the slowest has to go.
    Crowded,
    /// More than [`MAX_QUEUED`] bytes would wait, and nobody reads.
    Full,
    /// Nobody reads any more.
    Gone,
}

impl Outbox {
    /// Queues a message: it is taken, unless there is an error.
    ///
    /// # Errors
    ///
    /// The stream must be given up after one, or after [`SendError::Crowded`] another one.
    pub fn send(&self, message: &mut Vec<u8>) -> Result<(), SendError> {
        let mut queue = lock(&self.0);
        let bytes = queue.bytes + message.len() + message::PREFIX;
        if queue.done {
            return Err(SendError::Gone);
        }
        if queue.bytes == 0 {
            queue.moved = Instant::now();
        }
        if bytes > MAX_QUEUED && queue.has_stopped() {
            return Err(SendError::Full);
        }
        let over = bytes.saturating_sub(FREE);
        queue.held.resize(over).map_err(|_| SendError::Crowded)?;
        queue.bytes = bytes;
        let prefix = message::prefix(message.len());
        queue.messages.push_back(prefix.to_vec());
        queue.messages.push_back(std::mem::take(message));
        queue.wake();
        Ok(())
    }

    /// Whether the reader has stopped, and the bytes of the budget of all that wait for it.
    pub fn over(&self) -> (bool, usize) {
        let queue = lock(&self.0);
        (queue.has_stopped(), queue.bytes.saturating_sub(FREE))
    }

    /// Ends the stream once what waits is sent.
    pub fn end(self, status: Status) {
        lock(&self.0).end = Some(status);
    }

    /// Ends the stream and forgets what waits: its reader has stopped reading.
    pub fn give_up(self) {
        let mut queue = lock(&self.0);
        queue.forget();
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
    fn has_stopped(&self) -> bool {
        self.bytes > 0 && self.moved.elapsed() > STOPPED
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// The next of what waits, copied: a part of a message would keep all of it. `None` when nothing waits.
    fn take(&mut self) -> Option<Bytes> {
        let mut chunk = Vec::with_capacity(self.bytes.min(CHUNK));
        while chunk.len() < CHUNK
            && let Some(first) = self.messages.front()
        {
            let rest = first.get(self.handed..).unwrap_or_default();
            let part = &rest[..rest.len().min(CHUNK - chunk.len())];
            chunk.extend_from_slice(part);
            self.handed += part.len();
            if part.len() == rest.len() {
                self.messages.pop_front();
                self.handed = 0;
            }
        }
        if !chunk.is_empty() {
            self.moved = Instant::now();
        }
        self.bytes -= chunk.len();
        // Less than before always fits.
        let _ = self.held.resize(self.bytes.saturating_sub(FREE));
        (!chunk.is_empty()).then(|| chunk.into())
    }

    fn forget(&mut self) {
        self.messages = VecDeque::new();
        (self.handed, self.bytes) = (0, 0);
        // Nothing always fits.
        let _ = self.held.resize(0);
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
        queue.forget();
    }
}

/// No code panics while it holds the lock, so a poisoned one holds good data.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
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
