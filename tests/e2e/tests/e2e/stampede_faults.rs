//! What becomes of those who wait when whoever fills dies, stalls or hangs up, or a bridge or Redis goes.

use crate::cache_kit::get;
use crate::kit::{SOON, eventually};
use crate::stampede::{MANY, POLICY, bodies, stampede};
use std::time::Duration;
use tidegate_e2e::{Lab, crowd, wait};

fn lab() -> Lab {
    Lab::with(POLICY, |spec| spec.envoys = 3)
}

/// Somebody at the first Envoy fills `target` and never gets an answer while `then` runs.
fn with_leader<T>(lab: &Lab, target: &str, patience: Duration, then: impl FnOnce() -> T) -> T {
    let path = target.split('?').next().unwrap();
    std::thread::scope(|scope| {
        let mut client = lab.client(0).timeout(patience);
        scope.spawn(move || client.send(&get(target)));
        eventually("it is asked for", 1, || lab.upstream_count(path).unwrap());
        then()
    })
}

#[test]
fn c10_a_leader_that_stalls_costs_its_followers_two_seconds_at_most() {
    let lab = lab();
    let target = "/fill/stalled?ms=50&first_ms=60000";
    let (answers, took) = with_leader(&lab, target, SOON / 2, || stampede(&lab, MANY, 0, target));
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(took < Duration::from_millis(3_500), "{took:?}");
    // After three quarters of the time a second one tries, and that is all.
    assert_eq!(lab.upstream_count("/fill/stalled").unwrap(), 2);
    assert_eq!(bodies(&answers).len(), 1);
}

#[test]
fn c10_when_a_leader_and_its_envoy_die_one_other_fills() {
    let mut lab = lab();
    let target = "/fill/killed?ms=50&first_ms=60000";
    let pid = lab.pid("envoy-0").unwrap();
    let (answers, took) = with_leader(&lab, target, SOON / 2, || {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                std::process::Command::new("kill")
                    .args(["-9", &pid.to_string()])
                    .status()
                    .unwrap()
            });
            stampede(&lab, MANY, 1, target)
        })
    });
    lab.kill("envoy-0").ok();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(lab.upstream_count("/fill/killed").unwrap(), 2);
    assert_eq!(bodies(&answers).len(), 1);
    assert!(took < Duration::from_millis(3_500), "{took:?}");
}

#[test]
fn c10_a_leader_that_hangs_up_gives_its_turn_to_one_other() {
    let lab = lab();
    let target = "/fill/hung-up?ms=50&first_ms=60000";
    let (answers, took) = with_leader(&lab, target, Duration::from_millis(400), || {
        stampede(&lab, 100, 0, target)
    });
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(lab.upstream_count("/fill/hung-up").unwrap(), 2);
    assert_eq!(bodies(&answers).len(), 1);
    assert!(took < Duration::from_millis(1_400), "{took:?}");
}

#[test]
fn c11_no_request_fails_when_a_bridge_or_redis_goes_while_they_wait() {
    let mut lab = lab();
    for (n, part) in ["bridge-0", "redis-cache-0"].into_iter().enumerate() {
        let target = format!("/fill/gone-{n}?ms=600");
        let pid = lab.pid(part).unwrap().to_string();
        let begun = wait::now();
        let answers = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(250));
                std::process::Command::new("kill")
                    .args(["-9", &pid])
                    .status()
                    .unwrap()
            });
            crowd(100, |i| {
                let mut client = lab.client(u16::try_from(i).unwrap() % 3).timeout(2 * SOON);
                client.send(&get(&target)).unwrap()
            })
        });
        assert!(answers.iter().all(|answer| answer.status == 200), "{part}");
        assert!(begun.elapsed() < 2 * SOON, "{part}: {:?}", begun.elapsed());
        lab.kill(part).ok();
        lab.revive(part).unwrap();
    }
}
