//! What an Envoy takes when its worker remembers as much as it may.

use super::{Lab, Row};
use crate::http::Client;
use crate::usage;
use crate::{Error, Result};

/// Bodies of this many bytes.
const SIZE: usize = 64 << 10;
/// Four times as many as the bound of the policy's cache (`near` in `policy.yaml`, 8 MiB) has room for.
const OBJECTS: usize = 512;
/// Asked for so often: the first answer comes from the upstream, the second one from Redis, and is kept.
const TIMES: usize = 2;

/// Bytes in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtBound {
    /// Before.
    pub(super) before: u64,
    /// After.
    pub(super) after: u64,
}

/// Fills the memory of the Envoy of [`Row::Remembered`]; `None`: it is not measured.
///
/// # Errors
/// When it does not answer, or remembers the oldest object or not the newest.
pub(super) fn measure(lab: &Lab, rows: &[Row]) -> Result<Option<AtBound>> {
    if !rows.contains(&Row::Remembered) {
        return Ok(None);
    }
    let (url, pid) = (&lab.envoy(Row::Remembered)?.url, lab.pid(Row::Remembered)?);
    let mut client = Client::new(url.trim_end_matches(&Row::Remembered.path()));
    let mut get = |object: usize| -> Result<bool> {
        let answer = client.get(&format!("/size?n={SIZE}&object={object}"))?;
        let status = answer.all("cache-status");
        Ok(status.iter().any(|line| line.ends_with("; detail=l1")))
    };
    let before = usage::rss(pid)?;
    for object in 0..OBJECTS {
        for _ in 0..TIMES {
            get(object)?;
        }
    }
    let after = usage::rss(pid)?;
    match (get(OBJECTS - 1)?, get(0)?) {
        (true, false) => Ok(Some(AtBound { before, after })),
        remembered => Err(Error::Answer {
            what: "the newest and the oldest of 32 MiB of objects".into(),
            got: format!("from memory: {remembered:?}"),
        }),
    }
}
