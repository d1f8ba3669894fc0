//! What people do meanwhile: end sessions, create others, purge URLs, through the admin API of one bridge or the
//! other, whatever is broken.

use crate::history::{Act, Clock, Purge, Session};
use crate::load::{Targets, URLS};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_e2e::{Client, Request, Response};

/// Sessions that live at a time.
pub const LIVING: usize = 60;
/// Between two acts.
const PAUSE: Duration = Duration::from_millis(150);
/// How long an act may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the operators turn to.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Admin APIs.
    pub admins: Vec<String>,
    /// Their credential.
    pub token: String,
    /// The sample upstream.
    pub upstream: String,
    /// `host:port` of the proxy as the purged URLs name it.
    pub authority: String,
}

/// Operators at work.
#[derive(Debug)]
pub struct Operators {
    stop: Arc<AtomicBool>,
    sessions: JoinHandle<Vec<Session>>,
    purges: JoinHandle<Vec<Purge>>,
}

impl Operators {
    /// Creates the first sessions, then goes on in the background.
    ///
    /// # Errors
    /// When the first sessions cannot be created.
    pub fn start(clock: Clock, doors: &Doors, targets: &Targets) -> tidegate_stack::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut keeper = Keeper {
            clock,
            desk: Desk::new(doors),
            targets: targets.clone(),
            all: Vec::new(),
            living: Vec::new(),
        };
        for _ in 0..LIVING {
            keeper.create()?;
        }
        let purger = (Desk::new(doors), Client::new(&doors.upstream));
        let authority = doors.authority.clone();
        let (ending, ending_too) = (Arc::clone(&stop), Arc::clone(&stop));
        Ok(Self {
            stop,
            sessions: std::thread::spawn(move || keeper.run(&ending)),
            purges: std::thread::spawn(move || purge(clock, purger, &authority, &ending_too)),
        })
    }

    /// Ends their work; what they did.
    ///
    /// # Panics
    /// When one of them did.
    pub fn stop(self) -> (Vec<Session>, Vec<Purge>) {
        self.stop.store(true, Ordering::Relaxed);
        let sessions = self.sessions.join();
        let purges = self.purges.join();
        (
            sessions.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            purges.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    }
}

/// The admin APIs, asked in turn.
struct Desk {
    clients: Vec<Client>,
    credential: String,
    turn: usize,
}

impl Desk {
    fn new(doors: &Doors) -> Self {
        let client = |address: &String| Client::new(address).timeout(PATIENCE);
        Self {
            clients: doors.admins.iter().map(client).collect(),
            credential: format!("Bearer {}", doors.token),
            turn: 0,
        }
    }

    fn ask(&mut self, request: Request) -> tidegate_stack::Result<Response> {
        self.turn = (self.turn + 1) % self.clients.len();
        let request = request.field("authorization", &self.credential);
        self.clients[self.turn].send(&request)
    }
}

/// Creates sessions and ends them, the oldest first.
struct Keeper {
    clock: Clock,
    desk: Desk,
    targets: Targets,
    all: Vec<Session>,
    /// Numbers and handles of those that were not ended, oldest first.
    living: Vec<(usize, String)>,
}

impl Keeper {
    fn run(mut self, stop: &AtomicBool) -> Vec<Session> {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(PAUSE);
            if self.living.len() <= LIVING {
                // One that cannot be created now is created later.
                let _later = self.create();
            }
            if self.living.len() > LIVING / 2 {
                self.end();
            }
        }
        self.all
    }

    fn create(&mut self) -> tidegate_stack::Result<()> {
        let user = format!("user-{}", self.all.len());
        let body = json!({ "realm": "web", "uid": user, "data": {} });
        let answer = self.desk.ask(Request::post_json("/v1/sessions", &body))?;
        let made = answer.json()?;
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        let (201, Some(token), Some(handle)) = (answer.status, text("token"), text("handle"))
        else {
            return Err(tidegate_stack::Error::Answer {
                what: "POST /v1/sessions".into(),
                got: format!("{} {made}", answer.status),
            });
        };
        self.living.push((self.all.len(), handle));
        self.all.push(Session {
            token: token.clone(),
            user,
            created_ns: self.clock.ns(),
            revoked: Vec::new(),
        });
        self.targets.add(token);
        Ok(())
    }

    fn end(&mut self) {
        let (number, handle) = self.living[0].clone();
        let begun_ns = self.clock.ns();
        let request = Request::new("DELETE", format!("/v1/sessions/{handle}"));
        let answer = self.desk.ask(request);
        // 202 says that it is done as far as it can be now: not yet what is promised.
        let done = answer.is_ok_and(|answer| answer.status == 200);
        let done_ns = done.then(|| self.clock.ns());
        self.all[number].revoked.push(Act { begun_ns, done_ns });
        if done {
            self.living.remove(0);
        }
    }
}

fn purge(
    clock: Clock,
    (mut desk, mut upstream): (Desk, Client),
    authority: &str,
    stop: &AtomicBool,
) -> Vec<Purge> {
    let mut all = Vec::new();
    let mut url = 0;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        // The serial of this answer is one that no later body has, and all later ones are larger.
        let now = upstream.get("/fill/now?control=no-store");
        let Some(floor) = now.ok().and_then(|now| now.text().trim().parse().ok()) else {
            continue;
        };
        url = (url + 1) % u32::try_from(URLS).unwrap_or(1);
        let target = crate::load::target(url);
        let body = json!({ "url": format!("http://{authority}{target}") });
        let begun_ns = clock.ns();
        let answer = desk.ask(Request::post_json("/v1/cache/purge", &body));
        let done = answer.is_ok_and(|answer| answer.status == 200);
        let done_ns = done.then(|| clock.ns());
        let act = Act { begun_ns, done_ns };
        all.push(Purge { url, act, floor });
    }
    all
}
