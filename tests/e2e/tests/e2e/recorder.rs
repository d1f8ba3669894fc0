//! An upstream that keeps every byte it is sent, trailers too, and answers each request with an empty 200.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Serves on loopback until it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) address: String,
    heard: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (kept, stopped) = (Arc::clone(&kept), Arc::clone(&stopped));
                        // Ends with its request, or soon after `stop`.
                        thread::spawn(move || record(stream, &kept, &stopped));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self {
            address,
            heard,
            stop,
            thread: Some(thread),
        }
    }

    /// What was heard since the last time: the lines of whole requests, heads, bodies and trailers.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut *heard);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// One request; the connection ends with its answer.
fn record(mut stream: TcpStream, heard: &Mutex<Vec<u8>>, stop: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut request = Vec::new();
    while !whole(&request) {
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => request.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
    heard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(request);
    let _gone =
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

/// Whether a request without body, or with a chunked one, has ended. No chunk of the tests ends so by itself.
fn whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, rest)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let last = |rest: &str| rest.starts_with("0\r\n") || rest.contains("\r\n0\r\n");
    !chunked || (last(rest) && rest.ends_with("\r\n\r\n"))
}
