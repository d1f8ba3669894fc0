//! H: policies that are saved, good ones and bad ones.

use crate::policy::POLICY;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use serde_json::{Value, json};
use std::fs;
use tidegate_stack::spec::root;
use tidegate_stack::{Error, Result, usage};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "H1",
        "hundreds of bad policies are saved, others are given to Envoy itself",
        Failures::None,
        0,
        bad_policies,
    ),
    Row::new(
        "H3",
        "policies are swapped, twice a second",
        Failures::None,
        500,
        swaps,
    ),
];

/// One mistake in each file.
const BAD: &str = "tests/data/policies/bad";
/// Virtual machines that were made since an Envoy began.
const MACHINES: &str = "wasm.envoy.wasm.runtime.v8.created";
/// What an Envoy may use more than after the first swaps, MB: fewer than as many machines as a round makes.
const GROWTH_MB: u64 = 64;
const SWAPS: u64 = 8;
const MEMORY: &str = "memory of an Envoy MB";

fn bad_policies(trial: &mut Trial) -> Result<()> {
    let before = machines(trial)?;
    let mut tried = 0;
    for policy in files()?.into_iter().chain(halves()).chain(monsters()) {
        let taken = trial.lab.save(&policy).is_ok();
        let begins = String::from_utf8_lossy(&policy).replace('\n', " ");
        let text = format!("a bad policy was taken: {begins:.60}");
        trial.verdict.check("P3", taken.then_some(text));
        tried += 1;
    }
    trial.measured("bad policies", tried);
    let made = machines(trial)?.saturating_sub(before);
    let text = format!("{made} machines were made for policies that were refused");
    trial.verdict.check("P3", (made > 0).then_some(text));
    for policy in mistaken(&trial.lab.policy().value)? {
        let refused = trial.lab.applier().unchecked(&policy);
        let refused = refused.is_err_and(|error| error.to_string().contains("refused by Envoy"));
        let text = format!("Envoy took {:.60}", policy.to_string());
        trial.verdict.check("P3", (!refused).then_some(text));
    }
    let (live, all) = trial.lab.live_workers()?;
    let text = format!("the old policy serves at {live} of {all} workers");
    trial.verdict.check("P3", (live != all).then_some(text));
    Ok(())
}

fn machines(trial: &Trial) -> Result<u64> {
    let stats = trial.lab.stats(MACHINES)?;
    Ok(stats.values().sum())
}

fn files() -> Result<Vec<Vec<u8>>> {
    let read = || -> std::io::Result<_> {
        let entries = fs::read_dir(root().join(BAD))?;
        entries.map(|entry| fs::read(entry?.path())).collect()
    };
    read().map_err(Error::io(format!("read {BAD}")))
}

/// Files that were not written to their end. Each ends within braces: what ends between two lines may be a policy.
fn halves() -> impl Iterator<Item = Vec<u8>> {
    let braces = POLICY.match_indices('{');
    braces.map(|(at, _)| POLICY[..=at].into())
}

fn monsters() -> impl Iterator<Item = Vec<u8>> {
    let route = "  - { match: { path: /wide }, policy: wide }\n";
    // Each line nine of the one before.
    let laughs = (1..10).map(|i| {
        format!(
            "l{i}: &l{i} [{}]\n",
            vec![format!("*l{}", i - 1); 9].join(",")
        )
    });
    let texts = [
        String::new(),
        "\u{0}".to_owned(),
        "# 50 MB\n".repeat(6_250_000),
        format!("{POLICY}{}", route.repeat(100_000)),
        format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
        (0..1_000).map(|i| format!("{:i$}a:\n", "")).collect(),
        format!("l0: &l0 [lol]\n{}", laughs.collect::<String>()),
        format!("{POLICY}limits: {{}}\n"),
    ];
    // Bytes that are no text: Latin-1.
    let latin = [POLICY.as_bytes(), b"# \xff\n"].concat();
    texts.map(String::into_bytes).into_iter().chain([latin])
}

/// What the bridge would refuse, as it reaches Envoy when nobody asks the bridge.
fn mistaken(policy: &Value) -> Result<Vec<Value>> {
    let changes: &[(&str, Value)] = &[
        ("/version", json!(2)),
        ("/namespace", json!("Upper")),
        ("/limits/wide/window", json!("0s")),
        ("/limits/wide/limit", json!(-1)),
        ("/limits/wide/algorithm", json!("guess")),
        ("/caches/pages/ttl", json!(true)),
        ("/policies/web/session", json!("nobody")),
        ("/policies/wide/limits", json!(["nothing"])),
        ("/routes", json!({})),
        ("/sessions/web", json!([])),
    ];
    let change = |(place, value): &(&str, Value)| {
        let mut policy = policy.clone();
        let found = policy.pointer_mut(place);
        *found.ok_or_else(|| Error::NoPart((*place).to_owned()))? = value.clone();
        Ok(policy)
    };
    changes.iter().map(change).collect()
}

/// Each changes something that no request depends on, so that every worker gets a new machine. What the old ones had is
/// given back (P2): of many rounds, only the last tells.
fn swaps(trial: &mut Trial) -> Result<()> {
    for turn in 0..SWAPS {
        let minutes = 10 + turn % 2;
        let ttl = format!("ttl: {minutes}m");
        trial.lab.swap(&POLICY.replace("ttl: 10m", &ttl))?;
        trial.last(300);
    }
    let used = usage::rss(trial.lab.pid("envoy-0")?)? / 1_000_000;
    trial.measured(MEMORY, used);
    let rounds = trial.verdict.measured.get(MEMORY);
    let first = rounds.and_then(|all| all.first()).copied().unwrap_or(0);
    let text = format!("an Envoy uses {used} MB, after the first swaps {first}");
    let grows = used.saturating_sub(first) > GROWTH_MB;
    trial.verdict.check("P2", grows.then_some(text));
    Ok(())
}
