//! How long a worker goes on answering from its memory: after a `PUBLISH`, which nobody answers, and until a purge
//! is answered.

use super::{Lab, Row};
use crate::http::Client;
use crate::{Error, Result, wait};
use serde_json::json;
use std::time::Duration;

/// Times each is measured.
const TIMES: usize = 100;
/// For the worker to have the object in memory.
const WARM: Duration = Duration::from_secs(5);

/// Milliseconds, in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evictions {
    /// From the end of `PUBLISH` to the first answer that is not from memory; asked for all the time.
    pub(super) published: Vec<f64>,
    /// From a purge to its answer.
    pub(super) purged: Vec<f64>,
}

/// Measures both at the Envoy of [`Row::Remembered`]; `None`: it is not measured.
///
/// # Errors
/// When a part does not answer, or something is answered from memory after a purge.
pub(super) fn measure(lab: &Lab, rows: &[Row]) -> Result<Option<Evictions>> {
    if !rows.contains(&Row::Remembered) {
        return Ok(None);
    }
    let url = &lab.envoy(Row::Remembered)?.url;
    let path = Row::Remembered.path();
    let mut client = Client::new(url.trim_end_matches(&path));
    let mut remembered = || -> Result<bool> {
        let status = client.get(&path)?.all("cache-status");
        Ok(status.iter().any(|line| line.ends_with("; detail=l1")))
    };
    let mut found = Evictions {
        published: Vec::new(),
        purged: Vec::new(),
    };
    let channel = format!("tg:cache:invalidate:{url}");
    for _ in 0..TIMES {
        warm(&mut remembered)?;
        lab.redis_cache().call(&["PUBLISH", &channel, ""])?;
        let begun = wait::now();
        while remembered()? {}
        found.published.push(begun.elapsed().as_secs_f64() * 1e3);
        warm(&mut remembered)?;
        let begun = wait::now();
        lab.admin()
            .post("/v1/cache/purge", &json!({ "url": url }))?;
        found.purged.push(begun.elapsed().as_secs_f64() * 1e3);
        if remembered()? {
            return Err(Error::Answer {
                what: "the first answer after a purge".into(),
                got: "what the worker had in memory".into(),
            });
        }
    }
    found.published.sort_by(f64::total_cmp);
    found.purged.sort_by(f64::total_cmp);
    Ok(Some(found))
}

fn warm(remembered: &mut impl FnMut() -> Result<bool>) -> Result<()> {
    wait::until("the worker has it in memory", WARM, || match remembered() {
        Ok(true) => Ok(()),
        Ok(false) => Err("not yet".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}
