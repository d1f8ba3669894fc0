//! A bridge that lies: it takes the place of the real ones and answers every stream with bytes of its own.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What it sends.
#[derive(Debug, Clone)]
pub(crate) enum Lie {
    /// These bytes as soon as somebody connects, instead of HTTP/2.
    Raw(Vec<u8>),
    /// A good HTTP/2 answer to each request, with these bytes as its body, left open.
    Body(Vec<u8>),
    /// The same, and its end.
    Ended(Vec<u8>),
    /// Headers only, for ever.
    Silence,
}

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Liar {
    stop: Arc<AtomicBool>,
    told: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// In the place of whoever listened at `path`.
    pub(crate) fn at(path: &Path, lie: &Lie) -> Self {
        let _old = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, told) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, counted, lie) = (Arc::clone(&stop), Arc::clone(&told), lie.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (stop, told, lie) =
                            (Arc::clone(&stopped), Arc::clone(&counted), lie.clone());
                        // Ends with its connection, or soon after `stop`.
                        thread::spawn(move || serve(stream, &lie, &stop, &told));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self {
            stop,
            told,
            thread: Some(thread),
        }
    }

    /// How often it lied.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn serve(mut stream: UnixStream, lie: &Lie, stop: &AtomicBool, told: &AtomicU64) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    if let Lie::Raw(bytes) = lie {
        let _gone = stream.write_all(bytes);
        told.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
        return;
    }
    // RFC 9113, 3.4: our SETTINGS, then whatever comes after the client's 24 bytes of preface.
    let _gone = stream.write_all(&frame(4, 0, 0, &[]));
    let mut buffer: Vec<u8> = Vec::new();
    let mut preface = true;
    while !stop.load(Ordering::Relaxed) {
        let mut chunk = [0; 16_384];
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => return,
        }
        if preface && buffer.len() >= 24 {
            buffer.drain(..24);
            preface = false;
        }
        while !preface && buffer.len() >= 9 {
            let length =
                usize::from(buffer[0]) << 16 | usize::from(buffer[1]) << 8 | usize::from(buffer[2]);
            if buffer.len() < 9 + length {
                break;
            }
            let (kind, flags) = (buffer[3], buffer[4]);
            let id = u32::from_be_bytes([buffer[5] & 0x7f, buffer[6], buffer[7], buffer[8]]);
            let payload: Vec<u8> = buffer[9..9 + length].into();
            buffer.drain(..9 + length);
            let answer = match (kind, flags & 1) {
                (4, 0) => frame(4, 1, 0, &[]),
                (6, 0) => frame(6, 1, 0, &payload),
                (1, _) => {
                    told.fetch_add(1, Ordering::Relaxed);
                    reply(id, lie)
                }
                _ => continue,
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn reply(id: u32, lie: &Lie) -> Vec<u8> {
    // HPACK: `:status: 200` is entry 8; `content-type` is name 31 (RFC 7541, appendix A).
    let mut block = vec![0x88, 0x0f, 0x10, 16];
    block.extend_from_slice(b"application/grpc");
    let mut out = frame(1, 4, id, &block);
    match lie {
        Lie::Body(body) => out.extend(data(id, 0, body)),
        Lie::Ended(body) => out.extend(data(id, 1, body)),
        Lie::Raw(_) | Lie::Silence => {}
    }
    out
}

/// DATA frames of at most 16 KiB.
fn data(id: u32, last: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chunks = body.chunks(16_000).peekable();
    while let Some(chunk) = chunks.next() {
        let end = if chunks.peek().is_none() { last } else { 0 };
        out.extend(frame(0, end, id, chunk));
    }
    if body.is_empty() {
        out.extend(frame(0, last, id, &[]));
    }
    out
}

/// An HTTP/2 frame.
pub(crate) fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
    out
}
