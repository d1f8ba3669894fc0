use super::rig::*;
use crate::core::{AdminOp, AdminReply, Core, CoreConfig, Failure, Value};
use crate::vault::Vault;
use std::time::Duration;
use tidegate::session::token;
use tidegate::wire::OpError;

/// User tag, hash and deadline.
fn create(rig: &mut Rig, uid: &str, secret: u8) -> ([u8; 12], [u8; 15], u64) {
    match rig.admin(&AdminOp::CreateSession(new_session(uid, secret))) {
        AdminReply::Created {
            user,
            hash,
            deadline_us,
        } => (user, hash, deadline_us),
        other => panic!("{other:?}"),
    }
}

fn is_valid(rig: &mut Rig, user: &[u8; 12], secret: u8) -> bool {
    let answer = rig.post(&[session_get(user, &[secret; 18])]);
    match &answer[0].as_array().unwrap()[0] {
        Value::Simple(word) if word == b"valid" => true,
        Value::Simple(word) if word == b"absent" => false,
        other => panic!("{other:?}"),
    }
}

fn user(name: &str) -> (String, String) {
    ("web".to_owned(), name.to_owned())
}

#[test]
fn created_found_and_opened() {
    let mut rig = Rig::new();
    let now = rig.redis_us();
    let (user, hash, deadline_us) = create(&mut rig, "ada", 1);
    assert_eq!(deadline_us, now + 43_200_000_000);
    assert_eq!(hash, token::key_hash(&[1; 18]));
    let answer = rig.post(&[session_get(&user, &[1; 18])]);
    let valid = Value::Array(vec![
        Value::simple("valid"),
        Value::bulk("ada"),
        Value::bulk("admin,user"),
        Value::Integer(deadline_us.cast_signed()),
        Value::Integer(now.cast_signed()),
    ]);
    assert_eq!(answer, [valid]);
    assert!(!is_valid(&mut rig, &user, 2));
}

/// A stream that closes before the answer makes the filter ask once more.
#[test]
fn a_login_whose_answer_was_lost_is_answered_alike_and_makes_one_session() {
    let mut rig = Rig::new();
    let first = create(&mut rig, "ada", 1);
    rig.now += Duration::from_secs(3);
    assert_eq!(create(&mut rig, "ada", 1), first);
    let mut other = new_session("ada", 1);
    other.data = serde_json::json!({"theme": "light"});
    let other = rig.admin(&AdminOp::CreateSession(other));
    assert_eq!(other, AdminReply::Failed(Failure::Exists));
}

#[test]
fn what_redis_holds_shows_nobody_anything() {
    let mut rig = Rig::new();
    create(&mut rig, "canary", 1);
    let dump = format!("{:?}", rig.redis.store);
    assert!(!dump.contains("canary") && !dump.contains("admin"));
    let all: Vec<u8> = rig.redis.store.entries.keys().flatten().copied().collect();
    assert!(!all.windows(18).any(|part| part == [1; 18]));
}

#[test]
fn s2_a_revoked_session_stays_dead() {
    let mut rig = Rig::new();
    let (tag, hash, _) = create(&mut rig, "ada", 1);
    create(&mut rig, "ada", 2);
    let handle = token::handle(&tag, &hash);
    let revoke = AdminOp::RevokeSession { handle };
    assert_eq!(revoked(rig.admin(&revoke)), 1);
    assert_eq!(revoked(rig.admin(&revoke)), 0);
    assert!(!is_valid(&mut rig, &tag, 1));
    assert!(is_valid(&mut rig, &tag, 2));
}

#[test]
fn s2_revoking_a_user_ends_what_the_index_forgot_too() {
    let mut rig = Rig::new();
    let (tag, _, _) = create(&mut rig, "ada", 1);
    let (other, _, _) = create(&mut rig, "bob", 3);
    let index = rig.core.keys().index(&tag);
    rig.redis.store.entries.remove(&index);
    let (realm, uid) = user("ada");
    assert_eq!(revoked(rig.admin(&AdminOp::RevokeUser { realm, uid })), 0);
    assert!(!is_valid(&mut rig, &tag, 1));
    assert!(is_valid(&mut rig, &other, 3));
    create(&mut rig, "ada", 4);
    assert!(is_valid(&mut rig, &tag, 4), "a login after it counts");
    assert!(!is_valid(&mut rig, &tag, 1));
}

#[test]
fn s10_an_epoch_that_was_lost_brings_no_revoked_session_back() {
    let mut rig = Rig::new();
    let (tag, _, _) = create(&mut rig, "ada", 1);
    let epoch = rig.core.keys().epoch(&tag);
    rig.redis.store.entries.remove(&epoch);
    let unknown = rig.post(&[session_get(&tag, &[1; 18])]).remove(0);
    assert!(
        matches!(&unknown, Value::Error(_)),
        "S4: nobody can tell, got {unknown:?}"
    );
    rig.now += Duration::from_millis(1);
    create(&mut rig, "ada", 2);
    assert!(!is_valid(&mut rig, &tag, 1));
    assert!(is_valid(&mut rig, &tag, 2));
}

#[test]
fn over_the_cap_the_oldest_is_revoked() {
    let mut config = CoreConfig::new("tg", "b");
    config.sessions_per_user = 2;
    let mut rig = Rig::with(config);
    let (tag, _, _) = create(&mut rig, "ada", 1);
    for secret in 2..=3 {
        rig.now += Duration::from_secs(1);
        create(&mut rig, "ada", secret);
    }
    assert_eq!(
        [1, 2, 3].map(|s| is_valid(&mut rig, &tag, s)),
        [false, true, true]
    );
}

#[test]
fn touched_it_lives_untouched_it_dies_and_never_past_the_deadline() {
    let mut rig = Rig::new();
    let (tag, _, _) = create(&mut rig, "ada", 1);
    create(&mut rig, "ada", 2);
    for _ in 0..100 {
        rig.now += Duration::from_secs(600);
        if rig.now >= Duration::from_secs(43_201) {
            break;
        }
        assert!(is_valid(&mut rig, &tag, 1), "{:?}", rig.now);
    }
    assert!(!is_valid(&mut rig, &tag, 2), "idle");
    assert!(!is_valid(&mut rig, &tag, 1), "past its deadline");
}

#[test]
fn listed_with_what_a_person_needs() {
    let mut rig = Rig::new();
    let (tag, hash, deadline_us) = create(&mut rig, "ada", 1);
    let (realm, uid) = user("ada");
    let AdminReply::Sessions(all) = rig.admin(&AdminOp::ListSessions { realm, uid }) else {
        panic!("no list");
    };
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].handle, token::handle(&tag, &hash));
    assert_eq!(
        (all[0].deadline_us, all[0].created_us),
        (deadline_us, rig.redis_us())
    );
    assert_eq!(all[0].idle_left_ms, 1_800_000);
}

#[test]
fn s4_a_value_that_does_not_open_is_unknown_not_absent() {
    let mut rig = Rig::new();
    let (tag, _, _) = create(&mut rig, "ada", 1);
    rig.core = Core::new(CoreConfig::new("tg", "b"), Vault::new(&[8; 32]));
    let answer = rig.post(&[session_get(&tag, &[1; 18])]);
    assert_eq!(answer, [error("SEAL the session's value does not open")]);
}

#[test]
fn bad_identities_are_refused_at_creation() {
    let mut rig = Rig::new();
    let mut refuse = |change: fn(&mut crate::core::NewSession), name| {
        let mut new = new_session("ada", 1);
        change(&mut new);
        let failed = AdminReply::Failed(Failure::Op(OpError::Argument(name)));
        assert_eq!(rig.admin(&AdminOp::CreateSession(new)), failed);
    };
    refuse(|new| new.uid = "a\r\nx-session-user: b".to_owned(), "uid");
    refuse(|new| new.uid = String::new(), "uid");
    refuse(|new| new.roles = vec!["a b".to_owned()], "roles");
    refuse(|new| new.data = serde_json::json!("x".repeat(4096)), "data");
    refuse(|new| new.realm = String::new(), "realm");
    refuse(|new| new.idle_ms = 0, "idle_ms");
    refuse(|new| new.absolute_ms = u64::MAX, "absolute_ms");
    assert_eq!(rig.core.counters().commands, 0);
}
