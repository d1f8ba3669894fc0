//! A long and steady load of everything: `make soak`. What grows, leaks or loses its end shows here.
//!
//! It fails when a key without a TTL is found or a process is not the one that was started; all else is for people
//! to read: the medians of the first minute beside those of the last one.

mod load;
mod report;
mod sample;

pub use report::Report;

use crate::{Error, Result, Stack, StackSpec, spec, wait};
use load::Load;
use sample::Sample;
use std::time::Duration;

/// How often everything is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// The least number of looks, however short it is.
const LOOKS: u32 = 4;

/// Reads `SOAK_SECONDS`, 1..=86400; 600 when it is not set.
///
/// # Errors
/// [`Error::Spec`] when it is something else.
pub fn seconds(get: impl Fn(&str) -> Option<String>) -> Result<Duration> {
    let Some(text) = get("SOAK_SECONDS").filter(|text| !text.is_empty()) else {
        return Ok(Duration::from_secs(600));
    };
    match text.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::Spec {
            variable: "SOAK_SECONDS",
            reason: format!("must be a number in 1..=86400, got {text:?}"),
        }),
    }
}

/// Starts a stack, loads it for `duration`, ends it.
///
/// # Errors
/// When a part is missing or ends, or a key without a TTL is found.
pub fn run(mut spec: StackSpec, duration: Duration, mut say: impl FnMut(&str)) -> Result<Report> {
    spec.policy = spec::root().join("tests/stack/src/soak/policy.yaml");
    let stack = Stack::start_telling(spec, &mut say)?;
    let parts = sample::parts(&stack)?;
    let load = Load::start(&stack)?;
    let every = EVERY.min(duration / LOOKS);
    let start = wait::now();
    let mut samples: Vec<Sample> = Vec::new();
    let mut next = every;
    while next <= duration {
        std::thread::sleep(next.saturating_sub(start.elapsed()));
        let sample = sample::take(&stack, &parts, start.elapsed())?;
        say(&format!(
            "{:>5.0} s: {} requests, {} keys in Redis",
            sample.at.as_secs_f64(),
            load.total(),
            sample.keys.iter().sum::<i64>(),
        ));
        samples.push(sample);
        next += every;
    }
    Ok(Report {
        samples,
        answers: load.end(),
        duration,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_and_mistakes_name_the_variable() {
        let read = |value: &str| seconds(|_| Some(value.to_owned()));
        assert_eq!(read("20").unwrap(), Duration::from_secs(20));
        assert_eq!(read("").unwrap(), Duration::from_secs(600));
        for bad in ["0", "10m", "86401"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with("SOAK_SECONDS"), "{error}");
        }
    }
}
