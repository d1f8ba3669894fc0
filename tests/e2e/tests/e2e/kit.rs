//! What the tests of several areas share.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tidegate_e2e::{Lab, Reply, Request, Response, wait};
use tidegate_stack::redis::Server;

/// How long something that takes milliseconds may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// One stack for the tests of a module, which use it in turn. It lives while one of them uses it or waits.
pub(crate) struct Shared {
    make: fn() -> Lab,
    lab: Mutex<Weak<Lab>>,
    turn: Mutex<()>,
}

/// A test's turn.
pub(crate) struct Turn {
    lab: Arc<Lab>,
    _turn: MutexGuard<'static, ()>,
}

impl Shared {
    pub(crate) const fn new(make: fn() -> Lab) -> Self {
        Self {
            make,
            lab: Mutex::new(Weak::new()),
            turn: Mutex::new(()),
        }
    }

    /// Waits for a turn; starts the stack when nobody has.
    pub(crate) fn turn(&'static self) -> Turn {
        let lab = {
            let mut slot = self.lab.lock().unwrap_or_else(PoisonError::into_inner);
            slot.upgrade().unwrap_or_else(|| {
                let lab = Arc::new((self.make)());
                *slot = Arc::downgrade(&lab);
                lab
            })
        };
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { lab, _turn: turn }
    }
}

impl Deref for Turn {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// Calls `probe` until it is what is wanted.
#[track_caller]
pub(crate) fn eventually<T: PartialEq + Debug>(
    what: &str,
    wanted: T,
    mut probe: impl FnMut() -> T,
) {
    let reached = wait::until(what, SOON, || match probe() {
        value if value == wanted => Ok(()),
        value => Err(format!("{value:?}, want {wanted:?}")),
    });
    if let Err(error) = reached {
        panic!("{error}");
    }
}

/// The values of a request field as the sample upstream saw it (`/echo`).
pub(crate) fn seen(answer: &Response, name: &str) -> Vec<String> {
    let echo = answer.json().unwrap();
    let fields = echo["headers"].as_array().unwrap();
    fields
        .iter()
        .filter(|field| field[0].as_str().unwrap().eq_ignore_ascii_case(name))
        .map(|field| field[1].as_str().unwrap().to_owned())
        .collect()
}

/// `GET target` with a cookie.
pub(crate) fn with_cookie(target: &str, name: &str, value: impl AsRef<[u8]>) -> Request {
    let mut cookie = format!("{name}=").into_bytes();
    cookie.extend_from_slice(value.as_ref());
    Request::get(target).field("cookie", cookie)
}

/// All keys of a server.
pub(crate) fn keys(redis: &Server) -> BTreeSet<Vec<u8>> {
    let reply = redis.call(&["KEYS", "*"]).unwrap();
    let bytes = |item: &Reply| match item {
        Reply::Text(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    reply.items().iter().map(bytes).collect()
}

/// How often Redis ran a script or touched data on behalf of a bridge.
pub(crate) fn work(redis: &Server) -> u64 {
    let commands = redis.commands().unwrap();
    let of = |name: &str| commands.get(name).copied().unwrap_or(0);
    ["evalsha", "evalsha_ro", "eval", "get", "hmget", "hset"]
        .into_iter()
        .map(of)
        .sum()
}

/// Waits until a window of `window` seconds will not end within a minute, by Redis' clock.
pub(crate) fn early_in_the_window(redis: &Server, window: i64) {
    wait::until("the next window", Duration::from_secs(61), || {
        let time = redis.call(&["TIME"]).unwrap();
        let seconds = time.items()[0].int().unwrap();
        match window - seconds % window {
            left if left > 60 => Ok(()),
            left => Err(format!("{left} s left")),
        }
    })
    .unwrap();
}

/// Asks the first Envoy for `target` on a connection of its own, and does not wait for what comes.
pub(crate) fn asked(lab: &Lab, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", lab.spec().proxy_port(0))).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: asked.example\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// The status of what comes, once all of it is there.
pub(crate) fn status_of(stream: &mut TcpStream, limit: Duration) -> String {
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
}
