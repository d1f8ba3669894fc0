//! K: operators who do much, often, or the same thing twice.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_e2e::{Client, Request, crowd};
use tidegate_stack::{Error, Result};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "K1",
        "a prefix is purged among a million cached objects",
        Failures::None,
        0,
        purge_by_prefix,
    )
    .slower_by(10),
    Row::new(
        "K2",
        "metrics are read a hundred times a second for 40 s, while names are made up that could be labels",
        Failures::None,
        0,
        scraped,
    )
    // Most of what the machine has goes into the names.
    .with_load(20),
    Row::new(
        "K3",
        "two operators do the same at once, two hundred times",
        Failures::None,
        0,
        twins,
    ),
];

const OBJECTS: u64 = 1_000_000;

fn purge_by_prefix(trial: &mut Trial) -> Result<()> {
    // Objects as the bridge knows them (`Keys::cached`, the field of their URL); nobody asks for these.
    let fill = "for i = ARGV[1], ARGV[2] do local k = string.format('tg:c:{f%031x}', i) \
                redis.call('HSET', k, 'u', 'http://bulk.example/many/' .. i) redis.call('PEXPIRE', k, 600000) end";
    for from in (0..OBJECTS).step_by(100) {
        let (from, to) = (from.to_string(), (from + 99).to_string());
        trial
            .lab
            .redis_cache()
            .call(&["EVAL", fill, "0", &from, &to])?;
        // Filling is not the fault: Redis has time for others between two steps.
        trial.last(2);
    }
    trial.last(500);
    trial.begins();
    let begun = trial.ms();
    let body = json!({ "prefix": "http://bulk.example/many/" });
    let mut admin = trial.lab.admin().timeout(Duration::from_secs(120));
    let answer = admin.post("/v1/cache/purge", &body)?;
    trial.healed();
    let took = trial.ms() - begun;
    trial.measured("purge ms", took);
    let removed = answer.json()?["purged"].as_u64().unwrap_or(0);
    trial.measured("objects purged", removed);
    let all = answer.status == 200 && removed == OBJECTS;
    let text = format!("purged {removed} of {OBJECTS}: {}", answer.text());
    trial.verdict.check("C1", (!all).then_some(text));
    Ok(())
}

/// The series a bridge tells, without their values.
fn series(trial: &Trial, bridge: u16) -> Result<BTreeSet<String>> {
    let text = trial.lab.admin_of(bridge).get("/metrics")?.text();
    let name = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
    Ok(text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(name)
        .collect())
}

fn scraped(trial: &mut Trial) -> Result<()> {
    // So long, a hundred thousand names are tried (faults.md, K2).
    const SECONDS: u64 = 40;
    let before = [series(trial, 0)?, series(trial, 1)?];
    let envoys = trial.lab.stats("tidegate\\.")?.len();
    let (lab, end) = (&trial.lab, trial.ms() + SECONDS * 1_000);
    let token = format!("Bearer {}", lab.secrets().admin_token);
    let counts = crowd(4, |i| {
        let bridge = u16::try_from(i % 2).unwrap_or(0);
        let address = format!("127.0.0.1:{}", lab.spec().bridge_admin_port(bridge));
        let mut admin = Client::new(&address);
        let mut proxy = Client::new(&format!("127.0.0.1:{}", lab.spec().proxy_port(0)));
        let (mut scrapes, mut names) = (0_u64, 0_u64);
        while trial.ms() < end {
            if i < 2 {
                scrapes += u64::from(admin.get("/metrics").is_ok());
                // Two of them: a hundred times a second.
                trial.last(19);
                continue;
            }
            // What comes from outside in every place that is counted by name.
            let name = format!("made-up-{i}-{names}");
            let limit = Request::get(format!("/v1/limits/{name}?key={name}"));
            let user = Request::get(format!("/v1/users/{name}/sessions?realm={name}"));
            let method = Request::new(&name.to_uppercase().replace('-', "X"), "/v1/streams");
            for request in [limit, user, method] {
                names += u64::from(admin.send(&request.field("authorization", &token)).is_ok());
            }
            let path = Request::get(format!("/{name}"))
                .field("host", &name)
                .field("x-key", &name)
                .field("cookie", format!("sid={name}"));
            names += u64::from(proxy.send(&path).is_ok());
        }
        (scrapes, names)
    });
    trial.healed();
    let scrapes = counts.iter().map(|(scrapes, _)| scrapes).sum();
    let names = counts.iter().map(|(_, names)| names).sum();
    trial.measured("scrapes", scrapes);
    trial.measured("names tried", names);
    for (bridge, before) in (0..).zip(before) {
        let now = series(trial, bridge)?;
        let made_up = now.iter().find(|name| name.contains("made-up"));
        let text = made_up.map(|name| format!("a name from outside is a label: {name}"));
        trial.verdict.check("X4", text);
        let more = now.difference(&before).count();
        // Verbs that were not used before may show; made-up names would be thousands.
        let text = format!("bridge {bridge} has {more} series more");
        trial.verdict.check("X4", (more > 20).then_some(text));
    }
    let more = trial.lab.stats("tidegate\\.")?.len().saturating_sub(envoys);
    let text = format!("Envoys have {more} statistics more");
    trial.verdict.check("X4", (more > 0).then_some(text));
    Ok(())
}

/// Both ask another bridge for the same thing at the same moment. Neither hears of a failure, and it is done once.
fn twins(trial: &mut Trial) -> Result<()> {
    for turn in 0..50 {
        let uid = format!("twin-{turn}");
        trial.lab.login("web", &uid, &[])?;
        let purge = json!({ "url": format!("http://chaos.example/fill/{turn}") });
        let tag = json!({ "tag": uid });
        let delete = format!("/v1/users/{uid}/sessions?realm=web");
        let requests = [
            Request::post_json("/v1/cache/purge", &purge),
            Request::post_json("/v1/cache/purge", &tag),
            Request::new("DELETE", delete.as_str()),
            Request::new("DELETE", format!("/v1/limits/wide?key={uid}").as_str()),
        ];
        for (at, request) in requests.iter().enumerate() {
            let lab = &trial.lab;
            let both = crowd(2, |i| {
                let bridge = u16::try_from(i).unwrap_or(0);
                lab.admin_of(bridge).send(request.clone())
            });
            for answer in both {
                let answer = answer?;
                let text = format!("act {at} of {uid}: {} {}", answer.status, answer.text());
                let bad = answer.status != 200;
                trial.verdict.check("S7", bad.then_some(text));
            }
        }
        let left = trial
            .lab
            .admin()
            .get(&format!("/v1/users/{uid}/sessions?realm=web"))?;
        let sessions = left.json()?["sessions"].as_array().map(Vec::len);
        let none = sessions.ok_or_else(|| Error::Answer {
            what: "sessions of a user".into(),
            got: left.text(),
        })?;
        let text = format!("{uid} has {none} sessions after both ended them");
        trial.verdict.check("S7", (none > 0).then_some(text));
    }
    Ok(())
}
