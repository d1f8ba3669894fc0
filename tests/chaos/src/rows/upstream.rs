//! J: upstreams that break off or lie.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::time::Duration;
use tidegate_e2e::{Client, Lab, Request, Response, crowd};
use tidegate_stack::Result;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "J1",
        "the upstream resets or ends its answer at each byte of the body",
        Failures::None,
        0,
        breaks_off,
    ),
    Row::new(
        "J3",
        "the upstream lies about what it sends",
        Failures::None,
        0,
        lies,
    ),
];

pub(super) const AUTHORITY: &str = "chaos.example";
const OK: &str = "HTTP/1.1 200 OK\r\ncache-control: public, max-age=600\r\n";
/// Bytes of the body that breaks off.
const BODY: usize = 48;
/// Clients that try at once.
pub(super) const CLIENTS: usize = 8;

pub(super) fn client(lab: &Lab, i: usize) -> Client {
    let envoy = u16::try_from(i).unwrap_or(0) % lab.spec().envoys;
    let address = format!("127.0.0.1:{}", lab.spec().proxy_port(envoy));
    Client::new(&address).timeout(Duration::from_secs(10))
}

pub(super) fn get(target: &str) -> Request {
    Request::get(target).field("host", AUTHORITY)
}

pub(super) fn is_hit(answer: &Response) -> bool {
    answer
        .all("cache-status")
        .iter()
        .any(|value| value.contains("; hit"))
}

/// What makes the sample upstream answer with these bytes.
fn raw(bytes: &str, then: &str, name: &str) -> String {
    let hex: String = bytes.bytes().map(|b| format!("{b:02x}")).collect();
    format!("/raw?hex={hex}&then={then}&name={name}")
}

/// Twice: the second one would come from what the first one left.
fn breaks_off(trial: &mut Trial) -> Result<()> {
    let ends: Vec<(usize, &str)> = (0..BODY)
        .flat_map(|at| [(at, "reset"), (at, "close")])
        .collect();
    let lab = &trial.lab;
    let found = crowd(CLIENTS, |i| {
        let mut found = Vec::new();
        for (at, then) in ends.iter().skip(i).step_by(CLIENTS) {
            let sent = format!("{OK}content-length: {BODY}\r\n\r\n{}", "x".repeat(*at));
            let target = raw(&sent, then, &format!("{then}-{at}"));
            for turn in 0..2 {
                // Each on its own connection: a broken answer ends it.
                let answer = client(lab, i).send(&get(&target));
                // It broke off for the client too, or Envoy had not begun it: 502 or 503.
                let whole = answer.is_ok_and(|answer| answer.status < 500 || is_hit(&answer));
                let text = format!("{at} of {BODY} bytes, {then}, time {turn}: a whole answer");
                found.push(whole.then_some(text));
            }
        }
        found
    });
    for broken in found.into_iter().flatten() {
        trial.verdict.check("C6", broken);
    }
    Ok(())
}

fn lies(trial: &mut Trial) -> Result<()> {
    let bodies = [
        (
            "C6",
            "longer than it says",
            "content-length: 90\r\n\r\nshort",
        ),
        (
            "C6",
            "a length and chunks",
            "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        ),
        (
            "C6",
            "two lengths",
            "content-length: 4\r\ncontent-length: 5\r\n\r\nbody",
        ),
        (
            "C6",
            "chunks without their end",
            "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n",
        ),
        (
            "C6",
            "a chunk of no length",
            "transfer-encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n",
        ),
        (
            "C5",
            "a cookie",
            "set-cookie: theirs=1\r\ncontent-length: 4\r\n\r\nbody",
        ),
        (
            "C5",
            "everything varies",
            "vary: *\r\ncontent-length: 4\r\n\r\nbody",
        ),
    ];
    let mut answers: Vec<(&str, &str, String)> = bodies
        .into_iter()
        .map(|(invariant, name, rest)| (invariant, name, format!("{OK}{rest}")))
        .collect();
    let unasked =
        "HTTP/1.1 304 Not Modified\r\ncache-control: public, max-age=600\r\netag: \"1\"\r\n\r\n";
    let part = "HTTP/1.1 206 Partial Content\r\ncache-control: public, max-age=600\r\n\
                content-range: bytes 0-3/9\r\ncontent-length: 4\r\n\r\nbody";
    answers.push(("C6", "304 that nobody asked for", unasked.into()));
    answers.push(("C6", "a part that nobody asked for", part.into()));
    for (invariant, name, bytes) in answers {
        let hit = is_stored(trial, name, &bytes);
        let text = format!("{name}: stored");
        trial.verdict.check(invariant, hit.then_some(text));
    }
    // What is told without a lie is found that way.
    let hit = is_stored(
        trial,
        "honest",
        &format!("{OK}content-length: 4\r\n\r\nbody"),
    );
    let text = "an honest answer is not stored".to_owned();
    trial.verdict.check("C6", (!hit).then_some(text));
    Ok(())
}

/// Whether one of six requests, at each Envoy in turn, is answered with what another one left.
fn is_stored(trial: &Trial, name: &str, bytes: &str) -> bool {
    let target = raw(bytes, "close", &name.replace(' ', "-"));
    (0..6).any(|turn| {
        let answer = client(&trial.lab, turn).send(&get(&target));
        // What is stored is stored behind the answer.
        trial.last(20);
        answer.is_ok_and(|answer| is_hit(&answer))
    })
}
