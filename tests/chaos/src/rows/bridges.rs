//! A: bridges.

use crate::row::{Failures, Row};
use crate::trial::Trial;
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
