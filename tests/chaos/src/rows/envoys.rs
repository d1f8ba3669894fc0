//! E, F, I: Envoys, clocks, garbage.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use tidegate_e2e::{Clock, RedisKind, Request, StackSpec};
use tidegate_stack::Result;
use tidegate_stack::http::Client;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "E1",
        "an Envoy is killed and starts again",
        Failures::Any,
        1_500,
        dies,
    ),
    Row::new(
        "E7",
        "Envoys end each stream to a bridge after a second, for 5 s",
        Failures::None,
        0,
        short_streams,
    )
    .with(streams_end),
    Row::new(
        "F1",
        "the clocks of all Envoys step by hours, for 4 s",
        Failures::None,
        0,
        envoy_clocks,
    )
    .with(envoys_have_clocks),
    Row::new(
        "F2",
        "the clocks of all bridges step by hours, for 4 s",
        Failures::None,
        0,
        bridge_clocks,
    )
    .with(bridges_have_clocks),
    Row::new(
        "F3",
        "the clock of Redis steps back by half an hour and forth again, for 4 s",
        Failures::None,
        0,
        redis_clock,
    )
    .on(RedisKind::Standalone)
    .with(redis_has_a_clock),
    Row::new(
        "I7",
        "bombs and noise on the bridges' data listeners, for 3 s",
        Failures::None,
        0,
        bombs,
    ),
];

const HOUR: i64 = 3_600;
const REDIS: &str = "redis-state-0";

fn dies(trial: &mut Trial) -> Result<()> {
    let victim = trial.one_of(&["envoy-0", "envoy-1", "envoy-2"]);
    trial.lab.kill(&victim)?;
    trial.last(1_000);
    trial.lab.revive(&victim)
}

fn streams_end(spec: &mut StackSpec) {
    spec.stream_ms = Some(1_000);
}

/// All along, and judged while it lasts: streams end whether anybody looks or not.
fn short_streams(trial: &mut Trial) -> Result<()> {
    let lost = |trial: &Trial| trial.lab.stat("tidegate.exchange.stream_lost");
    let before = lost(trial)?;
    trial.last(5_000);
    let ended = lost(trial)?.saturating_sub(before);
    trial.measured("streams ended", ended);
    let text = format!("{ended} streams ended in 5 s");
    trial.verdict.check("L6", (ended < 20).then_some(text));
    Ok(())
}

fn envoys_have_clocks(spec: &mut StackSpec) {
    let ahead = |i: u16| if i.is_multiple_of(2) { HOUR } else { -HOUR };
    spec.clocks = (0..spec.envoys)
        .map(|i| Clock::new(format!("envoy-{i}"), ahead(i)))
        .collect();
}

fn bridges_have_clocks(spec: &mut StackSpec) {
    let ahead = |i: u16| if i == 0 { HOUR } else { -HOUR };
    spec.clocks = (0..spec.bridges)
        .map(|i| Clock::new(format!("bridge-{i}"), ahead(i)))
        .collect();
}

fn envoy_clocks(trial: &mut Trial) -> Result<()> {
    step(trial, "envoy", 3)
}

fn bridge_clocks(trial: &mut Trial) -> Result<()> {
    step(trial, "bridge", 2)
}

fn redis_has_a_clock(spec: &mut StackSpec) {
    spec.clocks = vec![Clock::new(REDIS, 0)];
}

/// Never ahead of where it was: sessions that have ended then are no fault of ours.
fn redis_clock(trial: &mut Trial) -> Result<()> {
    for turn in 0..8 {
        let behind = if turn % 2 == 0 { HOUR / 2 } else { 0 };
        trial.lab.step_clock(REDIS, -behind)?;
        trial.last(500);
    }
    Ok(())
}

fn step(trial: &mut Trial, kind: &str, n: u16) -> Result<()> {
    for _ in 0..8 {
        for i in 0..n {
            let hours = i64::try_from(trial.random.below(49)).unwrap_or(0) - 24;
            trial.lab.step_clock(&format!("{kind}-{i}"), hours * HOUR)?;
        }
        trial.last(500);
    }
    Ok(())
}

/// What announces more than anybody could hold, nests deeper than anybody would look, or is nothing at all.
fn bombs(trial: &mut Trial) -> Result<()> {
    let deep = "*1\r\n".repeat(100_000);
    let bombs = [
        "*2147483647\r\n",
        "*-2\r\n",
        "$536870912\r\n",
        "*1\r\n$-2\r\n",
        "SET a b\r\n",
        &deep,
    ];
    for _ in 0..15 {
        for bridge in trial.lab.endpoints()?.bridges {
            let mut client = Client::new(&bridge.data);
            for bomb in bombs {
                let request = Request::new("POST", "/v1/exchange")
                    .field("content-type", "application/vnd.tidegate.resp")
                    .body(bomb);
                // Refused, or the connection is closed: either is an answer.
                let taken = client
                    .send(&request)
                    .is_ok_and(|answer| answer.status == 200);
                let text = format!("a bomb was taken: {bomb:.20}");
                trial.verdict.check("X6", taken.then_some(text));
            }
            let noise: Vec<u8> = (0..512)
                .map(|_| trial.random.next_u64().to_le_bytes()[0])
                .collect();
            let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &noise].concat();
            for bytes in [noise, preface] {
                let limit = std::time::Duration::from_millis(20);
                // It need not say anything to that.
                let _answer = client.raw(&bytes, limit);
            }
        }
        trial.last(100);
    }
    Ok(())
}
