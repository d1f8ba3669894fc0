//! A: bridges.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_e2e::wait;
use tidegate_stack::Result;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "A1",
        "one of two bridges dies",
        Failures::AtMost(64),
        1_000,
        one_dies,
    )
    .times(3),
    Row::new(
        "A2",
        "both bridges die for 3 s",
        Failures::OnError,
        1_500,
        both_die,
    ),
    Row::new(
        "A3",
        "a bridge is frozen for 3 s",
        Failures::AtMost(300),
        1_000,
        one_freezes,
    ),
    Row::new(
        "A5",
        "all bridges are restarted, one after the other",
        Failures::None,
        1_000,
        restarts,
    )
    .times(3),
    Row::new(
        "A9",
        "a bridge is restarted, until each worker has a stream to both again",
        Failures::AtMost(64),
        1_000,
        streams_come_back,
    ),
];

fn one_dies(trial: &mut Trial) -> Result<()> {
    let victim = trial.one_of(&["bridge-0", "bridge-1"]);
    trial.lab.kill(&victim)?;
    trial.healed();
    trial.last(2_500);
    trial.lab.revive(&victim)
}

fn both_die(trial: &mut Trial) -> Result<()> {
    for bridge in ["bridge-0", "bridge-1"] {
        trial.lab.kill(bridge)?;
    }
    trial.last(3_000);
    for bridge in ["bridge-0", "bridge-1"] {
        trial.lab.revive(bridge)?;
    }
    Ok(())
}

/// Once in a trial: for ten seconds after it streams may still be at the other one only, and a fault there is one of
/// both.
fn one_freezes(trial: &mut Trial) -> Result<()> {
    let victim = trial.one_of(&["bridge-0", "bridge-1"]);
    trial.lab.pause(&victim)?;
    trial.healed();
    trial.last(3_000);
    trial.lab.resume(&victim)?;
    trial.last(500);
    Ok(())
}

fn restarts(trial: &mut Trial) -> Result<()> {
    for bridge in ["bridge-0", "bridge-1"] {
        trial.lab.restart(bridge)?;
        trial.last(300);
    }
    Ok(())
}

/// Workers look for a second bridge every ten seconds.
const REBALANCED: Duration = Duration::from_secs(30);

fn streams_come_back(trial: &mut Trial) -> Result<()> {
    let all = trial.workers_of(0)?;
    let both = trial.workers_of(1)? == all && !all.is_empty();
    let text = "not every worker has a stream to both bridges to begin with".to_owned();
    trial.verdict.check("A9", (!both).then_some(text));
    let victim = trial.one_of(&["bridge-0", "bridge-1"]);
    trial.lab.restart(&victim)?;
    trial.healed();
    let begun = trial.ms();
    let back = wait::until("each worker has a stream to both", REBALANCED, || {
        let now = [0, 1].map(|bridge| trial.workers_of(bridge).unwrap_or_default());
        match now.iter().all(|workers| *workers == all) {
            true => Ok(()),
            false => Err(format!("{now:?} of {all:?}")),
        }
    });
    let took = trial.ms() - begun;
    trial.measured("streams back ms", took);
    let late = back.err().map(|error| error.to_string());
    trial.verdict.check("A9", late);
    Ok(())
}

impl Trial {
    /// The workers that have a stream to a bridge.
    fn workers_of(&self, bridge: u16) -> Result<BTreeSet<String>> {
        let answer = self.lab.admin_of(bridge).get("/v1/streams")?.json()?;
        let streams = answer["streams"].as_array().cloned().unwrap_or_default();
        let worker = |stream: &serde_json::Value| {
            let part = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", part("node"), part("worker"))
        };
        Ok(streams.iter().map(worker).collect())
    }
}
