//! D: what lies between the parts, through the fault proxies.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use tidegate_e2e::RedisKind;
use tidegate_stack::fault::{Accept, Direction, Faults};
use tidegate_stack::{Error, Result};

const REDIS: &str = "bridge-*";
const BRIDGES: &str = "envoy-bridge-*";

pub(super) const ROWS: &[Row] = &[
    row("D1", "Redis is 20 ms away for 3 s", Failures::None, 0, far),
    row(
        "D2",
        "one reply of Redis in a hundred is 2 s late, for 5 s",
        // Each holds up what was sent on its connection in the ten milliseconds after it.
        Failures::AtMost(400),
        1_000,
        a_few_late,
    ),
    row(
        "D3",
        "Redis says nothing for 3 s, its connections stay open",
        Failures::OnError,
        1_000,
        black_hole,
    ),
    row(
        "D4",
        "requests reach Redis, its replies vanish for 2 s",
        Failures::OnError,
        1_000,
        half_open,
    ),
    row(
        "D5",
        "connections to Redis are reset in the middle of a reply, for 3 s",
        Failures::OnError,
        1_000,
        reset_midway,
    ),
    row(
        "D6",
        "replies of Redis come 150 ms late, after their deadline, for 3 s",
        Failures::OnError,
        1_000,
        late_replies,
    ),
    row(
        "D8",
        "every byte between the parts comes by itself, for 2 s",
        Failures::OnError,
        1_000,
        sliced,
    )
    // A system call for each byte of everything, on the machine that carries all the rest.
    .with_load(20),
    row(
        "D9",
        "a byte of what Redis says is another one, for 3 s",
        Failures::OnError,
        1_000,
        corrupted,
    ),
    row(
        "D10",
        "a byte of what Envoy and bridge say is another one, for 3 s",
        Failures::OnError,
        2_000,
        corrupted_streams,
    ),
    row(
        "D11",
        "Redis accepts connections and resets them, for 3 s",
        Failures::OnError,
        2_000,
        accepts_and_resets,
    ),
    row(
        "D12",
        "connections to Redis are reset ten times a second, for 3 s",
        Failures::OnError,
        1_000,
        resets,
    ),
    row(
        "D13",
        "streams between Envoy and bridge are reset fifteen times, five times a second",
        Failures::AtMost(30),
        1_000,
        stream_resets,
    ),
    row(
        "J8",
        "what a bridge tells all workers, or one, stalls for 400 ms, eight times each, while URLs are purged",
        Failures::OnError,
        1_000,
        pushes_stall,
    ),
];

const fn row(
    id: &'static str,
    fault: &'static str,
    failures: Failures,
    recovery_ms: u64,
    run: fn(&mut Trial) -> Result<()>,
) -> Row {
    Row::new(id, fault, failures, recovery_ms, run)
        .on(RedisKind::Standalone)
        .through_proxies()
}

fn far(trial: &mut Trial) -> Result<()> {
    let slow = Direction {
        delay_ms: 20,
        ..Direction::default()
    };
    during(trial, REDIS, 3_000, down(slow))
}

fn a_few_late(trial: &mut Trial) -> Result<()> {
    let late = Direction {
        delay_ms: 2_000,
        late_one_in: 100,
        ..Direction::default()
    };
    during(trial, REDIS, 5_000, down(late))
}

fn black_hole(trial: &mut Trial) -> Result<()> {
    let stall = Direction {
        stall: true,
        ..Direction::default()
    };
    let both = Faults {
        up: stall.clone(),
        ..down(stall)
    };
    during(trial, REDIS, 3_000, both)
}

fn half_open(trial: &mut Trial) -> Result<()> {
    let nothing = Direction {
        drop_after: Some(0),
        ..Direction::default()
    };
    during(trial, REDIS, 2_000, down(nothing))
}

fn reset_midway(trial: &mut Trial) -> Result<()> {
    for _ in 0..30 {
        let reset = Direction {
            reset_after: Some(trial.random.below(400)),
            ..Direction::default()
        };
        during(trial, REDIS, 50, down(reset))?;
        trial.last(50);
    }
    Ok(())
}

fn late_replies(trial: &mut Trial) -> Result<()> {
    for _ in 0..6 {
        let late = Direction {
            delay_ms: 150,
            ..Direction::default()
        };
        during(trial, REDIS, 250, down(late))?;
        trial.last(250);
    }
    Ok(())
}

fn sliced(trial: &mut Trial) -> Result<()> {
    let slice = Direction {
        slice: true,
        ..Direction::default()
    };
    let both = Faults {
        up: slice.clone(),
        ..down(slice)
    };
    trial.lab.faults().set(BRIDGES, &both)?;
    let sliced = during(trial, REDIS, 2_000, both);
    trial.lab.faults().heal(BRIDGES)?;
    sliced
}

fn corrupted(trial: &mut Trial) -> Result<()> {
    corrupt(trial, REDIS)
}

fn corrupted_streams(trial: &mut Trial) -> Result<()> {
    corrupt(trial, BRIDGES)
}

fn corrupt(trial: &mut Trial, links: &str) -> Result<()> {
    for _ in 0..15 {
        let corrupt = Direction {
            corrupt_at: Some(trial.random.below(600)),
            ..Direction::default()
        };
        during(trial, links, 100, down(corrupt))?;
        trial.last(100);
    }
    Ok(())
}

fn accepts_and_resets(trial: &mut Trial) -> Result<()> {
    let refuse = Faults {
        accept: Accept::Reset,
        ..Faults::default()
    };
    trial.lab.faults().set(REDIS, &refuse)?;
    trial.lab.faults().reset(REDIS)?;
    trial.last(3_000);
    trial.lab.faults().heal(REDIS)
}

fn resets(trial: &mut Trial) -> Result<()> {
    for _ in 0..30 {
        trial.lab.faults().reset(REDIS)?;
        trial.last(100);
    }
    Ok(())
}

fn stream_resets(trial: &mut Trial) -> Result<()> {
    for turn in 0..15 {
        trial
            .lab
            .faults()
            .reset(&format!("envoy-bridge-{}", turn % 2))?;
        trial.last(200);
    }
    Ok(())
}

/// Shorter than the silence after which workers leave it: they go on, and hear of purges late.
fn pushes_stall(trial: &mut Trial) -> Result<()> {
    for turn in 0..16 {
        let stall = Direction {
            stall: true,
            ..Direction::default()
        };
        let mut faults = down(stall);
        let link = format!("envoy-bridge-{}", turn % 2);
        if turn >= 8 {
            faults.only = Some(one_of(trial, &link)?);
        }
        during(trial, &link, 400, faults)?;
        trial.last(300);
    }
    Ok(())
}

/// A connection of a link: one worker's.
pub(super) fn one_of(trial: &mut Trial, link: &str) -> Result<u64> {
    let told = trial.lab.faults().describe(link)?;
    let live = told
        .pointer("/links/0/live")
        .and_then(serde_json::Value::as_array);
    let live: Vec<u64> = live
        .into_iter()
        .flatten()
        .filter_map(|n| n.as_u64())
        .collect();
    let drawn = trial.random.below(live.len().max(1) as u64);
    let one = usize::try_from(drawn).ok().and_then(|at| live.get(at));
    one.copied().ok_or_else(|| Error::Answer {
        what: format!("{link}: its connections"),
        got: told.to_string(),
    })
}

pub(super) fn down(down: Direction) -> Faults {
    Faults {
        down,
        ..Faults::default()
    }
}

fn during(trial: &mut Trial, links: &str, ms: u64, faults: Faults) -> Result<()> {
    trial.lab.faults().set(links, &faults)?;
    trial.last(ms);
    trial.lab.faults().heal(links)
}
