//! Host calls, as bytes and without panics of ours.

use crate::http::Headers;
use crate::http::headers::Change;
use crate::stream::{LocalReply, Property};
use crate::wire::TraceParent;
use core::time::Duration;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};

/// All request headers, every line.
pub(super) fn request_headers() -> Headers {
    headers(MapType::HttpRequestHeaders)
}

/// All response headers, every line.
pub(super) fn response_headers() -> Headers {
    headers(MapType::HttpResponseHeaders)
}

fn headers(map: MapType) -> Headers {
    Headers::from_lower(hostcalls::get_map_bytes(map).unwrap_or_default())
}

/// Makes the request's headers what these became since [`request_headers`].
pub(super) fn edit_request_headers(headers: &Headers) {
    edit_headers(MapType::HttpRequestHeaders, headers);
}

/// Makes the response's headers what these became since [`response_headers`].
pub(super) fn edit_response_headers(headers: &Headers) {
    edit_headers(MapType::HttpResponseHeaders, headers);
}

fn edit_headers(map: MapType, headers: &Headers) {
    for change in headers.changes() {
        let done = match change {
            Change::Add(name, value) => hostcalls::add_map_value_bytes(map, name, value),
            Change::Remove(name) => hostcalls::remove_map_value(map, name),
        };
        if let Err(status) = done {
            log::error!("editing headers failed: {status:?}");
        }
    }
}

/// Removes all request trailers whose name is reserved.
pub(super) fn remove_request_trailers(names: &[String]) {
    for name in names {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, name);
    }
}

/// Removes response trailers by name.
pub(super) fn remove_response_trailers(names: &[String]) {
    for name in names {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseTrailers, name);
    }
}

/// All request trailers.
pub(super) fn request_trailers() -> Headers {
    headers(MapType::HttpRequestTrailers)
}

/// All response trailers.
pub(super) fn response_trailers() -> Headers {
    headers(MapType::HttpResponseTrailers)
}

/// The bytes of a buffer.
pub(super) fn buffer(kind: BufferType, size: usize) -> Vec<u8> {
    hostcalls::get_buffer(kind, 0, size)
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// A property; `None` when it is not there.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// The policy that the route's metadata names. One that is there and cannot be read is returned empty,
/// so that it is refused like any other name nobody knows.
pub(super) fn route_policy() -> Option<Vec<u8>> {
    let path = [
        "xds",
        "route_metadata",
        "filter_metadata",
        "tidegate",
        "policy",
    ];
    match hostcalls::get_property(path.to_vec()) {
        Ok(policy) => policy,
        Err(Status::SerializationFailure) => Some(Vec::new()),
        Err(_) => None,
    }
}

/// Sets a property of one segment: two would not come out in Envoy's access log.
pub(super) fn set_property(property: Property, value: &[u8]) {
    let _ = hostcalls::set_property(vec![property.name()], Some(value));
}

/// Answers the request of the effective context. Returns the fields whose values are no UTF-8, which
/// the SDK cannot send here: they are added when the reply passes the response callback.
pub(super) fn reply(reply: LocalReply) -> Vec<(String, Vec<u8>)> {
    let LocalReply {
        status,
        headers,
        body,
    } = reply;
    let (text, late): (Vec<_>, Vec<_>) = headers
        .into_iter()
        .partition(|(_, value)| core::str::from_utf8(value).is_ok());
    let headers = text
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), core::str::from_utf8(value).ok()?)));
    let body = (!body.is_empty()).then_some(body.as_slice());
    if let Err(status) = hostcalls::send_http_response(u32::from(status), headers.collect(), body) {
        log::error!("local reply failed: {status:?}");
    }
    late
}

/// Adds fields to the response of the effective context.
pub(super) fn add_response_headers(headers: &[(String, Vec<u8>)]) {
    for (name, value) in headers {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpResponseHeaders, name, value);
    }
}

/// Lets the paused request of the effective context go on.
pub(super) fn resume_request() {
    let _ = hostcalls::resume_http_request();
}

/// Lets the paused response of the effective context go on.
pub(super) fn resume_response() {
    let _ = hostcalls::resume_http_response();
}

/// Host calls after this act for `context`; whether that context exists.
pub(super) fn act_for(context: u32) -> bool {
    hostcalls::set_effective_context(context).is_ok()
}

/// Opens a stream of exchanges on a cluster; its token.
pub(super) fn open_stream(cluster: &str, token: Option<&str>) -> Option<u32> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let metadata: Vec<(&str, &[u8])> = authorization
        .iter()
        .map(|value| ("authorization", value.as_bytes()))
        .collect();
    let service = grpc_service(cluster);
    hostcalls::open_grpc_stream(&service, "tidegate.v1.Bridge", "Exchange", metadata).ok()
}

/// Sends one message; whether the stream took it.
pub(super) fn send(stream: u32, message: &[u8]) -> bool {
    hostcalls::send_grpc_stream_message(stream, Some(message), false).is_ok()
}

/// Gives a stream up.
pub(super) fn reset(stream: u32) {
    let _ = hostcalls::cancel_grpc_stream(stream);
}

/// Sends a unary exchange; its token.
pub(super) fn post(
    cluster: &str,
    token: Option<&str>,
    body: &[u8],
    trace: Option<TraceParent>,
    timeout_ms: u32,
) -> Option<u32> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let timeout_text = timeout_ms.to_string();
    let mut headers = vec![
        (":method", "POST"),
        (":path", "/v1/exchange"),
        (":authority", cluster),
        ("content-type", "application/vnd.tidegate.resp"),
        ("x-tidegate-timeout-ms", &timeout_text),
    ];
    if let Some(value) = &authorization {
        headers.push(("authorization", value));
    }
    let trace = trace.map(|trace| trace.to_string());
    if let Some(value) = &trace {
        headers.push(("traceparent", value));
    }
    let timeout = Duration::from_millis(u64::from(timeout_ms.max(1)));
    hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout).ok()
}

/// Sends a request to an upstream's cluster; its token. A field whose value is no UTF-8 cannot be sent: then
/// nothing is.
pub(super) fn fetch(cluster: &str, headers: &Headers, timeout: Duration) -> Option<u32> {
    let mut fields = Vec::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        fields.push((name, core::str::from_utf8(value).ok()?));
    }
    hostcalls::dispatch_http_call(cluster, fields, None, Vec::new(), timeout).ok()
}

/// The answer of the callout whose end is being told; without fields when there is none.
pub(super) fn fetched(body: usize) -> (Headers, Vec<u8>) {
    let body = buffer(BufferType::HttpCallResponseBody, body);
    (headers(MapType::HttpCallResponseHeaders), body)
}

/// Status of a unary exchange that ended; `None` when there was no answer.
pub(super) fn post_status() -> Option<u16> {
    let headers = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).ok()?;
    let (_, status) = headers.iter().find(|(name, _)| name == ":status")?;
    core::str::from_utf8(status).ok()?.parse().ok()
}

/// Defines a counter; its id.
pub(super) fn define_counter(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Counter, name).ok()
}

/// Adds to a counter; 0 is not allowed by Envoy.
pub(super) fn add(counter: u32, n: u64) {
    if let Ok(n @ 1..) = i64::try_from(n) {
        let _: Result<(), Status> = hostcalls::increment_metric(counter, n);
    }
}

/// How often `on_tick` is called.
pub(super) fn tick_every(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// A serialized `envoy.config.core.v3.GrpcService { envoy_grpc { cluster_name } }`: both are field 1 of
/// type bytes. The SDK hands the text on as it is, so the bytes must be UTF-8: lengths stay below 128.
fn grpc_service(cluster: &str) -> String {
    let mut service = String::new();
    let inner = cluster.len().min(120);
    let cluster: String = cluster.chars().take(inner).collect();
    let byte = |n: usize| char::from(u8::try_from(n).unwrap_or(0));
    service.push('\n');
    service.push(byte(cluster.len().saturating_add(2)));
    service.push('\n');
    service.push(byte(cluster.len()));
    service.push_str(&cluster);
    service
}

/// The plugin may end, which it put off before.
pub(super) fn done() {
    let _ = hostcalls::done();
}
