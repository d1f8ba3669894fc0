//! What a failover of Redis costs a limit: exactly the increments that were acknowledged and not replicated
//! (R7), and nothing else.
//!
//! Every admission tells what is left, so `limit - r` is the number of that admission in its key's own
//! sequence. After a failover the promoted replica continues from what it has: numbers it has lost are given
//! out a second time. So the loss is counted, not estimated.

use crate::kit::early_in_the_window;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_e2e::{Lab, RedisKind, Request, wait};
use tidegate_stack::redis::Server;

const DAY: i64 = 86_400;
const LIMIT: u64 = 120;
const KEYS: usize = 60;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 300ms }
limits:
  fixed: { algorithm: fixed_window, limit: 120, window: 1d, key: ['header:x-key'], on_error: deny }
policies:
  fixed: { limits: [fixed] }
routes:
  - { match: { path: /fixed }, policy: fixed }
";

/// Per key, how often each number of its sequence was given out.
type Numbers = Vec<BTreeMap<u64, u64>>;

/// How long nothing but denials makes an end.
const QUIET: Duration = Duration::from_secs(4);

/// Clients that use up all keys, until for a while they get nothing but denials.
fn use_up(lab: &Lab, during: impl FnOnce()) -> Numbers {
    let numbers: Vec<Mutex<BTreeMap<u64, u64>>> = (0..KEYS).map(|_| Mutex::default()).collect();
    let done = AtomicBool::new(false);
    let active = Mutex::new(wait::now());
    std::thread::scope(|scope| {
        for worker in 0..8_usize {
            let (numbers, done, active) = (&numbers, &done, &active);
            scope.spawn(move || {
                let mut client = lab.client(u16::try_from(worker % 3).unwrap());
                let mut key = worker * 7;
                while !done.load(Ordering::Relaxed) {
                    key = (key + 1) % KEYS;
                    let request = Request::get("/fixed").field("x-key", format!("key-{key}"));
                    let Ok(answer) = client.send(&request) else {
                        continue;
                    };
                    if answer.status != 429 {
                        *active.lock().unwrap() = wait::now();
                    }
                    if answer.status == 200 {
                        let told = answer.get("ratelimit").unwrap();
                        let left = told.split(";r=").nth(1).unwrap();
                        let left: u64 = left.split(';').next().unwrap().parse().unwrap();
                        *numbers[key]
                            .lock()
                            .unwrap()
                            .entry(LIMIT - left)
                            .or_insert(0) += 1;
                    }
                }
            });
        }
        during();
        *active.lock().unwrap() = wait::now();
        let all = wait::until(
            "nothing but denials",
            Duration::from_secs(90),
            || match active.lock().unwrap().elapsed() {
                quiet if quiet > QUIET => Ok(()),
                quiet => Err(format!("quiet for {quiet:?}")),
            },
        );
        done.store(true, Ordering::Relaxed);
        all.unwrap();
    });
    numbers
        .into_iter()
        .map(|n| n.into_inner().unwrap())
        .collect()
}

/// Admissions beyond the limit, per key; checks that each is explained by a number given out again.
fn lost(numbers: &Numbers) -> Vec<u64> {
    numbers
        .iter()
        .map(|numbers| {
            let admitted: u64 = numbers.values().sum();
            let again: u64 = numbers.values().map(|times| times - 1).sum();
            assert!(numbers.keys().all(|n| (1..=LIMIT).contains(n)));
            assert!(numbers.len() as u64 <= LIMIT);
            // Charged and not answered: somebody's request failed, nobody got more.
            assert!(admitted <= LIMIT + again, "{admitted} with {again} again");
            again
        })
        .collect()
}

fn primaries(lab: &Lab) -> Vec<String> {
    let role = |i: u16| lab.redis_of(i).info("role").ok().flatten();
    (0..6)
        .filter(|i| role(*i).as_deref() == Some("master"))
        .map(|i| format!("redis-state-{i}"))
        .collect()
}

#[test]
fn r7_a_primary_that_dies_loses_what_it_had_not_replicated_and_nothing_else() {
    let mut lab = Lab::with(POLICY, |spec| {
        spec.envoys = 3;
        spec.redis = RedisKind::Cluster;
    });
    early_in_the_window(&lab.redis(), DAY);
    let victim = primaries(&lab).remove(0);
    let pid = lab.pid(&victim).unwrap();
    let numbers = use_up(&lab, || {
        std::thread::sleep(Duration::from_millis(400));
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
    });
    let lost = lost(&numbers);
    let total: u64 = lost.iter().sum();
    eprintln!(
        "failover without lag: {total} of {} lost",
        LIMIT * KEYS as u64
    );
    // Without lag only what was on its way between the two when the primary died: some commands of each of
    // two bridges.
    assert!(total <= 64, "{lost:?}");
    lab.kill(&victim).unwrap();
    lab.revive(&victim).unwrap();
}

#[test]
fn r7_a_replica_that_lagged_loses_at_most_its_lag_and_never_more_than_a_limit() {
    let mut lab = Lab::with(POLICY, |spec| {
        spec.envoys = 3;
        spec.redis = RedisKind::Cluster;
    });
    early_in_the_window(&lab.redis(), DAY);
    let victim = primaries(&lab).remove(0);
    let port = lab
        .spec()
        .state_port(victim.rsplit('-').next().unwrap().parse().unwrap());
    let primary = Server::new(format!("127.0.0.1:{port}"));
    let replica = (0..6)
        .find(|i| {
            let of = lab.redis_of(*i).info("master_port").ok().flatten();
            of == Some(port.to_string())
        })
        .unwrap();
    let replica = format!("redis-state-{replica}");
    let (primary_pid, replica_pid) = (lab.pid(&victim).unwrap(), lab.pid(&replica).unwrap());
    let signal = |pid: u32, signal| {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    };
    use nix::sys::signal::Signal;
    let numbers = use_up(&lab, || {
        std::thread::sleep(Duration::from_millis(200));
        signal(replica_pid, Signal::SIGSTOP);
        // What is sent from now on would still wait in the replica's socket when the primary is dead.
        let cut = primary
            .call(&["CLIENT", "KILL", "TYPE", "replica"])
            .unwrap();
        assert_eq!(cut.int(), Some(1));
        std::thread::sleep(Duration::from_millis(300));
        signal(primary_pid, Signal::SIGKILL);
        signal(replica_pid, Signal::SIGCONT);
    });
    let lost = lost(&numbers);
    let total: u64 = lost.iter().sum();
    eprintln!(
        "failover with 300 ms of lag: {total} of {} lost, at most {:?} of one key",
        LIMIT * KEYS as u64,
        lost.iter().max(),
    );
    assert!(total > 0, "nothing was lost: the fault did not happen");
    assert!(lost.iter().all(|lost| *lost <= LIMIT), "{lost:?}");
    lab.kill(&victim).unwrap();
    lab.revive(&victim).unwrap();
}

#[test]
fn r8_a_bridge_that_is_killed_and_comes_back_never_lets_more_through() {
    let mut lab = Lab::with(POLICY, |spec| spec.envoys = 3);
    early_in_the_window(&lab.redis(), DAY);
    let pid = lab.pid("bridge-0").unwrap();
    let numbers = use_up(&lab, || {
        std::thread::sleep(Duration::from_millis(200));
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    });
    assert_eq!(lost(&numbers).iter().sum::<u64>(), 0);
    for numbers in &numbers {
        assert!(numbers.values().sum::<u64>() <= LIMIT, "{numbers:?}");
    }
    lab.kill("bridge-0").unwrap();
    lab.revive("bridge-0").unwrap();
}
