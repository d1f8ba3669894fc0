//! Who asks: a few clients, each at a steady pace.

use crate::http::{Client, Request};
use crate::stack::Admin;
use crate::{Error, Result, Stack, wait};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Clients at once.
const CLIENTS: u64 = 4;
/// One request of each client per so long.
const PACE: Duration = Duration::from_millis(10);

/// How often each status came; 0 stands for none.
pub(super) type Answers = BTreeMap<u16, u64>;

/// Clients at work; they end with [`Load::end`].
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    total: Arc<AtomicU64>,
    answers: Arc<Mutex<Answers>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts them.
    ///
    /// # Errors
    /// When no session can be created.
    pub(super) fn start(stack: &Stack) -> Result<Self> {
        let mut load = Self {
            stop: Arc::default(),
            total: Arc::default(),
            answers: Arc::default(),
            clients: Vec::new(),
        };
        let envoys = stack.endpoints()?.envoys;
        for (client, envoy) in (0..CLIENTS).zip(envoys.iter().cycle()) {
            let (stop, total) = (Arc::clone(&load.stop), Arc::clone(&load.total));
            let answers = Arc::clone(&load.answers);
            let (envoy, admin) = (envoy.clone(), stack.admin());
            load.clients.push(std::thread::spawn(move || {
                let mut asker = Asker {
                    client: Client::new(&envoy),
                    admin,
                    token: String::new(),
                };
                let start = wait::now();
                for n in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let status = asker.ask(client, n).unwrap_or(0);
                    total.fetch_add(1, Ordering::Relaxed);
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    *answers.entry(status).or_default() += 1;
                    drop(answers);
                    let due = PACE.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
                    std::thread::sleep(due.saturating_sub(start.elapsed()));
                }
            }));
        }
        Ok(load)
    }

    /// Requests so far.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Ends them; what they were answered.
    pub(super) fn end(mut self) -> Answers {
        self.halt();
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.clone()
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // One that panicked has ended too.
            let _ended = client.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.halt();
    }
}

/// One client: its connection, its session.
struct Asker {
    client: Client,
    admin: Admin,
    token: String,
}

impl Asker {
    /// The `n`th request; its status.
    fn ask(&mut self, client: u64, n: u64) -> Result<u16> {
        let user = format!("soak-{client}-{}", n % 50);
        let product = format!("/api/products/{}", (n * 7 + client) % 300);
        let request = match n % 100 {
            // Every second, another session in place of the one before; each minute, all of a user end.
            0 => {
                self.token = self.login(&user)?;
                return Ok(201);
            }
            50 if n % 6_000 == 50 => {
                let target = format!("/v1/users/{user}/sessions?realm=web");
                return Ok(self.admin.delete(&target)?.status);
            }
            51 if n % 1_000 == 51 => {
                let wanted = json!({ "tag": "products" });
                return Ok(self.admin.post("/v1/cache/purge", &wanted)?.status);
            }
            1 => Request::get(format!("/session/set?uid={user}&roles=user&data=%7B%7D")),
            2..10 => Request::new("PUT", &product).field("sec-fetch-site", "same-origin"),
            10..20 => Request::get(format!("/vary?on=accept-language&n={}", n % 70))
                .field("accept-language", format!("l{}", n % 3)),
            20..25 => Request::get(&product).field("cookie", format!("sid={}x", self.token)),
            _ => Request::get(&product).field("cookie", format!("sid={}", self.token)),
        };
        // A few keys are asked too often, most are asked once in a while.
        let key = if n.is_multiple_of(4) {
            n / 4 % 15
        } else {
            n % 5_000
        };
        let request = request.field("x-key", format!("key-{key}"));
        Ok(self.client.send(&request)?.status)
    }

    fn login(&mut self, user: &str) -> Result<String> {
        let wanted = json!({ "realm": "web", "uid": user, "roles": [], "data": {} });
        let answer = self.admin.post("/v1/sessions", &wanted)?;
        let token = answer.json()?["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| Error::Answer {
            what: "POST /v1/sessions".into(),
            got: answer.text(),
        })
    }
}
