//! After a purge was acknowledged nobody is served what was made before it (C1).

use super::Verdict;
use crate::history::{Asked, History};
use std::collections::BTreeMap;

pub(super) fn judge(history: &History, verdict: &mut Verdict) {
    // By URL: when a purge was acknowledged, and the highest floor of those up to it.
    let mut floors: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    let mut acknowledged: Vec<_> = history
        .purges
        .iter()
        .filter_map(|purge| Some((purge.act.done_ns?, purge.url, purge.floor)))
        .collect();
    acknowledged.sort_unstable();
    for (done_ns, url, floor) in acknowledged {
        let of_url = floors.entry(url).or_default();
        let before = of_url.last().map_or(0, |(_, floor)| *floor);
        of_url.push((done_ns, floor.max(before)));
    }
    for record in &history.records {
        let Asked::Cached(url) = record.asked else {
            continue;
        };
        let Some(answer) = record.answer().filter(|answer| answer.status == 200) else {
            continue;
        };
        let bodyless = answer.serial.is_none();
        let text = format!("/fill/{url} came without its body");
        verdict.check("C6", bodyless.then_some(text));
        let Some(serial) = answer.serial else {
            continue;
        };
        let of_url = floors.get(&url).map(Vec::as_slice).unwrap_or_default();
        let before = of_url.partition_point(|(done_ns, _)| *done_ns < record.sent_ns);
        let floor = before.checked_sub(1).and_then(|i| of_url.get(i));
        let stale = floor.filter(|(_, floor)| serial <= *floor);
        let text = stale.map(|(done_ns, floor)| {
            format!(
                "/fill/{url} was body {serial} ({}) {} ms after what was made up to {floor} was purged",
                if answer.hit { "a hit" } else { "no hit" },
                (record.sent_ns - done_ns) / 1_000_000
            )
        });
        verdict.check("C1", text);
    }
}
