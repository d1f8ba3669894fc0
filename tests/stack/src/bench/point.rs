//! One point: one row at one number of connections, for some seconds, and the proof that it was that row.

use super::{Lab, Row, wrk};
use crate::usage;
use crate::{Error, Result, wait};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long counters may take to be seen: the filter hands them to Envoy on a tick.
const SETTLE: Duration = Duration::from_secs(2);

/// What one point showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Requests per second.
    pub(super) rate: f64,
    /// Median and 99th percentile of the time to an answer, µs.
    pub(super) latency: [f64; 2],
    /// Processor time for each request, µs: Envoy, bridges, Redis, upstream.
    pub(super) cpu: [f64; 4],
    /// Exchanges for each request.
    pub(super) exchanges: f64,
    /// Exchanges that shared a pipeline to Redis, on average; NaN without any.
    pub(super) per_pipeline: f64,
    /// Redis commands of each exchange; NaN without any.
    pub(super) commands: f64,
    /// Processors that others than we kept busy meanwhile.
    pub(super) others: f64,
}

/// Measures a point.
///
/// # Errors
/// When a part does not answer, or the row did something else than its name says.
pub(super) fn measure(lab: &Lab, row: Row, connections: u32, duration: Duration) -> Result<Sample> {
    let envoy = lab.envoy(row)?;
    let stats = lab.stats(row)?;
    let bridges = bridges(lab)?;
    let (machine, ours) = (usage::cpu_of_machine()?, lab.cpu_of_all()?);
    let cpu = lab.cpu(row)?;
    let start = wait::now();

    let load = wrk::run(&envoy.url, lab.fields(row), connections, duration)?;

    let cpu_now = lab.cpu(row)?;
    let took = start.elapsed();
    let ours = lab.cpu_of_all()?.saturating_sub(ours);
    let machine = usage::cpu_of_machine()?.saturating_sub(machine);
    check_answers(row, &load)?;
    let slack = load.requests + u64::from(connections);
    let what = format!("{} at {connections} connections", row.name());
    wait::until(what, SETTLE, || {
        let now = lab.stats(row).map_err(|e| e.to_string())?;
        check_stats(row, &stats, &now, load.requests, slack)
    })?;
    let bridges_now = self::bridges(lab)?;

    let requests = load.requests as f64;
    let exchanges = bridges_now[0] - bridges[0];
    // Its filter counts nothing, so the bridges have to say it.
    if row == Row::Bare && exchanges < load.requests {
        return Err(Error::Answer {
            what: format!("row {}: an exchange for each request", row.name()),
            got: format!("{exchanges} exchanges, {} requests", load.requests),
        });
    }
    let grown = |i: usize| (bridges_now[i] - bridges[i]) as f64;
    let each = |i: usize| cpu_now[i].saturating_sub(cpu[i]) as f64 / requests;
    Ok(Sample {
        rate: load.rate,
        latency: [load.p50, load.p99],
        cpu: [each(0), each(1), each(2), each(3)],
        exchanges: grown(0) / requests,
        per_pipeline: grown(0) / grown(1),
        commands: grown(2) / grown(0),
        others: machine.saturating_sub(ours) as f64 / took.as_micros() as f64,
    })
}

fn bridges(lab: &Lab) -> Result<[u64; 3]> {
    Ok([
        lab.bridges("exchanges")?,
        lab.bridges("batches")?,
        lab.bridges("commands")?,
    ])
}

fn check_answers(row: Row, load: &wrk::Load) -> Result<()> {
    let refused = if row.status() == 200 {
        0
    } else {
        load.requests
    };
    if load.requests > 0 && load.errors == 0 && load.refused == refused {
        return Ok(());
    }
    Err(Error::Answer {
        what: format!(
            "row {}: every answer has to be {}",
            row.name(),
            row.status()
        ),
        got: format!("{load:?}"),
    })
}

/// `requests` were answered; up to `slack` may have been begun, since the load ends in the middle of some.
fn check_stats(
    row: Row,
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    requests: u64,
    slack: u64,
) -> std::result::Result<(), String> {
    let of = |all: &BTreeMap<String, u64>, names: &[String]| -> u64 {
        names.iter().filter_map(|name| all.get(name)).sum()
    };
    for expect in row.expects() {
        let grown = of(now, &expect.stats).saturating_sub(of(before, &expect.stats));
        let right = if expect.grows {
            (requests..=slack).contains(&grown)
        } else {
            grown == 0
        };
        if !right {
            let name = expect.stats.join(" + ");
            let should = if expect.grows { requests } else { 0 };
            return Err(format!("{name} grew by {grown} instead of {should}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_did_something_else_is_noticed() {
        let stats = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            pairs.iter().map(|&(n, v)| (n.into(), v)).collect()
        };
        let before = stats(&[("http.edge.downstream_rq_total", 5)]);
        let total = ("http.edge.downstream_rq_total", 105);
        let check = |now: &[(&str, u64)]| check_stats(Row::Constant, &before, &stats(now), 98, 106);
        assert_eq!(check(&[total]), Ok(()));
        let asked = check(&[total, ("cluster.app.upstream_rq_total", 1)]);
        assert!(asked.unwrap_err().contains("upstream_rq_total grew by 1"));
        assert!(check(&[("http.edge.downstream_rq_total", 99)]).is_err());
        assert!(check(&[("http.edge.downstream_rq_total", 112)]).is_err());
    }

    #[test]
    fn answers_must_be_what_the_row_says() {
        let load = wrk::Load {
            requests: 10,
            refused: 0,
            errors: 0,
            rate: 1.0,
            p50: 1.0,
            p99: 1.0,
        };
        assert!(check_answers(Row::Noop, &load).is_ok());
        assert!(check_answers(Row::Denied, &load).is_err());
        let refused = wrk::Load {
            refused: 10,
            ..load
        };
        assert!(check_answers(Row::Noop, &refused).is_err());
        assert!(check_answers(Row::Denied, &refused).is_ok());
        assert!(check_answers(Row::Noop, &wrk::Load { errors: 1, ..load }).is_err());
        assert!(
            check_answers(
                Row::Noop,
                &wrk::Load {
                    requests: 0,
                    ..load
                }
            )
            .is_err()
        );
    }
}
