//! Open-loop load: requests arrive when they are due, whatever became of those before.
//!
//! A closed loop sends less when answers are late, and so hides what a fault costs ("coordinated omission").
//! Here a request that finds no idle connection opens another one.

mod capacity;
mod client;
mod connections;
mod envoy;
mod herd;
mod mix;

pub use client::{PATIENCE, Proxies};
pub(crate) use connections::{Connections, Reply};
pub(crate) use envoy::say;
pub(crate) use herd::{Answers, Herd};
pub use mix::{Mix, Targets, URLS, target};

use crate::history::{Answer, Clock, Record};
use client::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Load that is under way.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    interval_ns: Arc<AtomicU64>,
    thread: JoinHandle<Generated>,
}

/// What a load sent.
#[derive(Debug, Default)]
pub struct Generated {
    /// Its requests, in the order of their ends.
    pub records: Vec<Record>,
    /// How late arrivals were that were among the latest 1 %, ns.
    pub late_ns: u64,
    /// Requests, with those that never ended.
    pub sent: u64,
}

impl Load {
    /// Starts `rate` requests a second over `proxies`, drawn from `mix`.
    pub fn start(clock: Clock, proxies: Proxies, rate: u64, mix: Mix) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let interval_ns = Arc::new(AtomicU64::new(interval(rate)));
        let (ending, pace) = (Arc::clone(&stop), Arc::clone(&interval_ns));
        let thread = std::thread::spawn(move || {
            on_this_thread(run(clock, proxies, mix, &pace, &ending)).unwrap_or_default()
        });
        Self {
            stop,
            interval_ns,
            thread,
        }
    }

    /// Changes how many arrive in a second.
    pub fn rate(&self, rate: u64) {
        self.interval_ns.store(interval(rate), Ordering::Relaxed);
    }

    /// Sends no more, waits for what is on its way.
    ///
    /// # Panics
    /// When the generator did.
    pub fn stop(self) -> Generated {
        self.stop.store(true, Ordering::Relaxed);
        let done = self.thread.join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Requests a second that `proxies` decide when they are given all they can do.
///
/// # Errors
/// When there is no runtime for it.
pub fn capacity(clock: Clock, proxies: &Proxies, mix: Mix) -> std::io::Result<u64> {
    on_this_thread(capacity::measure(clock, proxies, mix))
}

/// A load needs one thread, and what it spawns stays on it.
fn on_this_thread<T>(load: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, load))
}

fn interval(rate: u64) -> u64 {
    1_000_000_000 / rate.max(1)
}

async fn run(
    clock: Clock,
    proxies: Proxies,
    mut mix: Mix,
    interval_ns: &AtomicU64,
    stop: &AtomicBool,
) -> Generated {
    let pool = Pool::new(clock, &proxies);
    let (ended, mut ends) = mpsc::unbounded_channel::<Record>();
    let mut late = Vec::new();
    let mut due_ns = clock.ns();
    let mut turn = 0_usize;
    while !stop.load(Ordering::Relaxed) {
        let now = clock.ns();
        while due_ns <= now {
            late.push(now - due_ns);
            let way = turn;
            turn += 1;
            let (asked, request) = mix.draw();
            let (pool, ended) = (pool.clone(), ended.clone());
            tokio::task::spawn_local(async move {
                let record = pool.send(way, asked, request, due_ns).await;
                // The receiver lives until all senders are gone.
                let _kept = ended.send(record);
            });
            due_ns += interval_ns.load(Ordering::Relaxed);
        }
        tokio::time::sleep_until(clock.at(due_ns).into()).await;
    }
    drop(ended);
    let mut records = Vec::new();
    let last = tokio::time::timeout(PATIENCE + Duration::from_secs(1), async {
        while let Some(record) = ends.recv().await {
            records.push(record);
        }
    });
    // Whoever has not ended then is not going to: its record is missing, and liveness counts them.
    let _all = last.await;
    let sent = u64::try_from(late.len()).unwrap_or(u64::MAX);
    late.sort_unstable();
    let late_ns = late.get(late.len() * 99 / 100).copied().unwrap_or(0);
    Generated {
        records,
        late_ns,
        sent,
    }
}
