//! One direction of one connection: bytes in, faults on them, bytes out.

use super::faults::{Direction, Faults, Way};
use super::replies::Replies;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Which setting of faults: grows with each.
pub(super) type Generation = u64;

/// Pieces that are under way at once, so that a delay does not become a limit of throughput.
const PIECES: usize = 1024;

/// When the next byte of a direction of a link may pass: its connections share one rate.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits for the turn of so many bytes; in the order of the calls.
    async fn turn(&self, bytes: usize, per_s: u64) {
        if per_s == 0 {
            return;
        }
        let took = Duration::from_secs(1)
            .mul_f64(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)))
            .div_f64(per_s as f64);
        let at = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = next.map_or_else(Instant::now, |next| next.max(Instant::now())) + took;
            *next.insert(at)
        };
        tokio::time::sleep_until(at).await;
    }
}

/// One direction of one connection of a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane<'a> {
    /// The number of the connection.
    pub(super) connection: u64,
    pub(super) way: Way,
    pub(super) pace: &'a Pace,
}

/// The connection must not go on.
#[derive(Debug)]
pub(super) struct Ended;

/// Passes bytes from one side to the other until the first ends; then ends the other in order.
///
/// # Errors
/// [`Ended`] when either socket failed or a fault says so.
pub(super) async fn pump<R, W>(
    mut from: R,
    mut to: W,
    faults: watch::Receiver<(Generation, Faults)>,
    lane: Lane<'_>,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let reading = faults.clone();
    let read = async move {
        loop {
            let mut piece = vec![0; 16 * 1024];
            let length = from.read(&mut piece).await.map_err(|_| Ended)?;
            if length == 0 {
                return Ok(());
            }
            piece.truncate(length);
            let delay = {
                let faults = reading.borrow();
                let now = faults.1.of(lane.connection, lane.way);
                match random_below(now.late_one_in) {
                    0 => Duration::from_millis(now.delay_ms + random_below(now.jitter_ms)),
                    _ => Duration::ZERO,
                }
            };
            send.send((Instant::now() + delay, piece))
                .await
                .map_err(|_| Ended)?;
        }
    };
    let write = async move {
        let mut writer = Writer {
            faults,
            lane,
            generation: 0,
            passed: 0,
            replies: Replies::default(),
        };
        while let Some((due, piece)) = receive.recv().await {
            tokio::time::sleep_until(due).await;
            writer.write(&mut to, piece).await?;
        }
        // The end of the stream waits like its bytes do.
        writer.free().await?;
        to.shutdown().await.map_err(|_| Ended)
    };
    tokio::try_join!(read, write).map(|_| ())
}

struct Writer<'a> {
    faults: watch::Receiver<(Generation, Faults)>,
    lane: Lane<'a>,
    generation: Generation,
    /// Bytes since this generation began.
    passed: u64,
    /// Where replies begin and end, followed from the first byte of the connection.
    replies: Replies,
}

impl Writer<'_> {
    async fn write(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        piece: Vec<u8>,
    ) -> Result<(), Ended> {
        let replace = self.free().await?.replace;
        let piece = self.replies.alter(piece, replace.as_ref());
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let now = self.free().await?;
            // Up to where the next fault is due, so that each is looked at exactly there.
            let due = [now.drop_after, now.reset_after, now.corrupt_at];
            let until = due
                .into_iter()
                .flatten()
                .filter(|at| *at > self.passed)
                .min();
            let room = until.map_or(usize::MAX, |at| {
                usize::try_from(at - self.passed).unwrap_or(usize::MAX)
            });
            let length = if now.slice { 1 } else { rest.len().min(room) };
            let (head, tail) = rest.split_at(length);
            rest = tail;
            self.lane.pace.turn(length, now.bytes_per_s).await;
            if now.reset_after.is_some_and(|at| self.passed >= at) {
                return Err(Ended);
            }
            if now.drop_after.is_none_or(|at| self.passed < at) {
                let mut head = head.to_vec();
                if now.corrupt_at == Some(self.passed)
                    && let Some(first) = head.first_mut()
                {
                    *first = !*first;
                }
                to.write_all(&head).await.map_err(|_| Ended)?;
                to.flush().await.map_err(|_| Ended)?;
            }
            self.passed += u64::try_from(length).unwrap_or(u64::MAX);
        }
        // A reset due exactly at the end of what was sent must not wait for more.
        let now = self.free().await?;
        if now.reset_after.is_some_and(|at| self.passed >= at) {
            Err(Ended)
        } else {
            Ok(())
        }
    }

    /// Waits while the direction is stalled; what it does now.
    async fn free(&mut self) -> Result<Direction, Ended> {
        loop {
            let (generation, now) = {
                let faults = self.faults.borrow_and_update();
                let now = faults.1.of(self.lane.connection, self.lane.way);
                (faults.0, now.clone())
            };
            if generation != self.generation {
                self.generation = generation;
                self.passed = 0;
            }
            if !now.stall {
                return Ok(now);
            }
            self.faults.changed().await.map_err(|_| Ended)?;
        }
    }
}

/// 0 for 0. No randomness is no jitter.
fn random_below(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    match (bound, getrandom::fill(&mut bytes)) {
        (0, _) | (_, Err(_)) => 0,
        (bound, Ok(())) => u64::from_le_bytes(bytes) % bound,
    }
}
