//! Histories that break an invariant are found out, one each.

use super::*;
use crate::history::{Act, Answer, Asked, End, Purge, Record, Session};

const MS: u64 = 1_000_000;

fn record(asked: Asked, sent_ms: u64, answer: Answer) -> Record {
    Record {
        asked,
        due_ns: sent_ms * MS,
        sent_ns: sent_ms * MS,
        end_ns: (sent_ms + 2) * MS,
        envoy: 0,
        end: End::Answer(answer),
    }
}

fn admitted(key: u32, left: u64) -> Record {
    let answer = Answer {
        status: 200,
        left: Some(left),
        ..Answer::default()
    };
    record(Asked::Tight(key), 1, answer)
}

fn status(asked: Asked, sent_ms: u64, status: u16) -> Record {
    let answer = Answer {
        status,
        ..Answer::default()
    };
    record(asked, sent_ms, answer)
}

fn history(records: Vec<Record>) -> History {
    History {
        records,
        ..History::default()
    }
}

fn violations(history: &History, losses: Losses) -> Vec<String> {
    judge(history, losses, Bounds::USUAL).violations
}

fn broken(history: &History) -> Vec<String> {
    let first = |text: String| text.split(':').next().unwrap().to_owned();
    let all = violations(history, Losses::default());
    all.into_iter().map(first).collect()
}

#[test]
fn a_number_given_out_twice_is_a_loss_or_a_violation() {
    let twice = history(vec![
        admitted(1, 59),
        admitted(1, 58),
        admitted(1, 58),
        admitted(2, 58),
    ]);
    assert_eq!(broken(&twice), ["R1"]);
    let losses = Losses {
        increments: true,
        ..Losses::default()
    };
    let verdict = judge(&twice, losses, Bounds::USUAL);
    assert_eq!((verdict.violations.len(), verdict.lost), (0, 1));
}

#[test]
fn an_admission_beyond_the_limit_or_uncounted_is_found() {
    assert_eq!(broken(&history(vec![admitted(1, 60)])), ["R8"]);
    assert_eq!(
        broken(&history(vec![status(Asked::Wide(1), 1, 200)])),
        ["R8"]
    );
}

fn session(revoked: Vec<Act>) -> Session {
    Session {
        token: "t".into(),
        user: "user-0".into(),
        created_ns: 0,
        revoked,
    }
}

fn served(sent_ms: u64, user: &str) -> Record {
    let answer = Answer {
        status: 200,
        user: Some(user.into()),
        ..Answer::default()
    };
    record(Asked::Session(0), sent_ms, answer)
}

#[test]
fn a_session_that_came_back_was_mixed_up_or_was_forgotten_is_found() {
    let act = Act {
        begun_ns: 10 * MS,
        done_ns: Some(20 * MS),
    };
    let mut all = history(vec![served(5, "user-0"), served(15, "user-0")]);
    all.sessions = vec![session(vec![act])];
    assert_eq!(broken(&all), Vec::<String>::new());
    all.records.push(served(21, "user-0"));
    assert_eq!(broken(&all), ["S2"]);
    all.records = vec![served(5, "user-1"), status(Asked::Session(0), 5, 401)];
    assert_eq!(broken(&all), ["S12", "S4"]);
    // After its end has begun it may be gone.
    all.records = vec![
        status(Asked::Session(0), 9, 401),
        status(Asked::Session(0), 30, 401),
    ];
    assert_eq!(broken(&all), Vec::<String>::new());
    let mut cookie = status(Asked::Session(0), 5, 503);
    cookie.end = End::Answer(Answer {
        status: 503,
        sets_cookie: true,
        ..Answer::default()
    });
    all.records = vec![cookie];
    assert_eq!(broken(&all), ["S4"]);
}

#[test]
fn a_body_from_before_a_purge_is_found_after_it() {
    let body = |sent_ms: u64, serial: u64| {
        let answer = Answer {
            status: 200,
            serial: Some(serial),
            ..Answer::default()
        };
        record(Asked::Cached(3), sent_ms, answer)
    };
    let act = Act {
        begun_ns: 10 * MS,
        done_ns: Some(20 * MS),
    };
    let mut all = history(vec![body(5, 7), body(19, 7), body(21, 8)]);
    all.purges = vec![Purge {
        url: 3,
        act,
        floor: 7,
    }];
    assert_eq!(broken(&all), Vec::<String>::new());
    all.records.push(body(21, 7));
    assert_eq!(broken(&all), ["C1"]);
    // Nobody was promised anything by a purge that was not acknowledged.
    all.purges[0].act.done_ns = None;
    assert_eq!(broken(&all), Vec::<String>::new());
}

#[test]
fn a_cached_answer_without_its_body_is_found_and_each_is_looked_at() {
    let whole = Answer {
        status: 200,
        serial: Some(1),
        ..Answer::default()
    };
    let mut all = history(vec![record(Asked::Cached(1), 1, whole)]);
    let verdict = judge(&all, Losses::default(), Bounds::USUAL);
    assert_eq!(verdict.checks.get("C6"), Some(&1));
    all.records.push(status(Asked::Cached(1), 2, 200));
    assert_eq!(broken(&all), ["C6"]);
}

#[test]
fn requests_that_never_end_or_take_too_long_are_found() {
    let mut all = history(vec![status(Asked::Wide(0), 1, 503)]);
    all.sent = 2;
    all.records[0].end_ns = 1_500 * MS;
    assert_eq!(broken(&all), ["L1", "X3"]);
    all.sent = 1;
    all.records[0].end = End::Hung;
    assert_eq!(broken(&all), ["L1"]);
}

#[test]
fn recovery_begins_after_the_last_failure_before_a_good_second() {
    let wide = |ms: u64| {
        status(
            Asked::Wide(0),
            ms,
            if (100..400).contains(&ms) { 503 } else { 429 },
        )
    };
    let all = history((0..3_000).map(wide).collect());
    let ms = |n: u64| std::time::Duration::from_millis(n);
    assert_eq!(outage(&all, 0, u64::MAX), ms(299));
    assert_eq!(recovery(&all, 200 * MS, u64::MAX).unwrap().as_millis(), 198);
    assert_eq!(recovery(&all, 500 * MS, u64::MAX), Some(ms(0)));
    // Not watched for long enough to say.
    assert_eq!(recovery(&all, 200 * MS, 1_000 * MS), None);
}
