//! A Redis that lies: it passes everything on to a real one, but answers scripts with what it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Serves on loopback until it is dropped.
#[derive(Debug)]
pub(crate) struct RedisLiar {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    lie: Mutex<Option<Vec<u8>>>,
    told: AtomicU64,
    stop: AtomicBool,
}

impl RedisLiar {
    /// In front of the Redis at `real`, `host:port`. Tells the truth until it is told not to.
    pub(crate) fn before(real: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (served, real) = (Arc::clone(&shared), real.to_owned());
        let thread = thread::spawn(move || {
            while !served.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        let (shared, real) = (Arc::clone(&served), real.clone());
                        // Ends with either side, or soon after `stop`.
                        thread::spawn(move || {
                            let _end =
                                TcpStream::connect(real).and_then(|s| serve(client, s, &shared));
                        });
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self {
            port,
            shared,
            thread: Some(thread),
        }
    }

    /// Answers every script with these bytes from now on, or with the truth.
    pub(crate) fn tell(&self, lie: Option<&[u8]>) {
        let mut slot = self
            .shared
            .lie
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = lie.map(<[u8]>::to_vec);
    }

    /// How often it lied.
    pub(crate) fn told(&self) -> u64 {
        self.shared.told.load(Ordering::Relaxed)
    }
}

impl Drop for RedisLiar {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// One command after the other, so that lies stand where the answers would.
fn serve(mut client: TcpStream, mut real: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    let limit = Some(Duration::from_millis(50));
    client.set_read_timeout(limit)?;
    real.set_read_timeout(limit)?;
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    loop {
        let length = wait_whole(&mut client, &mut asked, shared)?;
        let command: Vec<u8> = asked.drain(..length).collect();
        let name = String::from_utf8_lossy(&command[..command.len().min(40)]).to_ascii_uppercase();
        let lie = shared
            .lie
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let (Some(lie), true) = (lie, name.contains("EVALSHA")) {
            shared.told.fetch_add(1, Ordering::Relaxed);
            client.write_all(&lie)?;
            continue;
        }
        real.write_all(&command)?;
        let length = wait_whole(&mut real, &mut answered, shared)?;
        client.write_all(&answered[..length])?;
        answered.drain(..length);
    }
}

/// The length of the first whole value, read as far as needed.
fn wait_whole(
    from: &mut TcpStream,
    buffer: &mut Vec<u8>,
    shared: &Shared,
) -> std::io::Result<usize> {
    loop {
        if let Some(length) = whole(buffer) {
            return Ok(length);
        }
        let mut chunk = [0; 16_384];
        match from.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if shared.stop.load(Ordering::Relaxed) {
                    return Err(e);
                }
            }
            Err(e) => return Err(e),
        }
    }
}

/// The length of the RESP2 or RESP3 value at the start, `None` when it is not whole yet.
fn whole(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || {
        std::str::from_utf8(&bytes[1..line - 2])
            .ok()?
            .parse::<i64>()
            .ok()
    };
    let count = |per: usize| Some(usize::try_from(number()?).unwrap_or(0) * per);
    match bytes[0] {
        b'$' | b'=' | b'!' => match usize::try_from(number()?) {
            Ok(length) => (bytes.len() >= line + length + 2).then_some(line + length + 2),
            Err(_) => Some(line),
        },
        kind @ (b'*' | b'~' | b'>' | b'%') => {
            let items = count(if kind == b'%' { 2 } else { 1 })?;
            (0..items).try_fold(line, |at, _| Some(at + whole(&bytes[at..])?))
        }
        _ => Some(line),
    }
}
