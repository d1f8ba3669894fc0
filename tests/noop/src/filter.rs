//! The glue of all four.

use crate::bare::{self, Exchange};
use core::cell::RefCell;
use core::time::Duration;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};
use std::rc::Rc;

const TICK: Duration = Duration::from_millis(100);
/// Keeps the stream: a bridge gives up one that is silent.
const PING: &[u8] = b"*2\r\n+PING\r\n:1\r\n";

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> {
        Box::new(Root { id, kind: Kind::Nothing, stream: Rc::new(RefCell::new(None)) })
    });
}}

struct Root {
    id: u32,
    kind: Kind,
    /// Token of the open stream.
    stream: Rc<RefCell<Option<u32>>>,
}

#[derive(Clone)]
enum Kind {
    Nothing,
    Constant(Rc<[u8]>),
    Calls,
    Exchange(Rc<Exchange>),
}

struct Request {
    id: u32,
    root: u32,
    kind: Kind,
    stream: Rc<RefCell<Option<u32>>>,
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, _token: u32, size: usize) {
        let message = hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size);
        let message = message.ok().flatten().unwrap_or_default();
        for context in bare::answered(&message) {
            if hostcalls::set_effective_context(context).is_ok() {
                let _ = hostcalls::resume_http_request();
            }
        }
    }

    fn on_grpc_stream_close(&mut self, _token: u32, _status: u32) {
        *self.stream.borrow_mut() = None;
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        let text = text.ok().flatten().unwrap_or_default();
        self.kind = match text.as_slice() {
            b"" => Kind::Nothing,
            text if text == crate::CALLS.as_bytes() => Kind::Calls,
            text => match Exchange::parse(text) {
                Some(exchange) => Kind::Exchange(Rc::new(exchange)),
                None => Kind::Constant(text.into()),
            },
        };
        if let Kind::Exchange(_) = self.kind {
            let _ = hostcalls::set_tick_period(TICK);
        }
        true
    }

    fn on_tick(&mut self) {
        let Kind::Exchange(exchange) = &self.kind else {
            return;
        };
        let open = *self.stream.borrow();
        if let Some(stream) = open {
            let _ = hostcalls::send_grpc_stream_message(stream, Some(PING), false);
            return;
        }
        let service = bare::service(&exchange.cluster);
        let opened =
            hostcalls::open_grpc_stream(&service, "tidegate.v1.Bridge", "Exchange", vec![]);
        if let Ok(stream) = opened {
            let _ = hostcalls::send_grpc_stream_message(stream, Some(&exchange.hello), false);
            *self.stream.borrow_mut() = Some(stream);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request {
            id,
            root: self.id,
            kind: self.kind.clone(),
            stream: Rc::clone(&self.stream),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        match &self.kind {
            Kind::Nothing => Action::Continue,
            Kind::Constant(body) => constant(body),
            Kind::Calls => {
                ask();
                Action::Continue
            }
            Kind::Exchange(exchange) => {
                let Some(stream) = *self.stream.borrow() else {
                    return Action::Continue;
                };
                let message = exchange.message(self.id);
                let _ = hostcalls::set_effective_context(self.root);
                let sent = hostcalls::send_grpc_stream_message(stream, Some(&message), false);
                let _ = hostcalls::set_effective_context(self.id);
                match sent {
                    Ok(()) => Action::Pause,
                    Err(_) => Action::Continue,
                }
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if let Kind::Calls = self.kind {
            tell();
        }
        Action::Continue
    }
}

/// What has to be known of a request before anything can be decided, and what the access log is told.
fn ask() {
    let policy = [
        "xds",
        "route_metadata",
        "filter_metadata",
        "tidegate",
        "policy",
    ];
    let _ = hostcalls::get_property(policy.to_vec());
    let _ = hostcalls::get_map_bytes(MapType::HttpRequestHeaders);
    let _ = hostcalls::get_property(vec!["source", "address"]);
    let _ = hostcalls::set_property(vec!["tidegate.policy"], Some(b"leased"));
}

/// The answer is read for fields that are ours alone, and gets those of the limit.
fn tell() {
    let map = MapType::HttpResponseHeaders;
    let _ = hostcalls::get_map_bytes(map);
    for (name, value) in [
        ("ratelimit-policy", "\"hot\";q=1000000000;w=3600"),
        ("ratelimit", "\"hot\";r=999999999;t=3599"),
    ] {
        let _ = hostcalls::add_map_value_bytes(map, name, value.as_bytes());
    }
}

fn constant(body: &[u8]) -> Action {
    let headers = vec![
        ("content-type", "application/json"),
        ("cache-control", "public, max-age=60"),
        ("date", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ("etag", "\"1\""),
        ("age", "1"),
        ("cache-status", "constant; hit; ttl=59"),
        ("x-version", "1"),
    ];
    let _ = hostcalls::send_http_response(200, headers, Some(body));
    Action::Pause
}
