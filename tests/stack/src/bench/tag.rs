//! What the purge of a tag on very many objects costs the others of the same Redis: it goes in bounded steps.

use super::Lab;
use crate::http::{Client, Request};
use crate::{Error, Result, wait};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate::wire::Op;
use tidegate::wire::op::{CacheGet, CachePut, Want};

/// Objects that have the tag.
const OBJECTS: usize = 100_000;
/// Objects of one exchange.
const EACH: usize = 50;
/// How long the server is watched without a purge.
const IDLE: Duration = Duration::from_secs(2);
const LEASE: [u8; 16] = [7; 16];
const FIELD: [u8; 16] = [1; 16];
const TAG: &[u8] = b"bench-tag";

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TagPurge {
    pub(super) objects: usize,
    /// From the purge to its answer, seconds.
    pub(super) took_s: f64,
    /// Milliseconds for a `GET` on a connection of its own, in ascending order: without a purge, and beside it.
    pub(super) idle: Vec<f64>,
    pub(super) beside: Vec<f64>,
}

/// Fills, purges, and watches.
///
/// # Errors
/// When a part does not answer, an object is not stored or not removed, or a key has no TTL.
pub(super) fn measure(lab: &Lab) -> Result<TagPurge> {
    fill(lab)?;
    all_end(lab)?;
    let idle = watch(lab, || {
        std::thread::sleep(IDLE);
        Ok(())
    })?;
    let mut took_s = 0.0;
    let mut purged = 0;
    let beside = watch(lab, || {
        let begun = wait::now();
        let answer = lab
            .admin()
            .post("/v1/cache/purge", &json!({ "tag": "bench-tag" }))?;
        took_s = begun.elapsed().as_secs_f64();
        purged = answer.json()?["purged"].as_u64().unwrap_or(0);
        Ok(())
    })?;
    all_end(lab)?;
    if purged != OBJECTS as u64 {
        return Err(wrong("objects purged", &purged.to_string()));
    }
    Ok(TagPurge {
        objects: OBJECTS,
        took_s,
        idle,
        beside,
    })
}

/// Stores the objects through a bridge, as a filter would.
fn fill(lab: &Lab) -> Result<()> {
    let mut client = Client::new(&lab.data()?);
    let urls: Vec<Vec<u8>> = (0..OBJECTS)
        .map(|n| format!("http://bench.example/{n}").into_bytes())
        .collect();
    for urls in urls.chunks(EACH) {
        let get = |url| CacheGet {
            url,
            field: &FIELD,
            vary: b"",
            lease: &LEASE,
            lease_ms: 60_000,
            wait_ms: 0,
            want: Want::Fill,
        };
        let put = |url| CachePut {
            url,
            field: &FIELD,
            vary: b"",
            lease: &LEASE,
            asked: &FIELD,
            at_us: None,
            age_ms: 0,
            fresh_ms: 3_600_000,
            ttl_ms: 3_600_000,
            record: b"record",
            tags: vec![TAG],
        };
        exchange(&mut client, urls.iter().map(|url| Op::CacheGet(get(url))))?;
        let stored = exchange(&mut client, urls.iter().map(|url| Op::CachePut(put(url))))?;
        if stored.matches("+stored").count() != urls.len() {
            return Err(wrong("stores", &stored));
        }
    }
    Ok(())
}

fn exchange<'a>(client: &mut Client, ops: impl Iterator<Item = Op<'a>>) -> Result<String> {
    let mut body = Vec::new();
    ops.for_each(|op| op.encode(&mut body));
    let answer = client.send(&Request::new("POST", "/v1/exchange").body(body))?;
    Ok(answer.text())
}

/// How long commands of others take while something is done.
fn watch(lab: &Lab, what: impl FnOnce() -> Result<()>) -> Result<Vec<f64>> {
    let done = AtomicBool::new(false);
    let redis = lab.redis_cache();
    let mut times = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let begun = wait::now();
                redis.call(&["GET", "tg:nothing"])?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(times)
        });
        let result = what();
        done.store(true, Ordering::Relaxed);
        let times = watcher
            .join()
            .map_err(|_| wrong("the watcher", "a panic"))?;
        result.and(times)
    })?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Every key has a TTL.
fn all_end(lab: &Lab) -> Result<()> {
    match lab.redis_cache().keys_without_ttl()? {
        0 => Ok(()),
        count => Err(wrong("keys without a TTL", &count.to_string())),
    }
}

fn wrong(what: &str, got: &str) -> Error {
    Error::Answer {
        what: what.into(),
        got: got.chars().take(200).collect(),
    }
}
