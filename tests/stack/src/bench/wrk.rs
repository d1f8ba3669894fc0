//! The load generator: `wrk`, one thread, and what it reports.

use crate::{Error, Result};
use std::process::Command;
use std::time::Duration;

/// What `wrk` saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Requests that were answered.
    pub(super) requests: u64,
    /// Answers that are neither 2xx nor 3xx.
    pub(super) refused: u64,
    /// Connections that failed, reads and writes that failed, answers that took over 2 s.
    pub(super) errors: u64,
    /// Requests answered per second.
    pub(super) rate: f64,
    /// Median of the time to an answer, µs.
    pub(super) p50: f64,
    /// 99th percentile, µs.
    pub(super) p99: f64,
}

/// Sends `GET url` on so many connections, each as soon as the one before was answered.
///
/// # Errors
/// [`Error::Missing`] without `wrk`, [`Error::Answer`] when it reports something else than expected.
pub(super) fn run(
    url: &str,
    fields: &[String],
    connections: u32,
    duration: Duration,
) -> Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["--latency", "-t1", &format!("-c{connections}")]);
    command.arg(format!("-d{}s", duration.as_secs()));
    for field in fields {
        command.args(["-H", field]);
    }
    let output = command.arg(url).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::Missing {
            what: "wrk",
            mend: "apt-get install wrk".into(),
        },
        _ => Error::io("run wrk")(e),
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).ok_or_else(|| Error::Answer {
        what: format!("wrk {url}"),
        got: text.into_owned() + &String::from_utf8_lossy(&output.stderr),
    })
}

fn read(text: &str) -> Option<Load> {
    let after = |label: &str| {
        let line = text.lines().find_map(|l| l.trim().strip_prefix(label));
        line.map(str::trim)
    };
    let requests = text
        .lines()
        .find(|line| line.contains(" requests in "))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    // "connect 0, read 3, write 0, timeout 0"
    let errors = after("Socket errors:").map_or(Some(0), |list| {
        let numbers = list
            .split(',')
            .map(|item| item.split_whitespace().nth(1)?.parse::<u64>().ok());
        numbers.sum::<Option<u64>>()
    });
    let refused = after("Non-2xx or 3xx responses:").map_or(Some(0), |n| n.parse().ok());
    Some(Load {
        requests,
        refused: refused?,
        errors: errors?,
        rate: after("Requests/sec:")?.parse().ok()?,
        p50: micros(after("50%")?)?,
        p99: micros(after("99%")?)?,
    })
}

/// `830.00us`, `2.61ms`, `1.20s`.
fn micros(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let scale = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 6e7,
        _ => return None,
    };
    Some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Running 2s test @ http://127.0.0.1:10000/bench
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.01ms    1.20ms  18.11ms   80.00%
    Req/Sec    10.90k   640.20    12.00k    75.00%
  Latency Distribution
     50%  830.00us
     75%    3.20ms
     90%    4.10ms
     99%    7.95ms
  21790 requests in 2.01s, 3.20MB read
  Socket errors: connect 0, read 3, write 1, timeout 2
  Non-2xx or 3xx responses: 17
Requests/sec:  10843.21
Transfer/sec:      1.59MB
";

    #[test]
    fn a_report_is_read() {
        let load = read(REPORT).unwrap();
        assert_eq!((load.requests, load.refused, load.errors), (21_790, 17, 6));
        assert_eq!((load.rate, load.p50, load.p99), (10_843.21, 830.0, 7_950.0));
    }

    #[test]
    fn one_without_complaints_has_none_and_a_broken_one_is_refused() {
        let clean: String = REPORT
            .lines()
            .filter(|l| !l.contains("errors") && !l.contains("Non-2xx"))
            .map(|l| format!("{l}\n"))
            .collect();
        let load = read(&clean).unwrap();
        assert_eq!((load.refused, load.errors), (0, 0));
        assert_eq!(read(&REPORT.replace("99%", "98%")), None);
        assert_eq!(
            read("unable to connect to 127.0.0.1:1 Connection refused"),
            None
        );
    }
}
