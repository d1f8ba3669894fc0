//! A collector of spans: OTLP over HTTP/1.1, as far as tests need it.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Serves on loopback until it is dropped.
pub(crate) struct Collector {
    pub(crate) address: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    hangs: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let bodies = Arc::default();
        let (hangs, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, hung, stopped) = (Arc::clone(&bodies), Arc::clone(&hangs), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (kept, hung) = (Arc::clone(&kept), Arc::clone(&hung));
                        // Ends with its connection.
                        thread::spawn(move || serve(stream, &kept, &hung));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self {
            address,
            bodies,
            hangs,
            stop,
            thread: Some(thread),
        }
    }

    /// From now on requests are read and not answered.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }

    /// Every request's body so far, one after the other.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.concat()
    }

    /// Every span so far, and the name of its service.
    pub(crate) fn spans(&self) -> Vec<(String, Span)> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = bodies.iter().map(|body| {
            ExportTraceServiceRequest::decode(&body[..]).expect("an OTLP request of traces")
        });
        let mut spans = Vec::new();
        for resource in requests.flat_map(|request| request.resource_spans) {
            let who = resource.resource.map(|resource| resource.attributes);
            let who = text(&who.unwrap_or_default(), "service.name");
            let found = resource.scope_spans.into_iter();
            let found = found.flat_map(|scope| scope.spans);
            spans.extend(found.map(|span| (who.clone(), span)));
        }
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// An attribute that is a text; empty when it is not there.
pub(crate) fn attribute(span: &Span, name: &str) -> String {
    text(&span.attributes, name)
}

fn text(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|pair| pair.key == name);
    let value = found.and_then(|pair| pair.value.as_ref()?.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

fn serve(stream: TcpStream, bodies: &Mutex<Vec<Vec<u8>>>, hangs: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let from = head.len();
            if !matches!(reader.read_line(&mut head), Ok(1..)) {
                return;
            }
            let line = head[from..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        bodies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(body);
        while hangs.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        if writer.write_all(answer).is_err() {
            return;
        }
    }
}
