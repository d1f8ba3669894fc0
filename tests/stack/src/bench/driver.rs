//! A filter's side of a decision stream, as fast as the bridge answers: some exchanges are in flight all the time.

use crate::{Error, Result, wait};
use bytes::Bytes;
use std::fmt::{self, Display};
use std::time::Duration;
use tidegate::wire::frame::{self, Hello};
use tidegate::wire::{FromBridge, Op, PROTOCOL, ToBridge, Value};
use tokio::net::UnixStream;

/// How long the bridge may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes before each message of gRPC: a flag and the length, big endian.
const PREFIX: usize = 5;

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.streams, self.in_flight)
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Driven {
    /// Exchanges that were answered.
    pub(super) exchanges: u64,
    /// From the first to the last.
    pub(super) took: Duration,
}

/// How much is asked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pressure {
    /// Streams.
    pub(super) streams: u64,
    /// Exchanges in flight on each.
    pub(super) in_flight: u64,
}

/// Asks `op` on streams of the bridge at `unix:/path`, a message each, for so long.
///
/// # Errors
/// When the bridge does not answer, or answers with something else than values.
pub(super) fn run(
    data: &str,
    op: &Op<'_>,
    pressure: Pressure,
    duration: Duration,
) -> Result<Driven> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start the runtime"))?;
    let mut encoded = Vec::new();
    op.encode(&mut encoded);
    let path = data.trim_start_matches("unix:");
    runtime.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..pressure.streams {
            streams.push(Stream::open(path).await?);
        }
        let start = wait::now();
        let mut each = tokio::task::JoinSet::new();
        for stream in streams {
            each.spawn(drive(stream, encoded.clone(), pressure.in_flight, duration));
        }
        let mut exchanges = 0;
        while let Some(done) = each.join_next().await {
            exchanges += done.map_err(wrong)??;
        }
        Ok(Driven {
            exchanges,
            took: start.elapsed(),
        })
    })
}

/// How many exchanges were answered.
async fn drive(
    mut stream: Stream,
    encoded: Vec<u8>,
    in_flight: u64,
    duration: Duration,
) -> Result<u64> {
    let exchange = |id| {
        let mut message = Vec::new();
        frame::exchange(&mut message, id, 10_000, None, 1, &encoded);
        message
    };
    let start = wait::now();
    let (mut sent, mut answered) = (0, 0);
    while sent < in_flight {
        sent += 1;
        stream.send(&exchange(sent))?;
    }
    while answered < sent {
        let more = start.elapsed() < duration;
        for _ in 0..stream.replies().await? {
            answered += 1;
            if more {
                sent += 1;
                stream.send(&exchange(sent))?;
            }
        }
    }
    Ok(answered)
}

/// A decision stream.
struct Stream {
    send: h2::SendStream<Bytes>,
    body: h2::RecvStream,
    read: Vec<u8>,
}

impl Stream {
    /// One that was greeted.
    async fn open(path: &str) -> Result<Self> {
        let io = UnixStream::connect(path)
            .await
            .map_err(Error::io(format!("connect to {path}")))?;
        let (client, connection) = h2::client::handshake(io).await.map_err(wrong)?;
        // Ends with the stream.
        tokio::spawn(connection);
        let mut client = client.ready().await.map_err(wrong)?;
        let request = http::Request::post("http://bridge/tidegate.v1.Bridge/Exchange")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(wrong)?;
        let (response, send) = client.send_request(request, false).map_err(wrong)?;
        let response = response.await.map_err(wrong)?;
        let mut stream = Self {
            send,
            body: response.into_body(),
            read: Vec::new(),
        };
        let mut hello = Vec::new();
        let this = Hello {
            protocol: PROTOCOL,
            namespace: b"tg",
            node: b"bench",
            worker: 1,
            version: b"bench",
            digest: b"bench",
        };
        ToBridge::Hello(this).encode(&mut hello);
        stream.send(&hello)?;
        stream.replies().await?;
        Ok(stream)
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        let length = u32::try_from(message.len()).map_err(wrong)?;
        let mut bytes = Vec::with_capacity(PREFIX + message.len());
        bytes.push(0);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(message);
        self.send.send_data(bytes.into(), false).map_err(wrong)
    }

    /// How many exchanges the next message answers.
    async fn replies(&mut self) -> Result<u64> {
        let message = self.receive().await?;
        let frames = FromBridge::decode_all(&message).map_err(wrong)?;
        let mut count = 0;
        for frame in frames {
            match frame {
                FromBridge::Reply { values, .. } if matches!(values[..], [Value::Array(_)]) => {
                    count += 1;
                }
                FromBridge::Welcome { .. } => {}
                other => return Err(wrong(format!("{other:?}"))),
            }
        }
        Ok(count)
    }

    async fn receive(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(([_, length @ ..], rest)) = self.read.split_first_chunk::<PREFIX>() {
                let length = usize::try_from(u32::from_be_bytes(*length)).map_err(wrong)?;
                if rest.len() >= length {
                    let message = rest[..length].to_vec();
                    self.read.drain(..PREFIX + length);
                    return Ok(message);
                }
            }
            let next = tokio::time::timeout(PATIENCE, self.body.data()).await;
            let chunk = next.map_err(wrong)?.ok_or_else(|| wrong("the end"))?;
            let chunk = chunk.map_err(wrong)?;
            let flow = self.body.flow_control();
            flow.release_capacity(chunk.len()).map_err(wrong)?;
            self.read.extend_from_slice(&chunk);
        }
    }
}

fn wrong(got: impl Display) -> Error {
    Error::Answer {
        what: "a decision stream".into(),
        got: got.to_string().chars().take(200).collect(),
    }
}
