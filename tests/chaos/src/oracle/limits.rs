//! Admissions tell what is left, so each has its number in the sequence of its key. A number that is given out
//! twice was lost in between: without a loss there is none (R1), with one these are counted exactly (R7).

use super::{Losses, Verdict};
use crate::history::{Asked, History};
use std::collections::BTreeMap;

pub(super) fn judge(history: &History, losses: Losses, verdict: &mut Verdict) {
    let mut numbers: BTreeMap<Asked, BTreeMap<u64, u64>> = BTreeMap::new();
    for record in &history.records {
        if record.asked.limit().is_none() || record.status() != 200 {
            continue;
        }
        let Some(number) = record.number() else {
            let text = format!("admitted and not counted: {record:?}");
            verdict.check("R8", Some(text));
            continue;
        };
        verdict.checked("R8", 1);
        *numbers
            .entry(record.asked)
            .or_default()
            .entry(number)
            .or_insert(0) += 1;
    }
    for (asked, numbers) in &numbers {
        let again: u64 = numbers.values().map(|times| times - 1).sum();
        verdict.lost += again;
        let admitted: u64 = numbers.values().sum();
        verdict.checked("R1", admitted);
        if again > 0 && !losses.increments {
            let twice: Vec<_> = numbers.iter().filter(|(_, times)| **times > 1).collect();
            let text = format!("R1: {asked:?} gave out again, number and times: {twice:?}");
            verdict.violations.push(text);
        }
        let limit = asked.limit().unwrap_or(0);
        if again > limit {
            let text = format!("R7: {asked:?} lost {again}, more than its limit of {limit}");
            verdict.violations.push(text);
        }
    }
    if losses.increments {
        verdict.checked("R7", u64::try_from(numbers.len()).unwrap_or(u64::MAX));
    }
}
