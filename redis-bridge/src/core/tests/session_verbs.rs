//! The verbs that create, change, replace and end a session.

use super::rig::*;
use crate::core::{AdminOp, AdminReply, CoreConfig, RequestId, Revocation, Rotation, Value};
use std::time::Duration;
use tidegate::session::token;
use tidegate::wire::Op;
use tidegate::wire::op::{
    Change, Scope, SessionCreate, SessionEnd, SessionGet, SessionRotate, SessionUpdate, Touch,
};

fn create_op<'a>(uid: &'a str, secret: &'a [u8; 18]) -> SessionCreate<'a> {
    SessionCreate {
        realm: b"web",
        secret,
        nonce: &[3; 12],
        idle_ms: 1_800_000,
        absolute_ms: 43_200_000,
        uid: uid.as_bytes(),
        roles: b"user",
        data: br#"{"n":0}"#,
        old: None,
        readable: false,
    }
}

/// The user's tag.
pub(super) fn create(rig: &mut Rig, uid: &str, secret: u8) -> [u8; 12] {
    let answer = rig.post(&[Op::SessionCreate(create_op(uid, &[secret; 18]))]);
    let items = answer[0].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(items[0], Value::simple("created"));
    assert_eq!(items[2].as_u64().unwrap(), rig.redis_us() + 43_200_000_000);
    items[1].as_bytes().unwrap().try_into().unwrap()
}

fn end(user: &[u8; 12], secret: u8, scope: Scope) -> (Vec<u8>, [u8; 12]) {
    let mut body = Vec::new();
    let op = SessionEnd {
        realm: b"web",
        user,
        secret: &[secret; 18],
        scope,
    };
    Op::SessionEnd(op).encode(&mut body);
    (body, *user)
}

pub(super) fn ended(
    rig: &mut Rig,
    user: &[u8; 12],
    secret: u8,
    scope: Scope,
) -> (String, Option<u64>) {
    let (body, _) = end(user, secret, scope);
    told(&rig.post_bytes(&body)[0])
}

pub(super) fn update<'a>(
    user: &'a [u8; 12],
    secret: &'a [u8; 18],
    version: u64,
    data: &'a [u8],
) -> Op<'a> {
    Op::SessionUpdate(SessionUpdate {
        realm: b"web",
        user,
        secret,
        nonce: &[4; 12],
        version,
        data,
    })
}

pub(super) fn rotate<'a>(
    user: &'a [u8; 12],
    secret: &'a [u8; 18],
    successor: &'a [u8; 18],
    grace_ms: u64,
    change: Option<Change<'a>>,
) -> Op<'a> {
    Op::SessionRotate(SessionRotate {
        realm: b"web",
        user,
        secret,
        successor,
        nonce: &[5; 12],
        idle_ms: 1_800_000,
        grace_ms,
        change,
    })
}

/// The word, and the first number after it.
pub(super) fn told(value: &Value) -> (String, Option<u64>) {
    match value {
        Value::Array(items) => {
            let word = String::from_utf8_lossy(items[0].as_bytes().unwrap()).into_owned();
            let number = items[1..items.len() - 1].first().and_then(Value::as_u64);
            (word, number)
        }
        Value::Error(line) => (String::from_utf8_lossy(line).into_owned(), None),
        other => panic!("{other:?}"),
    }
}

/// Roles, version and data of a session that is valid.
fn look(rig: &mut Rig, user: &[u8; 12], secret: u8) -> Option<(String, u64, String)> {
    let op = SessionGet {
        realm: b"web",
        user,
        secret: &[secret; 18],
        idle_ms: 1_800_000,
        touch: Touch::Threshold,
        data: true,
    };
    let answer = rig.post(&[Op::SessionGet(op)]).remove(0);
    let text = |value: &Value| String::from_utf8_lossy(value.as_bytes().unwrap()).into_owned();
    match answer.as_array().unwrap_or_else(|| panic!("{answer:?}")) {
        [word, _] if *word == Value::simple("absent") => None,
        [_, _, roles, _, _, version, data] => {
            Some((text(roles), version.as_u64().unwrap(), text(data)))
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn lives(rig: &mut Rig, user: &[u8; 12], secret: u8) -> bool {
    look(rig, user, secret).is_some()
}

fn version(number: u64, word: &str) -> (String, Option<u64>) {
    (word.to_owned(), Some(number))
}

fn absent() -> (String, Option<u64>) {
    ("absent".to_owned(), None)
}

#[test]
fn a_login_ends_the_session_presented_with_it_or_does_nothing() {
    let mut rig = Rig::new();
    let (ada, bob) = (create(&mut rig, "ada", 1), create(&mut rig, "bob", 2));
    let mut op = create_op("ada", &[3; 18]);
    let secret = [2; 18];
    op.old = Some((&bob, &secret));
    assert_eq!(
        told(&rig.post(&[Op::SessionCreate(op.clone())])[0]).0,
        "created"
    );
    assert!(
        !lives(&mut rig, &bob, 2),
        "another user's on the same browser"
    );
    assert!(lives(&mut rig, &ada, 1) && lives(&mut rig, &ada, 3));

    // The old one cannot be ended: Redis fails for its slot. No new one is made.
    let again = [4; 18];
    op.secret = &again;
    let mut body = Vec::new();
    Op::SessionCreate(op).encode(&mut body);
    rig.core
        .handle_request(RequestId(900), &body, 1000, None, rig.now);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(batch.commands.len(), 1);
    let failed = vec![Value::error("CLUSTERDOWN")];
    rig.core.handle_replies(batch.id, Ok(failed), rig.now);
    assert!(rig.core.poll_batch(rig.now).is_none());
    rig.collect();
    assert!(!lives(&mut rig, &ada, 4));
}

#[test]
fn what_is_no_session_names_the_field_and_reaches_no_redis() {
    let mut rig = Rig::new();
    let mut refuse = |change: &dyn Fn(&mut SessionCreate<'_>), field: &str| {
        let mut op = create_op("ada", &[1; 18]);
        change(&mut op);
        let line = told(&rig.post(&[Op::SessionCreate(op)])[0]).0;
        assert!(
            line.starts_with("ARGUMENT") && line.contains(field),
            "{line}"
        );
    };
    refuse(&|op| op.uid = b"a\r\nb", "uid");
    refuse(&|op| op.uid = b"\xff", "uid");
    refuse(&|op| op.roles = b"a,,b", "roles");
    refuse(&|op| op.roles = b"a b", "roles");
    refuse(&|op| op.data = b"{", "data");
    refuse(&|op| op.data = br#"{"a":1,"a":2}"#, "data");
    refuse(&|op| op.realm = b"\xff", "realm");
    let mut op = create_op("ada", &[1; 18]);
    op.absolute_ms = 0;
    assert!(
        told(&rig.post(&[Op::SessionCreate(op)])[0])
            .0
            .starts_with("TTL")
    );
    let user = [1; 12];
    let line = told(&rig.post(&[update(&user, &[1; 18], 1, b"nope")])[0]).0;
    assert!(line.contains("data"), "{line}");
    let change = Change {
        version: 1,
        roles: b"a b",
        data: b"",
    };
    let line = told(&rig.post(&[rotate(&user, &[1; 18], &[2; 18], 0, Some(change))])[0]).0;
    assert!(line.contains("roles"), "{line}");
    assert_eq!(rig.core.counters().commands, 0);
}

#[test]
fn a_logout_ends_this_all_or_the_others() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    create(&mut rig, "ada", 2);
    create(&mut rig, "ada", 3);
    let bob = create(&mut rig, "bob", 9);
    assert_eq!(ended(&mut rig, &ada, 3, Scope::This), version(1, "ended"));
    assert_eq!(ended(&mut rig, &ada, 3, Scope::This), absent());
    assert_eq!(ended(&mut rig, &ada, 3, Scope::Others), absent());
    assert!(lives(&mut rig, &ada, 1) && lives(&mut rig, &ada, 2));

    create(&mut rig, "ada", 4);
    // One that nobody can list: the epoch ends it.
    let index = rig.core.keys().index(&ada);
    rig.redis.store.entries.remove(&index);
    assert_eq!(ended(&mut rig, &ada, 2, Scope::Others), version(0, "ended"));
    let left = [1, 2, 4].map(|secret| lives(&mut rig, &ada, secret));
    assert_eq!(left, [false, true, false]);
    create(&mut rig, "ada", 5);
    assert_eq!(ended(&mut rig, &ada, 2, Scope::Others), version(1, "ended"));
    create(&mut rig, "ada", 6);
    assert_eq!(ended(&mut rig, &ada, 2, Scope::All).0, "ended");
    assert!(!lives(&mut rig, &ada, 2) && !lives(&mut rig, &ada, 6));
    assert!(lives(&mut rig, &bob, 9));
}

#[test]
fn s8_of_parallel_updates_one_wins_and_the_others_are_told() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    assert_eq!(look(&mut rig, &ada, 1).unwrap().1, 1);
    for round in 1..5 {
        // All read before any writes: they are operations of one exchange.
        let data: Vec<_> = (0..6).map(|n| format!("[{round},{n}]")).collect();
        let ops = data
            .iter()
            .map(|d| update(&ada, &[1; 18], round, d.as_bytes()));
        let answers = rig.post(&ops.collect::<Vec<_>>());
        let won: Vec<_> = (0..6)
            .filter(|n| told(&answers[*n]).0 == "updated")
            .collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for (n, answer) in answers.iter().enumerate() {
            let word = if n == won[0] { "updated" } else { "conflict" };
            assert_eq!(told(answer), version(round + 1, word));
        }
        let (_, now, kept) = look(&mut rig, &ada, 1).unwrap();
        assert_eq!((now, kept), (round + 1, data[won[0]].clone()));
    }
    let late = rig.post(&[update(&ada, &[1; 18], 2, b"0")]);
    assert_eq!(told(&late[0]), version(5, "conflict"));
}

#[test]
fn s3_nothing_but_a_login_brings_a_session_to_life() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    let ops = || {
        vec![
            update(&ada, &[1; 18], 1, b"0"),
            rotate(&ada, &[1; 18], &[2; 18], 10_000, None),
        ]
    };
    // Both have read it; it is revoked before they write.
    let mut body = Vec::new();
    ops().iter().for_each(|op| op.encode(&mut body));
    rig.core
        .handle_request(RequestId(900), &body, 1000, None, rig.now);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let replies = rig.execute(&batch);
    assert_eq!(replies.len(), 2);
    let epoch = rig.core.keys().epoch(&ada);
    let key = rig.core.keys().session(&ada, &token::key_hash(&[1; 18]));
    let gone = rig.redis.store.entries.remove(&key).unwrap();
    rig.core.handle_replies(batch.id, Ok(replies), rig.now);
    rig.run();
    rig.collect();
    let sessions = |rig: &Rig| {
        let keys = rig.redis.store.entries.keys();
        keys.filter(|key| key.starts_with(b"tg:s:")).count()
    };
    assert_eq!(sessions(&rig), 0);
    for answer in rig.post(&ops()) {
        assert_eq!(told(&answer), absent());
    }
    assert_eq!(sessions(&rig), 0);

    // Of an earlier epoch, and past its deadline.
    rig.redis.store.entries.insert(key, gone);
    let entry = rig.redis.store.entries.get_mut(&epoch).unwrap();
    entry.data = crate::model::Data::Text(b"1".to_vec());
    for answer in rig.post(&ops()) {
        assert_eq!(told(&answer), absent());
    }
    assert_eq!(sessions(&rig), 1, "left as it was");
}

#[test]
fn s7_rotations_at_once_give_one_successor_and_the_old_token_ends_with_the_grace() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    let successors: Vec<[u8; 18]> = (10..18).map(|n| [n; 18]).collect();
    let ops = successors
        .iter()
        .map(|next| rotate(&ada, &[1; 18], next, 10_000, None));
    let answers = rig.post(&ops.collect::<Vec<_>>());
    let secret = |answer: &Value| answer.as_array().unwrap()[1].as_bytes().unwrap()[0];
    let one = secret(&answers[0]);
    assert!(
        answers
            .iter()
            .all(|answer| told(answer).0 == "rotated" && secret(answer) == one)
    );
    let living = successors
        .iter()
        .filter(|next| lives(&mut rig, &ada, next[0]))
        .count();
    assert_eq!(living, 1);
    assert_eq!(
        look(&mut rig, &ada, one),
        look(&mut rig, &ada, 1),
        "the same session"
    );
    let deadline = |answer: &Value| answer.as_array().unwrap()[2].clone();
    assert_eq!(deadline(&answers[0]), deadline(&answers[7]));

    // An update under the old token goes where the session lives.
    let late = rig.post(&[update(&ada, &[1; 18], 1, b"7")]);
    assert_eq!(told(&late[0]), version(2, "updated"));
    assert_eq!(look(&mut rig, &ada, one).unwrap().2, "7");

    rig.now += Duration::from_millis(9_900);
    assert!(lives(&mut rig, &ada, 1));
    let again = rig.post(&[rotate(&ada, &[1; 18], &[20; 18], 10_000, None)]);
    assert_eq!(secret(&again[0]), one);
    rig.now += Duration::from_millis(200);
    assert!(!lives(&mut rig, &ada, 1));
    let again = rig.post(&[rotate(&ada, &[1; 18], &[20; 18], 10_000, None)]);
    assert_eq!(told(&again[0]), absent());
    assert!(lives(&mut rig, &ada, one));
    let listed = rig.admin(&AdminOp::ListSessions {
        realm: "web".to_owned(),
        uid: "ada".to_owned(),
    });
    let AdminReply::Sessions(all) = listed else {
        panic!("{listed:?}")
    };
    assert_eq!(all.len(), 1);
    assert_eq!(
        all[0].handle,
        token::handle(&ada, &token::key_hash(&[one; 18]))
    );
}

#[test]
fn whoever_ends_a_session_ends_both_its_tokens() {
    for (ends, scope) in [
        (1, Scope::This),
        (2, Scope::This),
        (1, Scope::All),
        (2, Scope::All),
    ] {
        let mut rig = Rig::new();
        let ada = create(&mut rig, "ada", 1);
        rig.post(&[rotate(&ada, &[1; 18], &[2; 18], 10_000, None)]);
        assert!(lives(&mut rig, &ada, 1) && lives(&mut rig, &ada, 2));
        assert_eq!(ended(&mut rig, &ada, ends, scope).0, "ended");
        assert!(
            !lives(&mut rig, &ada, 1) && !lives(&mut rig, &ada, 2),
            "{ends} {scope:?}"
        );
    }
    for ends in [1, 2] {
        let mut rig = Rig::new();
        let ada = create(&mut rig, "ada", 1);
        create(&mut rig, "ada", 7);
        rig.post(&[rotate(&ada, &[1; 18], &[2; 18], 10_000, None)]);
        assert_eq!(
            ended(&mut rig, &ada, ends, Scope::Others),
            version(1, "ended")
        );
        let left = [1, 2, 7].map(|secret| lives(&mut rig, &ada, secret));
        assert_eq!(left, [true, true, false], "asked by {ends}");
    }
    let mut config = CoreConfig::new("tg", "b");
    config.sessions_per_user = 1;
    let mut rig = Rig::with(config);
    let ada = create(&mut rig, "ada", 1);
    rig.post(&[rotate(&ada, &[1; 18], &[2; 18], 10_000, None)]);
    create(&mut rig, "ada", 3);
    let left = [1, 2, 3].map(|secret| lives(&mut rig, &ada, secret));
    assert_eq!(left, [false, false, true], "over the cap");
}

#[test]
fn other_roles_take_another_token_and_the_old_ones_are_dead_at_once() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    rig.post(&[rotate(&ada, &[1; 18], &[2; 18], 10_000, None)]);
    let change = |version| {
        Some(Change {
            version,
            roles: b"admin",
            data: b"",
        })
    };
    let refused = rig.post(&[rotate(&ada, &[2; 18], &[3; 18], 0, change(2))]);
    assert_eq!(told(&refused[0]), version(1, "conflict"));
    assert!(lives(&mut rig, &ada, 1) && !lives(&mut rig, &ada, 3));
    // Asked with the token that is in its grace: it is the same session.
    let done = rig.post(&[rotate(&ada, &[1; 18], &[3; 18], 0, change(1))]);
    assert_eq!(told(&done[0]).0, "rotated");
    let left = [1, 2].map(|secret| lives(&mut rig, &ada, secret));
    assert_eq!(left, [false, false]);
    let (roles, now, data) = look(&mut rig, &ada, 3).unwrap();
    assert_eq!(
        (roles.as_str(), now, data.as_str()),
        ("admin", 2, r#"{"n":0}"#)
    );
    // The answer was lost, the worker asks once more.
    let again = rig.post(&[rotate(&ada, &[2; 18], &[3; 18], 0, change(1))]);
    assert_eq!(
        again[0].as_array().unwrap()[..2],
        done[0].as_array().unwrap()[..2]
    );
}

#[test]
fn a_value_of_an_earlier_version_is_unknown_when_it_is_put_back() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    let key = rig.core.keys().session(&ada, &token::key_hash(&[1; 18]));
    let value = |rig: &mut Rig, new: Option<Vec<u8>>| {
        let entry = rig.redis.store.entries.get_mut(&key).unwrap();
        let crate::model::Data::Hash(fields) = &mut entry.data else {
            panic!()
        };
        let old = fields[&b"v"[..]].clone();
        if let Some(new) = new {
            fields.insert(b"v".to_vec(), new);
        }
        old
    };
    let first = value(&mut rig, None);
    rig.post(&[update(&ada, &[1; 18], 1, b"1")]);
    value(&mut rig, Some(first));
    let answer = rig.post(&[session_get(&ada, &[1; 18])]);
    assert_eq!(answer, [error("SEAL the session's value does not open")]);
    let late = rig.post(&[update(&ada, &[1; 18], 2, b"2")]);
    assert!(told(&late[0]).0.starts_with("SEAL"));
}

#[test]
fn a_revocation_that_no_replica_has_is_told_and_repeated_without_ending_what_came_later() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    let (realm, uid) = ("web".to_owned(), "ada".to_owned());
    let before = rig.redis.clone();
    rig.core
        .handle_admin(RequestId(900), &AdminOp::RevokeUser { realm, uid }, rig.now);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(batch.role, crate::core::Role::Durable);
    let replies = rig.execute(&batch);
    rig.core.handle_unreplicated(batch.id);
    rig.core.handle_replies(batch.id, Ok(replies), rig.now);
    let sent = rig.collect();
    let [crate::core::Transmit::Admin { result, .. }] = &sent[..] else {
        panic!("{sent:?}")
    };
    let AdminReply::Revoked {
        sessions: 1,
        replicated: false,
        repeat,
    } = result
    else {
        panic!("{result:?}");
    };
    assert!(matches!(repeat[..], [Revocation::User { least, .. }] if least > 0));

    rig.now += Duration::from_secs(1);
    create(&mut rig, "ada", 2);
    let again = AdminOp::Repeat(repeat.clone());
    assert!(matches!(
        rig.admin(&again),
        AdminReply::Revoked {
            replicated: true,
            ..
        }
    ));
    assert!(lives(&mut rig, &ada, 2), "made after the revocation");
    // A failover to a replica that never heard of it.
    rig.redis = before;
    assert!(lives(&mut rig, &ada, 1));
    rig.admin(&again);
    assert!(!lives(&mut rig, &ada, 1));
    assert_eq!(rig.core.counters().unreplicated, 1);
}

#[test]
fn the_audit_names_who_did_what_and_nothing_that_is_secret() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "canary", 1);
    rig.post(&[rotate(&ada, &[1; 18], &[2; 18], 0, None)]);
    let wanted = Rotation {
        realm: "web".to_owned(),
        user: ada,
        secret: [2; 18],
        successor: [3; 18],
        nonce: [1; 12],
        idle_ms: 1000,
        grace_ms: 0,
        version: None,
        roles: Some(vec!["canary-role".to_owned()]),
        data: None,
    };
    let rotated = rig.admin(&AdminOp::RotateSession(wanted));
    assert!(matches!(rotated, AdminReply::Rotated { secret, .. } if secret == [3; 18]));
    assert_eq!(ended(&mut rig, &ada, 3, Scope::Others).0, "ended");
    let handle = token::handle(&ada, &token::key_hash(&[3; 18]));
    rig.admin(&AdminOp::RevokeSession {
        handle: handle.clone(),
    });
    let (realm, uid) = ("web".to_owned(), "canary".to_owned());
    rig.admin(&AdminOp::RevokeUser { realm, uid });
    assert_eq!(ended(&mut rig, &ada, 3, Scope::This).0, "absent");
    let lines: Vec<_> = std::iter::from_fn(|| rig.core.poll_audit())
        .map(|a| a.to_string())
        .collect();
    let heads: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        heads,
        [
            "create",
            "rotate",
            "rotate",
            "end_others",
            "revoke",
            "revoke_user",
            "end"
        ]
    );
    assert_eq!(lines[4], format!("revoke handle={handle} outcome=revoked"));
    assert!(lines[6].ends_with("outcome=absent"), "{}", lines[6]);
    for line in lines {
        assert!(!line.contains("canary"), "{line}");
    }
}
