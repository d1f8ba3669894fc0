//! One bridge on one core: what it adds to what Redis spends on the script by itself.
//!
//! In turn, the bridge is asked to take a limit on some streams, and `redis-benchmark` calls the same script with the
//! same arguments on as many connections, with as many calls in flight on each. The bridge has a core for itself, Redis and who
//! asks have the others.

use super::driver::{self, Driven, Pressure};
use super::{Lab, Settings, summary};
use crate::redis::Server;
use crate::usage;
use crate::{Error, Result, wait};
use std::process::Command;
use std::time::Duration;
use tidegate::wire::Op;
use tidegate::wire::op::{Take, TakeOptions};

/// On one stream everything in flight is one pipeline, and nothing overlaps; several keep the bridge busy.
const PRESSURES: [Pressure; 3] = [
    Pressure {
        streams: 1,
        in_flight: 16,
    },
    Pressure {
        streams: 1,
        in_flight: 64,
    },
    Pressure {
        streams: 4,
        in_flight: 64,
    },
];
/// The core that the bridge has.
const CORE: usize = 0;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alone {
    /// One for each number in flight.
    pub(super) points: Vec<Point>,
    /// Whether the bridge had a core for itself.
    pub(super) pinned: bool,
}

/// Medians over the rounds. Processor time in µs for each exchange, or call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// In flight.
    pub(super) pressure: Pressure,
    /// Exchanges per second.
    pub(super) rate: f64,
    /// Exchanges in one pipeline.
    pub(super) per_pipeline: f64,
    /// Of the bridge.
    pub(super) bridge: f64,
    /// Of Redis, asked by the bridge.
    pub(super) redis: f64,
    /// Of Redis, asked by `redis-benchmark`.
    pub(super) script: f64,
    /// Calls per second of `redis-benchmark`.
    pub(super) script_rate: f64,
    /// What the bridge spends, less what the script costs Redis, in the same round.
    pub(super) more: f64,
}

/// Measures.
///
/// # Errors
/// When a part does not answer, or `redis-benchmark` is missing or is refused.
pub(super) fn measure(lab: &Lab, settings: &Settings, mut say: impl FnMut(&str)) -> Result<Alone> {
    let subject = *b"bench-the-bridge";
    let op = Op::LimitTake(vec![Take {
        algorithm: b"fixed_window",
        subject: &subject,
        id: b"bench-id",
        limit: 1 << 40,
        window_us: 3_600_000_000,
        burst: 1,
        cost: 1,
        options: TakeOptions::default(),
    }]);
    let (bridge, redis, server) = (
        lab.pid_of("bridge-0")?,
        lab.pid_of("redis-state-0")?,
        lab.redis(),
    );
    let pinned = pin(bridge, redis);
    let call = call_of(&lab.data()?, &op, &server)?;
    let mut points = Vec::new();
    for pressure in PRESSURES {
        let mut rounds = Vec::new();
        for round in 1..=settings.rounds {
            let through = through(lab, &op, pressure, settings.duration, [bridge, redis])?;
            let script = by_itself(&server, &call, pressure, settings.duration, redis)?;
            say(&format!(
                "round {round} {:<10} one bridge {:>8.0} exchanges/s",
                pressure.to_string(),
                through.rate
            ));
            rounds.push((through, script));
        }
        let median = |of: &dyn Fn(&(Through, Script)) -> f64| {
            let median = summary::median(rounds.iter().map(of).collect());
            median.unwrap_or(f64::NAN)
        };
        points.push(Point {
            pressure,
            rate: median(&|(through, _)| through.rate),
            per_pipeline: median(&|(through, _)| through.per_pipeline),
            bridge: median(&|(through, _)| through.bridge),
            redis: median(&|(through, _)| through.redis),
            script: median(&|(_, script)| script.redis),
            script_rate: median(&|(_, script)| script.rate),
            more: median(&|(through, script)| through.bridge - script.redis),
        });
    }
    Ok(Alone { points, pinned })
}

/// One round through the bridge.
struct Through {
    rate: f64,
    per_pipeline: f64,
    bridge: f64,
    redis: f64,
}

/// One round of `redis-benchmark`.
struct Script {
    rate: f64,
    redis: f64,
}

fn through(
    lab: &Lab,
    op: &Op<'_>,
    pressure: Pressure,
    duration: Duration,
    [bridge, redis]: [u32; 2],
) -> Result<Through> {
    let counted = || -> Result<_> {
        let totals = [lab.bridges("exchanges")?, lab.bridges("batches")?];
        Ok((totals, usage::cpu(bridge)?, usage::cpu(redis)?))
    };
    let before = counted()?;
    let Driven { exchanges, took } = driver::run(&lab.data()?, op, pressure, duration)?;
    let now = counted()?;
    let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / exchanges as f64;
    let grown = |i: usize| now.0[i].saturating_sub(before.0[i]) as f64;
    Ok(Through {
        rate: exchanges as f64 / took.as_secs_f64(),
        per_pipeline: grown(0) / grown(1),
        bridge: each(now.1, before.1),
        redis: each(now.2, before.2),
    })
}

fn by_itself(
    server: &Server,
    call: &[String],
    pressure: Pressure,
    duration: Duration,
    redis: u32,
) -> Result<Script> {
    // As long as the other, about: a first, short run says how many that is.
    let (short, took) = benchmark(server, call, pressure, 20_000)?;
    let count = (short as f64 * duration.as_secs_f64() / took.as_secs_f64()) as u64;
    let before = usage::cpu(redis)?;
    let (count, took) = benchmark(server, call, pressure, count.max(20_000))?;
    let cpu = usage::cpu(redis)?.saturating_sub(before);
    Ok(Script {
        rate: count as f64 / took.as_secs_f64(),
        redis: cpu as f64 / count as f64,
    })
}

/// How many calls were made, and how long they took.
fn benchmark(
    server: &Server,
    call: &[String],
    pressure: Pressure,
    count: u64,
) -> Result<(u64, Duration)> {
    let (host, port) = server
        .address()
        .split_once(':')
        .unwrap_or(("127.0.0.1", ""));
    let before = calls(server)?;
    let start = wait::now();
    let output = Command::new("redis-benchmark")
        .args(["-h", host, "-p", port, "-n", &count.to_string(), "-q"])
        .args(["-c", &pressure.streams.to_string()])
        .args(["-P", &pressure.in_flight.to_string()])
        .args(call)
        .output()
        .map_err(Error::io("run redis-benchmark"))?;
    let took = start.elapsed();
    let made = calls(server)?.saturating_sub(before);
    if !output.status.success() || made < count {
        let said = [&output.stdout[..], &output.stderr].concat();
        return Err(Error::Answer {
            what: format!("redis-benchmark of {count} calls, of which Redis saw {made}"),
            got: String::from_utf8_lossy(&said).into_owned(),
        });
    }
    Ok((made, took))
}

/// Calls of scripts so far that did not fail.
fn calls(server: &Server) -> Result<u64> {
    let all = server.call(&["INFO", "commandstats"])?.text();
    let line = all
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    let field = |name: &str| {
        let value = line?.split(',').find_map(|field| field.split_once(name))?.1;
        value.trim().parse::<u64>().ok()
    };
    let made = field("calls=").unwrap_or(0);
    Ok(made - field("failed_calls=").unwrap_or(0).min(made))
}

/// What the bridge calls Redis with for `op`: watched, so that it is the same to the byte.
fn call_of(data: &str, op: &Op<'_>, server: &Server) -> Result<Vec<String>> {
    let monitor = server.monitor()?;
    let once = Pressure {
        streams: 1,
        in_flight: 1,
    };
    driver::run(data, op, once, Duration::ZERO)?;
    // The answer may overtake the line.
    std::thread::sleep(Duration::from_millis(100));
    let seen = String::from_utf8_lossy(&monitor.end()).into_owned();
    let found = seen.lines().find_map(parse);
    found.ok_or_else(|| Error::Answer {
        what: "MONITOR, for the call of a script with printable arguments".into(),
        got: seen.chars().take(400).collect(),
    })
}

/// Words of a line of `MONITOR` that is a call of `EVALSHA` and needed no escapes.
fn parse(line: &str) -> Option<Vec<String>> {
    let (_, words) = line.split_once("] \"EVALSHA\" \"")?;
    let words = words.strip_suffix('"')?;
    if words.contains('\\') {
        return None;
    }
    let words = words.split("\" \"").map(str::to_owned);
    Some(std::iter::once("EVALSHA".to_owned()).chain(words).collect())
}

/// Gives the bridge a core, and the others to Redis and to this program; whether that was possible.
fn pin(bridge: u32, redis: u32) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return false;
    }
    let others = format!("{}-{}", CORE + 1, cores - 1);
    let set = |cores: &str, pid: u32| {
        let done = Command::new("taskset")
            .args(["-a", "-p", "-c", cores, &pid.to_string()])
            .output();
        done.is_ok_and(|output| output.status.success())
    };
    let all = [
        set(&CORE.to_string(), bridge),
        set(&others, redis),
        set(&others, std::process::id()),
    ];
    all.into_iter().all(|done| done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_from_what_monitor_prints() {
        let line =
            r#"1764.25 [0 127.0.0.1:5] "EVALSHA" "ab12" "1" "tg:l:{00}:x" "fixed_window" "9""#;
        let words = ["EVALSHA", "ab12", "1", "tg:l:{00}:x", "fixed_window", "9"];
        assert_eq!(parse(line).unwrap(), words);
        assert_eq!(parse(r#"1764.25 [0 lua] "GET" "tg:l""#), None);
        assert_eq!(parse(r#"1.2 [0 a] "EVALSHA" "ab" "\x00""#), None);
    }
}
