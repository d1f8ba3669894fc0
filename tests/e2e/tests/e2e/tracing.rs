//! A request's trace, through Envoy and the bridge, to a collector.

use crate::collector::{Collector, attribute};
use crate::kit::{eventually, keys, with_cookie};
use crate::session_kit::decoded;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::net::TcpListener;
use std::time::Duration;
use tidegate_e2e::{Lab, Request, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 2s }
sessions:
  web: { cookie: sid }
limits:
  per-user: { algorithm: fixed_window, limit: 100000, window: 1h, key: [session.user] }
  per-ip: { algorithm: fixed_window, limit: 100000, window: 1h, key: [client.ip] }
caches:
  pages: { ttl: 1m }
policies:
  full: { session: web, limits: [per-user], cache: pages }
  limited: { limits: [per-ip] }
routes:
  - { match: { path_prefix: /full }, policy: full }
default_policy: limited
";

const USER: &str = "canary-user-31c7";

/// Bridges that export to this address, with more of the environment.
fn lab(address: &str, more: &[(&str, &str)]) -> Lab {
    let lab = lab_with(address, more, &[]);
    // Until the workers have streams to the new bridges, a request may take another way.
    lab.live_workers().unwrap();
    lab
}

/// The same, with more arguments.
fn lab_with(address: &str, more: &[(&str, &str)], args: &[&str]) -> Lab {
    let mut lab = Lab::new(POLICY);
    let endpoint = format!("http://{address}");
    let usual = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    for bridge in ["bridge-0", "bridge-1"] {
        lab.alter(bridge, |launch| {
            for (name, value) in usual.iter().chain(more) {
                launch.env.push(((*name).to_owned(), (*value).to_owned()));
            }
            launch.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        })
        .unwrap();
        lab.restart(bridge).unwrap();
    }
    lab
}

fn traceparent(trace: u128, flags: &str) -> String {
    format!("00-{trace:032x}-00f067aa0ba902b7-{flags}")
}

fn spans_of(collector: &Collector, trace: u128) -> Vec<Span> {
    let all = collector.spans().into_iter();
    let wanted = trace.to_be_bytes();
    all.map(|(_, span)| span)
        .filter(|span| span.trace_id == wanted)
        .collect()
}

/// Sum over both bridges.
fn counted(lab: &Lab, result: &str) -> u64 {
    let line = format!("tidegate_bridge_spans_total{{result=\"{result}\"}} ");
    let of = |bridge| {
        let text = lab.admin_of(bridge).get("/metrics").unwrap().text();
        let value = text.lines().find_map(|text| text.strip_prefix(&line));
        value.unwrap().parse::<u64>().unwrap()
    };
    of(0) + of(1)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_sampled_request_is_a_span_of_its_trace_with_one_for_each_call_of_redis() {
    let collector = Collector::start();
    let lab = lab(&collector.address, &[]);
    let token = lab.login("web", USER, &[]).unwrap();
    let ask = |traceparent: &str| {
        let request = with_cookie("/full/page", "sid", &token);
        let request = request.field("traceparent", traceparent);
        assert_eq!(lab.client(0).send(&request).unwrap().status, 200);
    };
    let (unsampled, malformed, sampled) = (0xabc1, 0xabc2, 0xabc3);
    ask(&traceparent(unsampled, "00"));
    ask(&traceparent(malformed, "1"));
    ask(&traceparent(sampled, "01"));
    eventually("the exchange and its three calls", 4, || {
        spans_of(&collector, sampled).len()
    });
    let spans = spans_of(&collector, sampled);
    let (server, calls): (Vec<&Span>, Vec<&Span>) =
        (spans.iter()).partition(|span| span.kind == SpanKind::Server as i32);
    let [exchange] = server[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(exchange.name, "exchange");
    assert_eq!(
        exchange.parent_span_id,
        0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()
    );
    assert_eq!(attribute(exchange, "tidegate.carrier"), "stream");
    let mut names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["CACHE.GET", "LIMIT.TAKE", "SESSION.GET"]);
    for call in &calls {
        assert_eq!(call.kind, SpanKind::Client as i32);
        assert_eq!(call.parent_span_id, exchange.span_id);
        assert_eq!(attribute(call, "db.system.name"), "redis");
        assert_eq!(attribute(call, "db.operation.name"), call.name);
        assert_eq!(attribute(call, "server.address"), "127.0.0.1");
        assert!(exchange.start_time_unix_nano <= call.start_time_unix_nano);
        assert!(call.start_time_unix_nano <= call.end_time_unix_nano);
    }
    let failed = |span: &&Span| {
        let status = span.status.as_ref();
        status.is_some_and(|status| status.code == StatusCode::Error as i32)
    };
    assert!(!spans.iter().any(|span| failed(&span)), "{spans:#?}");

    let all = collector.spans();
    assert!(all.iter().all(|(who, _)| who == "redis-bridge"));
    for other in [unsampled, malformed] {
        assert_eq!(spans_of(&collector, other), [], "{other:x}");
    }
    assert_eq!(all.len(), 4, "nothing but that request");

    let bytes = collector.bytes();
    let secrets = lab.secrets();
    for secret in [
        token.as_str(),
        &token[31..55],
        USER,
        "/full/page",
        &secrets.admin_token,
        &secrets.redis_password,
        &secrets.master_key,
    ] {
        assert!(!contains(&bytes, secret.as_bytes()), "{secret}");
    }
    assert!(
        !contains(&bytes, &decoded(&token)[23..41]),
        "the token's secret"
    );
    let stored = [lab.redis(), lab.redis_cache()];
    for key in stored.iter().flat_map(keys) {
        assert!(!contains(&bytes, &key), "{}", String::from_utf8_lossy(&key));
    }
    assert!(!contains(&bytes, b"tg:"), "part of a key");
}

/// Bridges that serve another namespace refuse every stream; a unary exchange names none.
#[test]
fn without_a_stream_the_trace_travels_as_a_field() {
    let collector = Collector::start();
    let lab = lab_with(&collector.address, &[], &["--namespace", "other"]);
    let request = Request::get("/limited").field("traceparent", traceparent(0xfa11, "01"));
    eventually("an exchange by the other way", true, || {
        assert_eq!(lab.client(0).send(&request).unwrap().status, 200);
        let spans = spans_of(&collector, 0xfa11);
        let carriers = spans.iter();
        let mut carriers = carriers.map(|span| attribute(span, "tidegate.carrier"));
        carriers.any(|carrier| carrier == "unary")
    });
}

#[test]
fn what_redis_does_not_answer_in_time_is_an_error_of_both_spans() {
    let collector = Collector::start();
    let lab = lab(&collector.address, &[]);
    let traced = |trace| Request::get("/limited").field("traceparent", traceparent(trace, "01"));
    lab.pause("redis-state-0").unwrap();
    assert_eq!(lab.client(0).send(&traced(0xdead)).unwrap().status, 200);
    lab.resume("redis-state-0").unwrap();
    eventually("the exchange, and its call if it was made", true, || {
        !spans_of(&collector, 0xdead).is_empty()
    });
    let spans = spans_of(&collector, 0xdead);
    for span in &spans {
        let status = span.status.as_ref().unwrap();
        assert_eq!(status.code, StatusCode::Error as i32, "{spans:#?}");
        assert!(
            ["TIMEOUT", "DOWN"].contains(&&*attribute(span, "error.type")),
            "{spans:#?}"
        );
    }
}

/// Two hundred requests, all of them traced, while nobody takes their spans.
fn requests_do_not_notice(lab: &Lab) {
    let mut client = lab.client(0);
    let mut slowest = Duration::ZERO;
    for trace in 1..=200 {
        let request = Request::get("/limited").field("traceparent", traceparent(trace, "01"));
        let started = wait::now();
        assert_eq!(client.send(&request).unwrap().status, 200);
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn a_collector_that_is_dead_changes_nothing_and_is_counted() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let lab = lab(&address, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "300")]);
    requests_do_not_notice(&lab);
    eventually("all failed", 400, || {
        counted(&lab, "failed") + counted(&lab, "dropped")
    });
    assert!(counted(&lab, "failed") > 0);
    assert_eq!(counted(&lab, "exported"), 0);
}

#[test]
fn a_collector_that_hangs_changes_nothing_and_what_has_no_room_is_counted() {
    let collector = Collector::start();
    collector.hang();
    let mut lab = lab(&collector.address, &[("OTEL_BSP_MAX_QUEUE_SIZE", "32")]);
    requests_do_not_notice(&lab);
    eventually("dropped", true, || counted(&lab, "dropped") >= 200);
    // Nor does the end of a bridge.
    let asked = wait::now();
    lab.end("bridge-0").unwrap();
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
}
