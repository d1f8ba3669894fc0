//! Visitors: they arrive at a fixed rate whatever became of those before, wait only so long, and try again.

use super::goodput::Visit;
use crate::history::Clock;
use crate::load::{Connections, Reply};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate::exchange::SplitMix64;
use tokio::sync::mpsc;

/// The longest anybody is waited for when the load ends.
const LAST: Duration = Duration::from_secs(20);

/// What somebody asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// Path and query.
    pub target: String,
    /// Fields beside `host`.
    pub fields: Vec<(&'static str, String)>,
    /// Who asks, by number: with a session, and who has none logs in first.
    pub user: Option<usize>,
}

impl Ask {
    /// This target.
    pub fn of(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            ..Self::default()
        }
    }

    /// The same with a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// How visitors behave.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// How long one waits for an answer.
    pub patience_ms: u64,
    /// How often one tries again.
    pub retries: u32,
    /// When one tries again.
    pub pause: Pause,
    /// Which statuses are what one came for.
    pub good: fn(u16) -> bool,
}

/// When somebody tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// At once, whatever was said.
    None,
    /// A moment later, whatever was said: at random, up to so many milliseconds.
    Moment(u64),
    /// Not before `Retry-After`, and up to as long again later, at random; without one after a second, two, four.
    Polite,
}

/// Draws what the next visitor asks for; whether it is stormy, which a trigger may say.
pub type Draw = fn(&mut SplitMix64, bool) -> Ask;

/// Who comes, and with what.
#[derive(Debug)]
pub struct Crowd {
    /// Visitors a second.
    pub rate: u64,
    /// How they behave.
    pub manners: Manners,
    /// What they ask for.
    pub draw: Draw,
    /// Tokens of the sessions of users.
    pub tokens: Vec<String>,
    /// Where randomness begins.
    pub seed: u64,
}

/// Visitors who come.
#[derive(Debug)]
pub struct Visitors {
    stop: Arc<AtomicBool>,
    storm: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Visit>>,
}

impl Visitors {
    /// They come to `envoys` (ports on loopback) in turn.
    pub fn start(clock: Clock, envoys: Vec<u16>, crowd: Crowd) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let storm = Arc::new(AtomicBool::new(false));
        let signs = (Arc::clone(&stop), Arc::clone(&storm));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else {
                return Vec::new();
            };
            let local = tokio::task::LocalSet::new();
            let tokens = crowd.tokens.into_iter().map(Some).collect();
            let host = Rc::new(Host {
                clock,
                manners: crowd.manners,
                connections: Connections::new(&envoys),
                tokens: RefCell::new(tokens),
            });
            let (rate, draw, random) = (crowd.rate, crowd.draw, SplitMix64::new(crowd.seed));
            local.block_on(&runtime, host.run(envoys.len(), rate, draw, random, signs))
        });
        Self {
            stop,
            storm,
            thread,
        }
    }

    /// Whether it is stormy from now on.
    pub fn storm(&self, storm: bool) {
        self.storm.store(storm, Ordering::Relaxed);
    }

    /// Nobody comes any more; what became of those who came.
    ///
    /// # Panics
    /// When the generator did.
    pub fn stop(self) -> Vec<Visit> {
        self.stop.store(true, Ordering::Relaxed);
        let done = self.thread.join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Host {
    clock: Clock,
    manners: Manners,
    connections: Connections,
    /// By user; `None`: has none, or was told so.
    tokens: RefCell<Vec<Option<String>>>,
}

impl Host {
    async fn run(
        self: Rc<Self>,
        envoys: usize,
        rate: u64,
        draw: Draw,
        mut random: SplitMix64,
        (stop, storm): (Arc<AtomicBool>, Arc<AtomicBool>),
    ) -> Vec<Visit> {
        let interval_ns = 1_000_000_000 / rate.max(1);
        let (ended, mut ends) = mpsc::unbounded_channel();
        let (mut due_ns, mut turn) = (self.clock.ns(), 0);
        while !stop.load(Ordering::Relaxed) {
            while due_ns <= self.clock.ns() {
                let ask = draw(&mut random, storm.load(Ordering::Relaxed));
                let dice = SplitMix64::new(random.next_u64());
                let (host, ended, envoy) = (Rc::clone(&self), ended.clone(), turn % envoys.max(1));
                turn += 1;
                tokio::task::spawn_local(async move {
                    let visit = host.visit(envoy, ask, due_ns, dice).await;
                    // The receiver lives until all senders are gone.
                    let _kept = ended.send(visit);
                });
                due_ns += interval_ns;
            }
            tokio::time::sleep_until(self.clock.at(due_ns).into()).await;
        }
        drop(ended);
        let mut visits = Vec::new();
        let all = async {
            while let Some(visit) = ends.recv().await {
                visits.push(visit);
            }
        };
        // Who has not ended then is not good, and not counted: the last windows are judged before.
        let _all = tokio::time::timeout(LAST, all).await;
        visits
    }

    async fn visit(&self, envoy: usize, ask: Ask, due_ns: u64, mut random: SplitMix64) -> Visit {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let reply = self.attempt(envoy, &ask).await;
            let good = reply
                .as_ref()
                .is_some_and(|r| (self.manners.good)(r.status));
            if good || attempts > self.manners.retries {
                return Visit {
                    due_ns,
                    good,
                    attempts,
                };
            }
            self.pause(attempts, reply.as_ref(), &mut random).await;
        }
    }

    /// What was answered in time.
    async fn attempt(&self, envoy: usize, ask: &Ask) -> Option<Reply> {
        let Some(user) = ask.user else {
            return self.send(envoy, ask).await;
        };
        let known = self.tokens.borrow().get(user).cloned().flatten();
        let token = match known {
            Some(token) => token,
            None => {
                let login = Ask::of(format!("/login?uid=user-{user}"));
                let reply = self.send(envoy, &login).await?;
                let Some(token) = reply.session else {
                    return Some(reply);
                };
                self.remember(user, Some(token.clone()));
                token
            }
        };
        let ask = ask.clone().with("cookie", format!("sid={token}"));
        let reply = self.send(envoy, &ask).await?;
        if reply.status == 401 {
            self.remember(user, None);
        }
        Some(reply)
    }

    fn remember(&self, user: usize, token: Option<String>) {
        if let Some(place) = self.tokens.borrow_mut().get_mut(user) {
            *place = token;
        }
    }

    async fn send(&self, envoy: usize, ask: &Ask) -> Option<Reply> {
        let patience = Duration::from_millis(self.manners.patience_ms);
        let sent = tokio::time::timeout(patience, self.connections.send(envoy, ask));
        sent.await.ok().and_then(Result::ok)
    }

    async fn pause(&self, attempts: u32, reply: Option<&Reply>, random: &mut SplitMix64) {
        let ms = match self.manners.pause {
            Pause::None => return,
            Pause::Moment(most_ms) => random.below(most_ms.max(1)),
            Pause::Polite => {
                let said = reply.and_then(|reply| reply.retry_after_s);
                let s = said.unwrap_or_else(|| 1_u64 << attempts.saturating_sub(1).min(4));
                s * 1_000 + random.below(s.max(1) * 1_000)
            }
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
