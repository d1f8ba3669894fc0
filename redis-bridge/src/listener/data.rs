//! The data listener: decision streams and `POST /v1/exchange`. No admin verb exists here.

use super::budget::{Budget, Held};
use super::guard;
use super::problem::{Problem, respond};
use super::serve::Service;
use super::{ReplyBody, Response};
use crate::grpc;
use crate::handle::{ExchangeError, Handle};
use crate::secrets::Credential;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use tidegate::wire::TraceParent;

/// Largest body of an exchange, bytes.
pub const MAX_BODY: usize = 8 << 20;
/// Bytes of all bodies and messages that are being read; the core counts what it has taken itself.
pub const MAX_READING: usize = 64 << 20;
/// Bytes of answers that wait to be read: of all streams beside what each has free, of large unary ones, and of
/// small ones. Three budgets, so that who is slow with one kind takes nothing from the others.
pub const MAX_UNREAD: usize = 64 << 20;
/// Largest of the small ones, bytes.
const SMALL: usize = 16 << 10;
/// Deadline of an exchange that names none, milliseconds.
const DEFAULT_TIMEOUT_MS: u32 = 1000;
/// Longest deadline, milliseconds.
const MAX_TIMEOUT_MS: u32 = 60_000;
/// The content type of RESP.
const RESP: &str = "application/vnd.tidegate.resp";

/// Serves the data listener.
#[derive(Debug)]
pub struct Data {
    handle: Handle,
    credential: Option<Credential>,
    namespace: String,
    reading: Budget,
    unread: Unread,
}

#[derive(Debug)]
struct Unread {
    streams: Budget,
    large: Budget,
    small: Budget,
}

impl Data {
    /// `credential` is what callers must show; a Unix socket needs none, its mode decides.
    pub fn new(handle: Handle, credential: Option<Credential>, namespace: String) -> Self {
        Self {
            handle,
            credential,
            namespace,
            reading: Budget::new(MAX_READING),
            unread: Unread {
                streams: Budget::new(MAX_UNREAD),
                large: Budget::new(MAX_UNREAD),
                small: Budget::new(MAX_UNREAD),
            },
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response, Problem> {
        let headers = request.headers();
        guard::refuse_browsers(headers)?;
        if let Some(credential) = &self.credential {
            guard::authorize(headers, credential)?;
        }
        let stream = match request.uri().path() {
            grpc::PATH => true,
            "/v1/exchange" => false,
            _ => return Err(Problem::new(StatusCode::NOT_FOUND, "no such resource")),
        };
        if request.method() != Method::POST {
            return Err(Problem::method("POST"));
        }
        #[cfg(debug_assertions)]
        self.trap(headers).await;
        if let Some(namespace) = headers.get("x-tidegate-namespace")
            && namespace.as_bytes() != self.namespace.as_bytes()
        {
            return Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!("this bridge serves the namespace {}", self.namespace),
            ));
        }
        if stream {
            self.open_stream(request)
        } else {
            self.exchange(request).await
        }
    }

    fn open_stream(&self, request: Request<Incoming>) -> Result<Response, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "want content-type: application/grpc",
            ));
        }
        let (outbox, body) = grpc::body::channel(&self.unread.streams);
        tokio::spawn(grpc::stream::run(
            self.handle.clone(),
            request.into_body(),
            outbox,
            self.reading.hold(),
        ));
        let mut response = http::Response::new(ReplyBody::Stream(body));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        Ok(response)
    }

    async fn exchange(&self, request: Request<Incoming>) -> Result<Response, Problem> {
        let deadline_ms = timeout_ms(request.headers())?;
        let trace = traceparent(request.headers());
        // Held until it is answered: the body waits for the core as the core's own copy does for Redis.
        let mut held = self.reading.hold();
        let body = read_body(request.into_body(), MAX_BODY, &mut held).await?;
        match self.handle.exchange(body, deadline_ms, trace).await {
            Ok(answer) => self.answered(answer.into()),
            Err(ExchangeError::Rejected(reason)) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, reason))
            }
            Err(ExchangeError::Leaving) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the bridge is leaving",
            )),
        }
    }
}

impl Data {
    /// What tests make panic (faults.md, A7): this request, or what owns the core. Not in a build that ships.
    #[cfg(debug_assertions)]
    #[expect(clippy::panic, reason = "what it is for")]
    async fn trap(&self, headers: &HeaderMap) {
        match headers.get("x-trap").map(HeaderValue::as_bytes) {
            Some(b"request") => panic!("asked to"),
            Some(b"core") => self.handle.trap().await,
            _ => {}
        }
    }

    /// An answer that counts against its budget until it is read.
    fn answered(&self, answer: Bytes) -> Result<Response, Problem> {
        let unread = match answer.len() <= SMALL {
            true => &self.unread.small,
            false => &self.unread.large,
        };
        let mut held = unread.hold();
        let too_much = |_| {
            let detail = "too many answers wait to be read";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
        held.resize(answer.len()).map_err(too_much)?;
        let mut response = respond(StatusCode::OK, RESP, Bytes::new());
        *response.body_mut() = ReplyBody::Full(answer, Some(held));
        Ok(response)
    }
}

impl Service for Data {
    async fn call(&self, request: Request<Incoming>) -> Response {
        let result = self.answer(request).await;
        result.unwrap_or_else(|problem| {
            self.handle.metrics().refused(problem.status);
            problem.into_response()
        })
    }
}

/// Reads a body of at most `max` bytes; one announced to be longer is refused unread.
///
/// # Errors
///
/// 413; 503 when all bodies together are too much; 400 when it breaks off.
pub async fn read_body(mut body: Incoming, max: usize, held: &mut Held) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("at most {max} bytes"),
        )
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let bytes = read.len() + data.len();
        if bytes > max {
            return Err(too_large());
        }
        held.resize(bytes)
            .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too much is being read"))?;
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Whose trace the exchange is part of. One that is not valid is none, and so are several: a trace is no
/// reason to refuse anything.
fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut lines = headers.get_all("traceparent").iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => TraceParent::parse(line.as_bytes()),
        _ => None,
    }
}

fn timeout_ms(headers: &HeaderMap) -> Result<u32, Problem> {
    let Some(value) = headers.get("x-tidegate-timeout-ms") else {
        return Ok(DEFAULT_TIMEOUT_MS);
    };
    let digits = value.as_bytes().iter().all(u8::is_ascii_digit);
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number
        .filter(|ms| digits && (1..=MAX_TIMEOUT_MS).contains(ms))
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("x-tidegate-timeout-ms must be 1..={MAX_TIMEOUT_MS}"),
            )
        })
}
