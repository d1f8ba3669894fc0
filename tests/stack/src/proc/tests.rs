use super::*;
use std::collections::BTreeMap;

fn sleeper(name: &str) -> Launch {
    Launch {
        name: name.into(),
        program: "sleep".into(),
        args: vec!["300".into()],
        log: "/dev/null".into(),
        ..Launch::default()
    }
}

#[test]
fn a_killed_process_is_gone() {
    let running = sleeper("a").start().unwrap();
    let known = running.known();
    assert!(known.lives());
    running.kill().unwrap();
    assert!(!known.lives());
}

#[test]
fn a_stopped_process_still_ends_when_asked() {
    let running = sleeper("a").start().unwrap();
    running.signal(Signal::SIGSTOP).unwrap();
    assert!(running.end(Duration::from_secs(5)).unwrap());
}

#[test]
fn the_guard_kills_what_it_watches_when_its_input_ends() {
    let (one, mut two) = (
        sleeper("one").start().unwrap(),
        sleeper("two").start().unwrap(),
    );
    let mut guard = Guard::start().unwrap();
    guard.watch(&one.known()).unwrap();
    // Another process that has taken the id since must not be touched.
    guard
        .watch(&Known {
            start: 1,
            ..two.known()
        })
        .unwrap();
    drop(guard);
    wait::until("death", Duration::from_secs(5), || {
        if one.known().start == 0 {
            Ok(())
        } else {
            Err("lives".into())
        }
    })
    .unwrap();
    two.check().unwrap();
    two.kill().unwrap();
    one.kill().unwrap();
}

#[test]
fn a_released_guard_kills_nothing() {
    let mut one = sleeper("one").start().unwrap();
    let mut guard = Guard::start().unwrap();
    guard.watch(&one.known()).unwrap();
    guard.release();
    std::thread::sleep(Duration::from_millis(200));
    one.check().unwrap();
    one.kill().unwrap();
}

#[test]
fn only_the_very_same_process_is_ended() {
    let mut one = sleeper("one").start().unwrap();
    let other = Known {
        start: one.known().start + 1,
        ..one.known()
    };
    let count = end_all(
        &BTreeMap::from([("one".into(), other)]),
        Duration::from_secs(1),
    )
    .unwrap();
    assert_eq!(count, 0);
    one.check().unwrap();
    one.kill().unwrap();
}

#[test]
fn an_ended_part_says_so_with_its_log() {
    let log = std::env::temp_dir().join(format!("tidegate-proc-{}.log", std::process::id()));
    let launch = Launch {
        name: "talker".into(),
        program: "sh".into(),
        args: vec!["-c".into(), "echo no such port; exit 3".into()],
        log: log.clone(),
        ..Launch::default()
    };
    let mut running = launch.start().unwrap();
    let error = wait::until("its end", Duration::from_secs(5), || {
        match running.check() {
            Ok(()) => Err("lives".into()),
            Err(e) => Ok(e.to_string()),
        }
    })
    .unwrap();
    std::fs::remove_file(log).unwrap();
    assert!(
        error.contains("talker ended") && error.contains("no such port"),
        "{error}"
    );
}
