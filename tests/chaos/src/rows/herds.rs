//! J: thousands of clients at once.

use super::network::{down, one_of};
use super::upstream::AUTHORITY;
use crate::load::{Answers, Herd};
use crate::policy::POLICY;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use serde_json::json;
use std::sync::mpsc::Receiver;
use tidegate_e2e::RedisKind;
use tidegate_stack::fault::Direction;
use tidegate_stack::{Error, Result};

pub(super) const ROWS: &[Row] = &[Row::new(
    "J5",
    "a page is purged while five thousand clients are given it, and nothing comes through to one worker",
    // A worker that has eight hundred requests before it hears what was decided too late.
    Failures::OnError,
    1_000,
    purged_under_hits,
)
.on(RedisKind::Standalone)
.through_proxies()
// What the machine has goes to the herd.
.with_load(10)
.behind_others(5_000)];

/// Of each Envoy.
const CLIENTS: usize = 1_667;
const ROUNDS: usize = 6;
/// From the moment at which they ask to the purge, ms, at most: some have been answered, others have not.
const LEAD_MS: u64 = 600;
const PURGE: &str = "purge ms";
const OLD: &str = "old ones that were given out meanwhile";
const HITS: &str = "hits after it";

/// Whoever asks after the purge was acknowledged must not be given what was purged (C1).
fn purged_under_hits(trial: &mut Trial) -> Result<()> {
    // A worker with hundreds of requests before it hears its bridge late: with the usual 200 ms, few are answered from
    // its memory, which is what is tried here.
    let patient = POLICY.replace("timeout: 100ms", "timeout: 100ms, l1_sync: 500ms");
    trial.lab.swap(&patient)?;
    // Past the fault proxies, each of whose connections takes four files.
    let spec = trial.lab.spec();
    let ports: Vec<u16> = (0..spec.envoys).map(|i| spec.listener_port(i)).collect();
    let herd = Herd::gather(&ports, CLIENTS).map_err(|got| Error::Answer {
        what: "connect the herd".into(),
        got,
    })?;
    let (mut old_ones, mut hits) = (0, 0);
    for round in 0..ROUNDS {
        let target = "/fill/herd?control=max-age%3D500";
        let seen = given(trial, herd.ask(AUTHORITY, target));
        let Some(newest) = seen.iter().map(|page| page.serial).max() else {
            trial
                .verdict
                .check("L1", Some("nobody was answered".to_owned()));
            return Ok(());
        };
        let mut stalled = down(Direction {
            stall: true,
            ..Direction::default()
        });
        let link = format!("envoy-bridge-{}", round % 2);
        stalled.only = Some(one_of(trial, &link)?);
        trial.lab.faults().set(&link, &stalled)?;
        let under_way = herd.ask(AUTHORITY, target);
        let lead = trial.random.below(LEAD_MS);
        trial.last(lead);
        let begun = trial.ms();
        let url = json!({ "url": format!("http://{AUTHORITY}{target}") });
        let answer = trial.lab.admin().post("/v1/cache/purge", &url)?;
        let took = trial.ms() - begun;
        trial.measured(PURGE, took);
        let refused = format!("a purge was answered {} after {took} ms", answer.status);
        trial
            .verdict
            .check("C1", (answer.status != 200).then_some(refused));
        let after = herd.ask(AUTHORITY, target);
        trial.lab.faults().heal(&link)?;
        let (meanwhile, after) = (given(trial, under_way), given(trial, after));
        let is_old = |page: &&Page| page.hit && page.serial <= newest;
        old_ones += meanwhile.iter().filter(is_old).count();
        hits += after.iter().filter(|page| page.hit).count();
        for Page { serial, .. } in after {
            let stale = format!("round {round}: {serial} was purged before it was asked for");
            trial
                .verdict
                .check("C1", (serial <= newest).then_some(stale));
        }
    }
    let tried = (old_ones == 0).then(|| "nobody was given an old one".to_owned());
    trial.verdict.check("C1", tried);
    trial.measured(OLD, u64::try_from(old_ones).unwrap_or(u64::MAX));
    trial.measured(HITS, u64::try_from(hits).unwrap_or(u64::MAX));
    Ok(())
}

/// What one of the herd was given.
struct Page {
    serial: u64,
    hit: bool,
}

/// What they were given; each must be given something.
fn given(trial: &mut Trial, wave: Receiver<Answers>) -> Vec<Page> {
    let answers = wave.recv().unwrap_or_default();
    let gone = answers.is_empty().then(|| "the herd is gone".to_owned());
    trial.verdict.check("L1", gone);
    let mut pages = Vec::with_capacity(answers.len());
    for answer in answers {
        let text = match answer {
            Ok(answer) if answer.status != 200 => {
                Some(format!("one of the herd: {}", answer.status))
            }
            Ok(answer) => match answer.serial {
                Some(serial) => {
                    let hit = answer.hit;
                    pages.push(Page { serial, hit });
                    None
                }
                None => Some("one of the herd: an answer without a number".to_owned()),
            },
            Err(error) => Some(format!("one of the herd: {error}")),
        };
        trial.verdict.check("L1", text);
    }
    pages
}
