//! One connection that is replaced when it breaks.

use crate::guard::{self, Guard};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection with a pipeline that waits for longer takes no other one while there is one without: what is asked
/// behind a late reply is late too. A script takes Redis less than a millisecond.
const LATE: Duration = Duration::from_millis(10);
/// When Redis has answered for that long on another connection what was asked later, it is the connection that is late,
/// and it is given up. Not at the first such answer: after a stall of Redis it answers all of them, in any order.
const STUCK: Duration = Duration::from_millis(20);
/// When every connection waits for that long one of them is made anew: Redis may be slow, but packets may be lost too,
/// and of what a connection loses the first retransmission alone takes 200 ms (RFC 6298, and Linux' least).
const SILENT: Duration = Duration::from_millis(250);

/// Holds the connection in use, if there is one.
///
/// A connection that failed or let a deadline pass is *retired*: no new pipeline gets it, and it is
/// closed when the last pipeline on it has ended. That is why no reply can reach another caller
/// (invariant X2): redis-rs hands replies out by their order on one connection, a pipeline that gave up
/// keeps its place in that order (its replies are counted and thrown away), and what comes after it is
/// asked on another connection.
#[derive(Debug)]
pub struct Link<C> {
    current: Mutex<Current<C>>,
    retired: Notify,
}

#[derive(Debug)]
struct Current<C> {
    generation: u64,
    connection: Option<C>,
    /// When each pipeline was sent that is not answered, by its number.
    out: BTreeMap<u64, Instant>,
    sent: u64,
    /// The oldest pipeline when another connection answered first what was asked after it, and since when that is so.
    passed: Option<(u64, Instant)>,
    stuck: bool,
}

/// A pipeline that is out; it ends with this, also when nobody waits for it any more.
#[derive(Debug)]
pub struct Flight<'a, C: Clone> {
    link: &'a Link<C>,
    generation: u64,
    number: u64,
}

impl<C: Clone> Drop for Flight<'_, C> {
    fn drop(&mut self) {
        let mut current = self.link.lock();
        if current.generation == self.generation {
            current.out.remove(&self.number);
        }
    }
}

impl<C: Clone> Link<C> {
    /// No connection yet.
    pub fn new() -> Self {
        let current = Mutex::new(Current {
            generation: 0,
            connection: None,
            out: BTreeMap::new(),
            sent: 0,
            passed: None,
            stuck: false,
        });
        Self {
            current,
            retired: Notify::new(),
        }
    }

    /// The connection in use and its generation.
    pub fn get(&self) -> Option<(u64, C)> {
        let current = self.lock();
        let connection = current.connection.clone()?;
        Some((current.generation, connection))
    }

    /// Puts a connection to use; returns its generation.
    pub fn install(&self, connection: C) -> u64 {
        let mut current = self.lock();
        current.generation += 1;
        current.connection = Some(connection);
        current.out.clear();
        current.passed = None;
        current.stuck = false;
        current.generation
    }

    /// A pipeline is sent on the connection of `generation`.
    pub fn sends(&self, generation: u64, now: Instant) -> Flight<'_, C> {
        let mut current = self.lock();
        current.sent += 1;
        let number = current.sent;
        if current.generation == generation {
            current.out.insert(number, now);
        }
        Flight {
            link: self,
            generation,
            number,
        }
    }

    /// Whether a pipeline has been waiting for long: another connection is better.
    pub fn is_late(&self, now: Instant) -> bool {
        let current = self.lock();
        let oldest = current.out.values().next();
        oldest.is_some_and(|sent| now.duration_since(*sent) >= LATE)
    }

    /// Redis has answered on another connection what was sent at `sent`: when what was sent before on this one has been
    /// overtaken for long, the connection is retired, and what waits on it goes on waiting. True then.
    pub fn overtaken(&self, sent: Instant, now: Instant) -> bool {
        let mut current = self.lock();
        // Numbers are given in the order of time.
        let oldest = current.out.first_key_value();
        let Some((&number, _)) = oldest.filter(|(_, own)| **own < sent) else {
            return false;
        };
        match current.passed {
            Some((of, since)) if of == number => {
                now.duration_since(since) >= STUCK && self.give_up(&mut current)
            }
            _ => {
                current.passed = Some((number, now));
                !guard::on(Guard::Patience) && self.give_up(&mut current)
            }
        }
    }

    /// The other connections are late too: when a pipeline on this one waits for very long, the connection is retired
    /// as if it had been overtaken. True then.
    pub fn silent(&self, now: Instant) -> bool {
        let mut current = self.lock();
        let oldest = current.out.values().next();
        let long = oldest.is_some_and(|sent| now.duration_since(*sent) >= SILENT);
        long && self.give_up(&mut current)
    }

    fn give_up(&self, current: &mut Current<C>) -> bool {
        let had = current.connection.take().is_some();
        if had {
            current.stuck = true;
            self.retired.notify_one();
        }
        had
    }

    /// Whether the last connection was retired because it was late, not because it broke.
    pub fn was_stuck(&self) -> bool {
        self.lock().stuck
    }

    /// Takes the connection of `generation` out of use; a newer one stays.
    pub fn retire(&self, generation: u64) {
        let mut current = self.lock();
        if current.generation == generation && current.connection.take().is_some() {
            self.retired.notify_one();
        }
    }

    /// Waits until the connection in use is retired.
    pub async fn wait_retired(&self) {
        while self.lock().connection.is_some() {
            self.retired.notified().await;
        }
    }

    /// No code panics while it holds the lock, so a poisoned one holds good data.
    fn lock(&self) -> MutexGuard<'_, Current<C>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clone> Default for Link<C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
