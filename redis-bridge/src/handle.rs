//! How everything else reaches the owner of the core.

use crate::core::{AdminOp, AdminReply, ConnId, RequestId, StreamInfo};
use crate::grpc::{Outbox, Status};
use crate::metrics::Metrics;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate::wire::TraceParent;
use tokio::sync::{mpsc, oneshot};

/// Events that wait for the owner, at most; whoever has one more waits with it, and so does its peer.
const QUEUE: usize = 4096;

/// Sends events to the owner.
#[derive(Debug, Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    ids: Arc<AtomicU64>,
    metrics: Metrics,
}

/// Where the owner answers a unary exchange.
pub type ExchangeAnswer = oneshot::Sender<Result<Vec<u8>, ExchangeError>>;

/// What happened.
pub enum Event {
    /// An admin operation.
    Admin(RequestId, Box<AdminOp>, oneshot::Sender<AdminReply>),
    /// Nobody waits for this request any more.
    Cancel(RequestId),
    /// A stream's request side ended, and how the response shall end.
    Close(ConnId, Status),
    /// A unary exchange: body, deadline in milliseconds, whose trace it is part of.
    Exchange(RequestId, Bytes, u32, Option<TraceParent>, ExchangeAnswer),
    /// Something has become of the object of this URL's hash (hex), which requests are held for.
    Filled(Vec<u8>),
    /// What is remembered of this subject's limits no longer holds.
    Forget([u8; 16]),
    /// A message of a stream.
    Message(ConnId, Bytes),
    /// A new stream.
    Open(ConnId, Outbox),
    /// Bridges are listened to from now on.
    Subscribed,
    /// A bridge told all bridges something.
    Told(Vec<u8>),
    /// Who is connected?
    Streams(oneshot::Sender<Vec<StreamInfo>>),
    /// A test wants a panic.
    #[cfg(debug_assertions)]
    Trap,
}

/// Why a unary exchange has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeError {
    /// The bridge is leaving.
    Leaving,
    /// The body is no sequence of operations; one line that says why.
    Rejected(String),
}

impl Handle {
    /// A handle, and where its events arrive.
    pub fn new(metrics: Metrics) -> (Self, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(QUEUE);
        let handle = Self {
            events,
            ids: Arc::default(),
            metrics,
        };
        (handle, receiver)
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes the owner of the core panic, for a test.
    #[cfg(debug_assertions)]
    pub async fn trap(&self) {
        let _ = self.events.send(Event::Trap).await;
    }

    /// A stream was opened; `None` when the owner is gone.
    pub async fn open(&self, outbox: Outbox) -> Option<ConnId> {
        let conn = ConnId(self.id());
        self.events.send(Event::Open(conn, outbox)).await.ok()?;
        Some(conn)
    }

    /// A message of a stream; false when the owner is gone.
    pub async fn message(&self, conn: ConnId, message: Bytes) -> bool {
        self.events
            .send(Event::Message(conn, message))
            .await
            .is_ok()
    }

    /// Something has become of an object that requests are held for.
    pub async fn filled(&self, hash: Vec<u8>) {
        // The owner is gone, and whoever it held with it.
        let _ = self.events.send(Event::Filled(hash)).await;
    }

    /// Bridges are listened to from now on.
    pub async fn subscribed(&self) {
        // The owner is gone, and the streams with it.
        let _ = self.events.send(Event::Subscribed).await;
    }

    /// A bridge told all bridges something.
    pub async fn told(&self, message: Vec<u8>) {
        // The same.
        let _ = self.events.send(Event::Told(message)).await;
    }

    /// What workers remember of a subject's limits no longer holds.
    pub async fn forget(&self, subject: [u8; 16]) {
        // The owner is gone, and the streams with it.
        let _ = self.events.send(Event::Forget(subject)).await;
    }

    /// A stream's request side ended.
    pub async fn close(&self, conn: ConnId, status: Status) {
        // The owner is gone: there is nothing to close.
        let _ = self.events.send(Event::Close(conn, status)).await;
    }

    /// Carries out the operations of `body`. When the caller stops waiting, so does the core.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`]; a failed operation is a value of the answer.
    pub async fn exchange(
        &self,
        body: Bytes,
        deadline_ms: u32,
        trace: Option<TraceParent>,
    ) -> Result<Vec<u8>, ExchangeError> {
        let request = RequestId(self.id());
        let (answer, answered) = oneshot::channel();
        let event = Event::Exchange(request, body, deadline_ms, trace, answer);
        let sent = self.events.send(event).await;
        sent.map_err(|_| ExchangeError::Leaving)?;
        let mut guard = Waiting::new(self, request);
        let result = answered.await;
        guard.done = true;
        result.unwrap_or(Err(ExchangeError::Leaving))
    }

    /// Carries out an admin operation; `None` when the owner is gone.
    pub async fn admin(&self, op: AdminOp) -> Option<AdminReply> {
        let request = RequestId(self.id());
        let (answer, answered) = oneshot::channel();
        let event = Event::Admin(request, Box::new(op), answer);
        self.events.send(event).await.ok()?;
        let mut guard = Waiting::new(self, request);
        // An admin operation is never cancelled: a revocation goes on when its caller hangs up.
        guard.done = true;
        answered.await.ok()
    }

    /// The workers that are connected; `None` when the owner is gone.
    pub async fn streams(&self) -> Option<Vec<StreamInfo>> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Streams(answer)).await.ok()?;
        answered.await.ok()
    }

    fn id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}

/// Counts a request as pending, and cancels it when its caller goes away first.
struct Waiting<'a> {
    handle: &'a Handle,
    request: RequestId,
    done: bool,
}

impl<'a> Waiting<'a> {
    fn new(handle: &'a Handle, request: RequestId) -> Self {
        handle.metrics.pending.inc();
        Self {
            handle,
            request,
            done: false,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.handle.metrics.pending.dec();
        if !self.done {
            // A full queue: the request ends by its deadline instead.
            let _ = self.handle.events.try_send(Event::Cancel(self.request));
        }
    }
}
