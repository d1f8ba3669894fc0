//! J: clients that write while others read, and clients that hardly read.

use super::upstream::{AUTHORITY, CLIENTS, client, get, is_hit};
use crate::policy::POLICY;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_e2e::{Client, Request, Response, crowd, wait};
use tidegate_stack::{Error, Result, usage};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "J4",
        "ten thousand writes race with the answers that are stored for their URLs",
        Failures::None,
        0,
        writes_race,
    )
    // Most of what the machine has goes into the tries.
    .with_load(20),
    Row::new(
        "J6",
        "five hundred clients read a cached body of 2 MB, a byte a second",
        Failures::None,
        0,
        slow_readers,
    ),
];

/// Writes of a trial (faults.md, J4).
const TRIES: u64 = 10_000;

/// Half of the clients write, each to a URL of its own, the others read these at another Envoy, so that an answer is on
/// its way whenever there is a write. Whoever asks after a write was acknowledged is told its version or a later one.
fn writes_race(trial: &mut Trial) -> Result<()> {
    let lab = &trial.lab;
    let (host, port) = lab.spec().upstream_address();
    let target = |i: usize| format!("/api/products/race-{}", i % CLIENTS);
    let version = |answer: &Response| answer.json().ok()?["version"].as_u64();
    let mut acknowledged = Vec::new();
    for i in 0..CLIENTS {
        let answer = Client::new(&format!("{host}:{port}")).get(&target(i))?;
        acknowledged.push(AtomicU64::new(version(&answer).unwrap_or(0)));
    }
    let hits = AtomicU64::new(0);
    let broken = crowd(CLIENTS * 2, |i| {
        let (target, mut proxy) = (target(i), client(lab, i));
        let mut broken = Vec::new();
        let Some(newest) = acknowledged.get(i % CLIENTS) else {
            return broken;
        };
        for turn in 0..TRIES / CLIENTS as u64 {
            if i < CLIENTS {
                let put = Request::new("PUT", &target).field("host", AUTHORITY);
                if proxy.send(&put).is_ok_and(|answer| answer.status < 300) {
                    newest.fetch_add(1, Ordering::SeqCst);
                }
            }
            let least = newest.load(Ordering::SeqCst);
            let Ok(answer) = proxy.send(&get(&target)) else {
                continue;
            };
            hits.fetch_add(u64::from(is_hit(&answer)), Ordering::Relaxed);
            let Some(seen) = version(&answer) else {
                continue;
            };
            broken.push((seen < least).then(|| {
                format!("{target}, try {turn}: version {seen} after {least} was acknowledged")
            }));
        }
        broken
    });
    for broken in broken.into_iter().flatten() {
        trial.verdict.check("C3", broken);
    }
    trial.measured("hits", hits.into_inner());
    Ok(())
}

const READERS: u64 = 500;
/// Bytes of the body they read; `max_body` may be 3 MiB at most.
const LARGE: u64 = 2_000_000;
/// Copies of that body that one of them may cost at a time: what the filter hands over, and what Envoy sends.
const COPIES: u64 = 2;

fn slow_readers(trial: &mut Trial) -> Result<()> {
    let large = POLICY.replace("l1: 4MiB", "l1: 4MiB, max_body: 3MiB");
    trial.lab.swap(&large)?;
    let target = format!("/size?n={LARGE}");
    let mut proxy = client(&trial.lab, 0);
    wait::until("a hit", Duration::from_secs(5), || {
        let answer = proxy.send(&get(&target)).map_err(|e| e.to_string())?;
        let whole = is_hit(&answer) && answer.body.len() as u64 == LARGE;
        whole.then_some(()).ok_or_else(|| "no hit".to_owned())
    })?;
    let pid = trial.lab.pid("envoy-0")?;
    let before = usage::rss(pid)?;
    let address = format!("127.0.0.1:{}", trial.lab.spec().proxy_port(0));
    let asked = format!("GET {target} HTTP/1.1\r\nhost: {AUTHORITY}\r\n\r\n");
    let open = || {
        // One after the other: that a worker copies two megabytes for each at once is another fault.
        std::thread::sleep(Duration::from_millis(50));
        let mut reader = TcpStream::connect(&address)?;
        reader.set_read_timeout(Some(Duration::from_secs(5)))?;
        reader.write_all(asked.as_bytes())?;
        Ok(reader)
    };
    let readers = (0..READERS)
        .map(|_| open())
        .collect::<std::io::Result<Vec<_>>>();
    let mut readers = readers.map_err(Error::io("connect slow readers"))?;
    let mut most = before;
    for _ in 0..3 {
        for reader in &mut readers {
            let read = reader.read_exact(&mut [0]);
            let text = read.err().map(|error| format!("a slow reader: {error}"));
            trial.verdict.check("L1", text);
        }
        trial.last(1_000);
        most = most.max(usage::rss(pid)?);
    }
    drop(readers);
    let more = most.saturating_sub(before);
    trial.measured("memory for slow readers MB", more / 1_000_000);
    let text = format!("{READERS} readers of {LARGE} bytes cost {more} bytes");
    let bound = READERS * LARGE * COPIES;
    trial.verdict.check("X4", (more > bound).then_some(text));
    Ok(())
}
