//! Many clients at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidegate_stack::http::{Client, Request, Response};
use tidegate_stack::wait;

/// Runs `each` on `n` threads that all start at the same moment; their results, in order.
///
/// # Panics
/// When one of them does.
pub fn crowd<T: Send>(n: usize, each: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(n);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n)
            .map(|i| {
                let (start, each) = (&start, &each);
                scope.spawn(move || {
                    start.wait();
                    each(i)
                })
            })
            .collect();
        let joined = threads.into_iter().map(|t| t.join());
        joined
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// What became of a load's requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many answers had each status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer; at most 100 are kept.
    pub errors: Vec<String>,
    /// How many requests there were.
    pub total: u64,
}

impl Tally {
    /// Counts one result.
    pub fn add(&mut self, result: &tidegate_stack::Result<Response>) {
        self.total += 1;
        match result {
            Ok(answer) => *self.statuses.entry(answer.status).or_insert(0) += 1,
            Err(error) if self.errors.len() < 100 => self.errors.push(error.to_string()),
            Err(_) => {}
        }
    }

    /// Answers with that status.
    pub fn of(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Requests that did not end with that status.
    pub fn other_than(&self, status: u16) -> u64 {
        self.total - self.of(status)
    }

    fn merge(mut self, other: Self) -> Self {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_insert(0) += count;
        }
        self.errors.extend(other.errors);
        self.total += other.total;
        self
    }
}

/// Clients that send one request after the other, each on a connection of its own, until told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Tally>>,
}

/// How long a load may take for what is waited for: far more than it needs on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

impl Load {
    /// Starts `n` clients; client `i` goes to `addresses[i % len]` and sends what `request` makes of its number
    /// and the request's.
    pub fn start(
        addresses: &[String],
        n: usize,
        request: impl Fn(usize, u64) -> Request + Send + Sync + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicU64::new(0));
        let request = Arc::new(request);
        let clients = addresses
            .iter()
            .cycle()
            .take(n)
            .enumerate()
            .map(|(i, address)| {
                let (stop, ended) = (Arc::clone(&stop), Arc::clone(&ended));
                let request = Arc::clone(&request);
                let mut client = Client::new(address);
                thread::spawn(move || {
                    let mut tally = Tally::default();
                    while !stop.load(Ordering::Relaxed) {
                        tally.add(&client.send(&request(i, tally.total)));
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                    tally
                })
            });
        let clients = clients.collect();
        Self {
            stop,
            ended,
            clients,
        }
    }

    /// Waits until `n` requests have ended since it began. What a test proves must not hang on how many requests
    /// a busy machine answers in a second.
    ///
    /// # Panics
    /// When they have not after a minute.
    pub fn reaches(&self, n: u64) {
        wait::until("the load's requests end", PATIENCE, || {
            match self.ended.load(Ordering::Relaxed) {
                ended if ended >= n => Ok(()),
                ended => Err(format!("{ended} of {n}")),
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until `n` more requests have ended.
    ///
    /// # Panics
    /// When they have not after a minute.
    pub fn goes_on(&self, n: u64) {
        self.reaches(self.ended.load(Ordering::Relaxed) + n);
    }

    /// Stops them and adds up.
    ///
    /// # Panics
    /// When a client did.
    pub fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.clients.into_iter().map(JoinHandle::join);
        joined
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .fold(Tally::default(), Tally::merge)
    }
}
