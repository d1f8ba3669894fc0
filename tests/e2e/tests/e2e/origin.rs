//! An upstream that does with each request what a test says, byte for byte, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidegate_e2e::wait;

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// These bytes.
    Say(String),
    /// The same, and the connection ends.
    SayAndEnd(String),
    /// The first bytes, a pause, the other bytes.
    SayInTwo(String, Duration, String),
    /// The connection ends without an answer.
    Drop,
}

type Script = Arc<dyn Fn(&str) -> Act + Send + Sync>;

/// Serves on loopback until it is dropped.
pub(crate) struct Origin {
    pub(crate) address: String,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Answers 404 until it is told otherwise.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let first: Script = Arc::new(|_| answer(404, &[], ""));
        let (script, asked) = (Arc::new(Mutex::new(first)), Arc::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (scripts, heard, stopped) =
            (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (scripts, heard, stopped) = (
                            Arc::clone(&scripts),
                            Arc::clone(&heard),
                            Arc::clone(&stopped),
                        );
                        // Ends with its connection, or soon after `stop`.
                        thread::spawn(move || serve(stream, &scripts, &heard, &stopped));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self {
            address,
            script,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// From now on each request, its head in lower case, is answered so.
    pub(crate) fn does(&self, script: impl Fn(&str) -> Act + Send + Sync + 'static) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Heads of the requests since the last time, in lower case.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Waits in a script until a test lets it answer. Without leave it answers all the same, and the test says what is wrong.
pub(crate) fn wait_for_leave(may: &AtomicBool, limit: Duration) {
    let _late = wait::until("leave to answer", limit, || {
        let given = may.load(Ordering::Relaxed);
        given.then_some(()).ok_or_else(|| "held".to_owned())
    });
}

/// A whole answer.
pub(crate) fn answer(status: u16, fields: &[&str], body: &str) -> Act {
    Act::Say(text(status, fields, body))
}

/// Its bytes.
pub(crate) fn text(status: u16, fields: &[&str], body: &str) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = match status {
        204 | 304 => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    format!("HTTP/1.1 {status} X\r\n{fields}{length}\r\n{body}")
}

fn serve(stream: TcpStream, script: &Mutex<Script>, asked: &Mutex<Vec<String>>, stop: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    let patience = Some(Duration::from_millis(50));
    stream.set_read_timeout(patience).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        match reader.read_line(&mut head) {
            Ok(0) => return,
            Ok(_) if head.ends_with("\r\n\r\n") => {}
            Ok(_) => continue,
            Err(_) if stop.load(Ordering::Relaxed) => return,
            Err(_) => continue,
        }
        let request = std::mem::take(&mut head).to_ascii_lowercase();
        let act = script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.clone());
        let said = match act(&request) {
            Act::Say(bytes) => writer.write_all(bytes.as_bytes()).is_ok(),
            Act::SayAndEnd(bytes) => {
                let _gone = writer.write_all(bytes.as_bytes());
                false
            }
            Act::SayInTwo(first, pause, rest) => {
                let begun = writer.write_all(first.as_bytes()).is_ok();
                thread::sleep(pause);
                begun && writer.write_all(rest.as_bytes()).is_ok()
            }
            Act::Drop => false,
        };
        if !said {
            return;
        }
    }
}
