//! The body of any response.

use super::budget::Held;
use crate::grpc::StreamBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is handed out at a time: what HTTP holds for a reader that has stopped is no more than this.
const CHUNK: usize = 16 << 10;

/// Bytes at once, or a stream of messages.
#[derive(Debug)]
pub enum ReplyBody {
    /// What was not handed out yet, and what is held of a budget until then.
    Full(Bytes, Option<Held>),
    /// A gRPC stream.
    Stream(StreamBody),
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self::Full(bytes, None)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Full(bytes, _) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes, held) => {
                // A part of a large body is copied, for it would keep all of it.
                let chunk = match bytes.len() <= CHUNK {
                    true => std::mem::take(bytes),
                    false => Bytes::copy_from_slice(&bytes.split_to(CHUNK)),
                };
                if bytes.is_empty() {
                    *held = None;
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes, _) => bytes.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}
