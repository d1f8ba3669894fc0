//! Thousands of clients that ask for one thing in one moment, each on a connection of its own.
//!
//! Their connections are opened before, one after the other: that an Envoy refuses thousands of new ones at once is another
//! fault, and not what a herd is for.

use super::client::{PATIENCE, read};
use super::envoy::{Envoy, Http};
use super::{Answer, on_this_thread};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc as queue;

/// Between a connection and the next one to the same Envoy.
const PAUSE: Duration = Duration::from_millis(1);

/// They wait for what to ask.
#[derive(Debug)]
pub(crate) struct Herd {
    asks: Option<queue::UnboundedSender<Wave>>,
    thread: Option<JoinHandle<()>>,
}

/// What came to each, in no order; an error says why there is no answer.
pub(crate) type Answers = Vec<Result<Answer, String>>;

struct Wave {
    host: &'static str,
    target: String,
    answers: mpsc::Sender<Answers>,
}

impl Herd {
    /// So many at each of the Envoys on these ports of loopback; returns when all are connected.
    ///
    /// # Errors
    /// Who was not.
    pub(crate) fn gather(ports: &[u16], each: usize) -> Result<Self, String> {
        let (asks, waves) = queue::unbounded_channel();
        let (gathered, ready) = mpsc::channel();
        let ports = ports.to_vec();
        let thread = std::thread::spawn(move || {
            let lives = on_this_thread(live(ports, each, gathered.clone(), waves));
            if let Err(error) = lives {
                // Whoever gathers is gone, or hears it.
                let _told = gathered.send(Err(error.to_string()));
            }
        });
        let herd = Self {
            asks: Some(asks),
            thread: Some(thread),
        };
        let gathered = ready.recv().map_err(|e| e.to_string());
        gathered.flatten().map(|()| herd)
    }

    /// All ask for this now; what they hear is received when the last of them has heard it.
    pub(crate) fn ask(&self, host: &'static str, target: &str) -> mpsc::Receiver<Answers> {
        let (answers, heard) = mpsc::channel();
        let wave = Wave {
            host,
            target: target.to_owned(),
            answers,
        };
        if let Some(asks) = &self.asks {
            // A herd that is gone drops the wave, and nothing is received.
            let _sent = asks.send(wave);
        }
        heard
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn live(
    ports: Vec<u16>,
    each: usize,
    gathered: mpsc::Sender<Result<(), String>>,
    mut waves: queue::UnboundedReceiver<Wave>,
) {
    let envoy = |port: &u16| Rc::new(Envoy::new(*port, Http::One));
    let envoys: Vec<Rc<Envoy>> = ports.iter().map(envoy).collect();
    let ready = open(&envoys, each).await;
    if gathered.send(ready).is_err() {
        return;
    }
    while let Some(wave) = waves.recv().await {
        let clients = envoys
            .iter()
            .flat_map(|envoy| std::iter::repeat_n(envoy, each));
        let asks: Vec<_> = clients
            .map(|envoy| {
                let (envoy, request) = (Rc::clone(envoy), request(&wave));
                tokio::task::spawn_local(async move {
                    let whole = async { envoy.ask(request?, || (), read).await };
                    let answer = tokio::time::timeout(PATIENCE, whole).await;
                    answer.unwrap_or_else(|_| Err("it hangs".to_owned()))
                })
            })
            .collect();
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            answers.push(ask.await.unwrap_or_else(|error| Err(error.to_string())));
        }
        // Who asked may not want to know any more.
        let _told = wave.answers.send(answers);
    }
}

fn request(wave: &Wave) -> Result<Request<Empty<Bytes>>, String> {
    let request = Request::builder()
        .uri(&wave.target)
        .header("host", wave.host);
    request.body(Empty::new()).map_err(|e| e.to_string())
}

async fn open(envoys: &[Rc<Envoy>], each: usize) -> Result<(), String> {
    for _ in 0..each {
        for envoy in envoys {
            envoy.open().await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
