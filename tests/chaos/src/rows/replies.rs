//! D19: what Redis answers is something else.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use tidegate_e2e::RedisKind;
use tidegate_stack::Result;
use tidegate_stack::fault::{Direction, Faults, Replace};

pub(super) const ROWS: &[Row] = &[Row::new(
    "D19",
    "one of twenty replies of Redis is LOADING, OOM, READONLY, MOVED, CLUSTERDOWN, NOSCRIPT, of another type, \
     or 512 MB long, 600 ms each",
    Failures::OnError,
    1_500,
    replaced,
)
.on(RedisKind::Standalone)
.through_proxies()];

/// None of these is what a script of ours ever answers.
const REPLIES: [&str; 9] = [
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "-READONLY You can't write against a read only replica.\r\n",
    "-MOVED 3999 127.0.0.1:1\r\n",
    "-CLUSTERDOWN The cluster is down\r\n",
    "-NOSCRIPT No matching script. Please use EVAL.\r\n",
    "*1\r\n*1\r\n*1\r\n:7\r\n",
    "$3\r\nfoo\r\n",
    "$536870912\r\n",
];

fn replaced(trial: &mut Trial) -> Result<()> {
    for with in REPLIES {
        let replace = Replace {
            every: 20,
            with: with.into(),
        };
        let faults = Faults {
            down: Direction {
                replace: Some(replace),
                ..Direction::default()
            },
            ..Faults::default()
        };
        trial.lab.faults().set("bridge-*", &faults)?;
        trial.last(600);
        trial.lab.faults().heal("bridge-*")?;
    }
    Ok(())
}
