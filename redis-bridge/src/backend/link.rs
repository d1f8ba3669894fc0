//! One connection that is replaced when it breaks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

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
}

impl<C: Clone> Link<C> {
    /// No connection yet.
    pub fn new() -> Self {
        let current = Mutex::new(Current {
            generation: 0,
            connection: None,
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
        current.generation
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
