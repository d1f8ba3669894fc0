//! One request's life, as a sans-I/O state machine.
//!
//! [`Stream::handle`] takes an [`Input`] (what the host saw), the time and the VM's memory, and
//! returns an [`Output`]: header edits, properties for the access log, and a verdict. What is to be
//! sent to a bridge is left with [`crate::exchange::Client`].
//!
//! ```text
//! RequestHeaders ─ admit ─┬─ Continue ─────────────────────────────▶ upstream
//!                         ├─ Reply (400, 401, 403, 500: no exchange)
//!                         └─ Pause ── Answer ─ decide ─┬─ Continue ▶ upstream
//!                                        ▲     │        └─ Reply (hit, 401, 403, 429, 503)
//!                                        └─────┘ other Vary: asked again
//! ResponseHeaders ─ change ─┬─ Pause (x-session-*) ── Answer ─┬─ Reply (409, 503)
//!                           └─────────────────────────────────┴─ respond
//! respond ─┬─ Continue, the body is copied ─ end ─ store (nobody waits)
//!                            └─ Pause (unsafe method) ── Answer ── Continue
//! ```
//!
//! ## Order of calls
//!
//! `RequestHeaders` once, then `Answer` while paused, then `ResponseHeaders`, `ResponseBody`*,
//! `ResponseTrailers`?, `Done`. Envoy may cut in with a local reply of its own, or end the stream, at
//! any point; inputs that do not fit the state change nothing, count `tidegate.bug` where they prove a
//! mistake of ours, and never trap (invariants L1, X9, X10, P1).

mod admit;
mod cache_phase;
mod decide;
mod fill;
mod limit_phase;
mod request;
mod respond;
mod session_change;
mod session_phase;
mod vary_memo;

use crate::cache::NotStored;
use crate::exchange::{CallError, CallId};
use crate::http::Headers;
use crate::metrics::{Metric, RequestEvent};
use crate::policy::Routed;
use crate::vm::Vm;
use crate::wire::Value;
use cache_phase::Capture;
use core::time::Duration;
use fill::Fill;
use limit_phase::Held;
use request::Request;

pub(crate) use cache_phase::refreshed;
pub use cache_phase::{KeptBytes, MAX_REFRESHES, REFRESH_TIMEOUT, Refresh};
pub use vary_memo::VaryMemo;

/// Something the host saw.
#[derive(Debug)]
pub enum Input<'a> {
    /// A call this stream made ended.
    Answer {
        /// Which call.
        call: CallId,
        /// Its values.
        result: Result<Vec<Value<'a>>, CallError>,
    },
    /// The stream is over.
    Done,
    /// The request's headers.
    RequestHeaders(RequestHead),
    /// A piece of the response's body.
    ResponseBody {
        /// The bytes.
        chunk: &'a [u8],
        /// Nothing follows, and the body is complete.
        end: bool,
    },
    /// The response's headers: the upstream's, or a local reply's (ours too).
    ResponseHeaders {
        /// All fields, `:status` among them.
        headers: Headers,
        /// There is no body.
        end: bool,
    },
    /// The response has trailers.
    ResponseTrailers,
}

/// A request's headers and what Envoy knows beside them.
#[derive(Debug)]
pub struct RequestHead {
    /// All fields, pseudo-headers among them.
    pub headers: Headers,
    /// There is no body.
    pub end: bool,
    /// The peer's address as Envoy prints it; empty where [`Vm::wants_peer`] says no.
    pub peer: Vec<u8>,
    /// What [`Vm::route`] said of it.
    pub routed: Routed,
}

/// What the host shall do.
#[derive(Debug, Default)]
pub struct Output {
    /// The request's headers as they shall be.
    pub request: Option<Headers>,
    /// The response's headers as they shall be.
    pub response: Option<Headers>,
    /// For the access log.
    pub properties: Vec<(Property, Vec<u8>)>,
    /// How to go on.
    pub verdict: Verdict,
    /// Another request to this one's upstream, in the background. [`Vm::refreshed`] takes its answer.
    pub refresh: Option<Box<Refresh>>,
    /// What a `Continue` after a pause resumes.
    pub resume: Option<Direction>,
}

/// How to go on.
#[derive(Debug, Default)]
pub enum Verdict {
    /// Let it pass; after a pause: resume.
    #[default]
    Continue,
    /// Hold it until an answer comes.
    Pause,
    /// Answer in the upstream's place. At most once per stream.
    Reply(LocalReply),
}

/// An answer of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Which half of the stream is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// On its way to the upstream.
    Request,
    /// On its way to the client.
    Response,
}

/// What the access log can print: `%FILTER_STATE(wasm.<name>:PLAIN)%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// What the cache did.
    Cache,
    /// The limit that denied.
    Limit,
    /// The policy.
    Policy,
    /// The session's handle.
    Session,
    /// Why the request was refused; not set when it was not.
    Verdict,
}

impl Property {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "tidegate.cache",
            Self::Limit => "tidegate.limit",
            Self::Policy => "tidegate.policy",
            Self::Session => "tidegate.session",
            Self::Verdict => "tidegate.verdict",
        }
    }
}

/// One request.
#[derive(Debug, Default)]
pub struct Stream {
    state: State,
    held: Held,
    fill: Fill,
}

#[derive(Debug, Default)]
enum State {
    /// We answered, or Envoy did in our place: whatever comes is left alone.
    Answered,
    /// Paused in the request's headers.
    Asking { request: Box<Request>, call: CallId },
    /// Over.
    Done,
    /// Paused in the response's headers until what it does to a session is written.
    Changing {
        call: CallId,
        waiting: Box<session_change::Waiting>,
    },
    /// Gone upstream under a policy.
    Forwarded(Box<Request>),
    /// Nothing seen yet.
    #[default]
    Fresh,
    /// Gone upstream without a policy.
    Passing,
    /// Paused in the response's headers until an invalidation is done.
    Purging {
        call: CallId,
        cache: usize,
        headers: Option<Headers>,
    },
    /// The response's body is copied for the cache.
    Receiving(Box<Capture>),
}

/// What a phase needs beside the request.
pub(crate) struct Ctx<'v> {
    context: u32,
    now: Duration,
    vm: &'v mut Vm,
    /// What the stream owes its limits.
    held: &'v mut Held,
    /// What the stream owes those who wait for what it fills.
    fill: &'v mut Fill,
}

impl Stream {
    /// Feeds an input; `context` is the host's id of this stream.
    pub fn handle(&mut self, context: u32, input: Input<'_>, now: Duration, vm: &mut Vm) -> Output {
        let mut ctx = Ctx {
            context,
            now,
            vm,
            held: &mut self.held,
            fill: &mut self.fill,
        };
        let mut output = Output::default();
        let state = core::mem::take(&mut self.state);
        self.state = match (state, input) {
            (_, Input::Done) => {
                limit_phase::ended(&mut ctx);
                fill::ended(&mut ctx);
                State::Done
            }
            (State::Fresh, Input::RequestHeaders(head)) => {
                admit::admit(head, &mut ctx, &mut output)
            }
            (
                State::Asking { request, call },
                Input::Answer {
                    call: answered,
                    result,
                },
            ) if call == answered => {
                output.resume = Some(Direction::Request);
                decide::decide(request, result, &mut ctx, &mut output)
            }
            (
                State::Purging {
                    call,
                    cache,
                    headers,
                },
                Input::Answer {
                    call: answered,
                    result,
                },
            ) if call == answered => {
                output.resume = Some(Direction::Response);
                respond::purged(cache, headers, result, &mut ctx, &mut output)
            }
            (
                State::Changing { waiting, call },
                Input::Answer {
                    call: answered,
                    result,
                },
            ) if call == answered => {
                output.resume = Some(Direction::Response);
                session_change::answered(*waiting, result, &mut ctx, &mut output)
            }
            (State::Forwarded(request), Input::ResponseHeaders { headers, end }) => {
                respond::respond(request, headers, end, &mut ctx, &mut output)
            }
            // A local reply of Envoy's own, before the request reached us or while it was paused.
            (
                State::Fresh | State::Asking { .. } | State::Passing,
                Input::ResponseHeaders { headers, .. },
            ) => {
                output.response = respond::without_reserved(headers);
                State::Answered
            }
            (State::Receiving(capture), Input::ResponseBody { chunk, end }) => {
                capture.body(chunk, end, &mut ctx)
            }
            // Trailers cannot be stored with the rest (RFC 9111, 3: "complete").
            (State::Receiving(_), Input::ResponseTrailers) => {
                fill::not_stored(NotStored::Framing, 200, &mut ctx);
                State::Answered
            }
            (
                state @ (State::Answered | State::Done | State::Passing),
                Input::ResponseHeaders { .. }
                | Input::ResponseBody { .. }
                | Input::ResponseTrailers
                | Input::Answer { .. },
            ) => state,
            // A stale answer to a call that was replaced.
            (
                state @ (State::Asking { .. } | State::Changing { .. } | State::Purging { .. }),
                Input::Answer { .. },
            ) => {
                output.verdict = Verdict::Pause;
                state
            }
            (state, _) => {
                ctx.vm.metrics.count(Metric::Request(RequestEvent::Bug));
                if state.is_paused() {
                    output.verdict = Verdict::Pause;
                }
                state
            }
        };
        output
    }

    /// Whether the response's body has to be seen.
    pub fn wants_body(&self) -> bool {
        matches!(self.state, State::Receiving(_))
    }

    /// Whether the response's headers have to be seen: those of an answer of ours are what they shall be.
    pub fn wants_response(&self) -> bool {
        !matches!(self.state, State::Answered | State::Done)
    }

    /// Whether the stream waits for an answer.
    pub fn is_paused(&self) -> bool {
        self.state.is_paused()
    }
}

impl State {
    fn is_paused(&self) -> bool {
        matches!(
            self,
            Self::Asking { .. } | Self::Changing { .. } | Self::Purging { .. }
        )
    }
}

#[cfg(test)]
mod tests;
