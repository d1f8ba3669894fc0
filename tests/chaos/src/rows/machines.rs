//! E, H: the machines in which the filter runs trap, are restarted hot, and are replaced by others and back.

use crate::need::{Need, TRAPS};
use crate::policy::POLICY;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use tidegate_e2e::{Client, Request, StackSpec};
use tidegate_stack::{Filter, Result, files, spec};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "E3",
        "the machine of one worker traps",
        Failures::At(0),
        // Envoy makes another one after a second and up to a fifth of it (`failure_policy: FAIL_RELOAD`).
        1_300,
        traps_once,
    )
    .with(can_trap)
    .needing(&[Need::Trap])
    .trapping()
    .times(5),
    Row::new(
        "E4",
        "one request of ten that an Envoy gets traps, for 5 s",
        Failures::At(0),
        1_300,
        traps_often,
    )
    .with(can_trap)
    .needing(&[Need::Trap])
    .trapping(),
    Row::new(
        "E5",
        "an Envoy is restarted hot, half of its clients speak HTTP/2",
        Failures::None,
        0,
        hot_restart,
    )
    .with(hot)
    .over_http2()
    .times(5),
    Row::new(
        "H4",
        "a policy is swapped while workers answer nine requests of ten from their memory",
        Failures::None,
        2_000,
        swap_of_hot_workers,
    )
    .hot()
    .times(3),
    Row::new(
        "H7",
        "a policy is rolled forward and back, five times",
        Failures::None,
        500,
        forward_and_back,
    ),
    Row::new(
        "H9",
        "an Envoy of the same namespace gets another policy than the others",
        Failures::None,
        500,
        two_fleets,
    )
    .with(hot),
];

fn can_trap(spec: &mut StackSpec) {
    spec.filter = Filter::Module(spec::root().join(TRAPS));
}

/// True when the request was not served: its machine is gone, or had been before it came.
fn trap(trial: &Trial) -> bool {
    let request = Request::get("/wide")
        .field("host", "chaos.example")
        .field("x-trap", "panic");
    let address = format!("127.0.0.1:{}", trial.lab.spec().proxy_port(0));
    let answer = Client::new(&address).send(&request);
    answer.is_ok_and(|answer| answer.status == 503)
}

fn traps_once(trial: &mut Trial) -> Result<()> {
    let trapped = trap(trial);
    trial.healed();
    let text = "a trap was not answered with 503".to_owned();
    trial.verdict.check("L1", (!trapped).then_some(text));
    Ok(())
}

/// A tenth of what one of three Envoys gets at 1,500 requests a second.
fn traps_often(trial: &mut Trial) -> Result<()> {
    for _ in 0..250 {
        let trapped = trap(trial);
        let text = "a trap was not answered with 503".to_owned();
        trial.verdict.check("L1", (!trapped).then_some(text));
        trial.last(18);
    }
    Ok(())
}

fn hot(spec: &mut StackSpec) {
    spec.hot = true;
}

fn hot_restart(trial: &mut Trial) -> Result<()> {
    let begun = trial.ms();
    trial.lab.hot_restart("envoy-0")?;
    let took = trial.ms() - begun;
    trial.measured("hot restart ms", took);
    Ok(())
}

/// The next one has another use beside those that are kept, and keeps cached answers for longer.
fn forward_and_back(trial: &mut Trial) -> Result<()> {
    let next = POLICY.replace("ttl: 10m", "ttl: 20m").replace(
        "policies:\n",
        "policies:\n  both:  { session: web, limits: [tight] }\n",
    );
    for _ in 0..5 {
        for policy in [next.as_str(), POLICY] {
            trial.lab.swap(policy)?;
            trial.last(200);
        }
    }
    Ok(())
}

/// A new machine remembers nothing: all of its requests are exchanges, once.
fn swap_of_hot_workers(trial: &mut Trial) -> Result<()> {
    const AFTER_MS: u64 = 2_000;
    let other = POLICY.replace("ttl: 10m", "ttl: 11m");
    let policy = match trial.random.below(2) {
        0 => POLICY,
        _ => &other,
    };
    let count = |trial: &Trial, name: &str| trial.lab.stat(&format!("tidegate.exchange.{name}"));
    let (opened, sent) = (count(trial, "breaker_opened")?, count(trial, "sent")?);
    trial.last(AFTER_MS);
    let before = count(trial, "sent")?.saturating_sub(sent);
    trial.measured("exchanges in 2 s before", before);
    trial.begins();
    let sent = count(trial, "sent")?;
    trial.lab.swap(policy)?;
    trial.healed();
    trial.last(AFTER_MS);
    let after = count(trial, "sent")?.saturating_sub(sent);
    trial.measured("exchanges in 2 s after", after);
    let opened = count(trial, "breaker_opened")?.saturating_sub(opened);
    let text = format!("{opened} breakers opened");
    trial.verdict.check("L4", (opened > 0).then_some(text));
    Ok(())
}

/// Of a limit by the same name and for the same key, each fleet admits what its own policy says.
fn two_fleets(trial: &mut Trial) -> Result<()> {
    const OURS: u64 = 5;
    const THEIRS: u64 = 7;
    const ASKED: u64 = 20;
    let shared = format!(
        "limits:\n  shared: {{ algorithm: fixed_window, limit: {OURS}, window: 366d, key: ['header:x-key'] }}\n"
    );
    let policy = POLICY
        .replace("limits:\n", &shared)
        .replace("policies:\n", "policies:\n  shared: { limits: [shared] }\n")
        .replace(
            "routes:\n",
            "routes:\n  - { match: { path: /shared }, policy: shared }\n",
        );
    trial.lab.swap(&policy)?;
    let theirs = trial.lab.files().dir().join("theirs.json");
    let ours = trial.lab.files().ecds_file();
    let answer = files::read(&ours)?;
    let other = answer.replace(
        &format!("\"limit\":{OURS},"),
        &format!("\"limit\":{THEIRS},"),
    );
    let text = "the other policy is the same".to_owned();
    trial
        .verdict
        .check("R16", (other == answer).then_some(text));
    files::replace(&theirs, other.as_bytes())?;
    let bootstrap = trial.lab.files().bootstrap(2);
    let from_theirs = files::read(&bootstrap)?.replace(
        &format!("{:?}", ours.display().to_string()),
        &format!("{:?}", theirs.display().to_string()),
    );
    files::write_private(&bootstrap, from_theirs.as_bytes())?;
    trial.lab.hot_restart("envoy-2")?;
    for turn in 0..10 {
        let key = format!("fleet-{turn}-{}", trial.ms());
        let mut admitted = [0, 0];
        for _ in 0..ASKED {
            for (admitted, envoy) in admitted.iter_mut().zip([0, 2]) {
                let address = format!("127.0.0.1:{}", trial.lab.spec().proxy_port(envoy));
                let request = Request::get("/shared").field("x-key", &key);
                let answer = Client::new(&address).send(&request)?;
                *admitted += u64::from(answer.status == 200);
            }
        }
        let text = format!("{admitted:?} were admitted of limits of {OURS} and {THEIRS}");
        let mixed = admitted != [OURS, THEIRS];
        trial.verdict.check("R16", mixed.then_some(text));
    }
    Ok(())
}
