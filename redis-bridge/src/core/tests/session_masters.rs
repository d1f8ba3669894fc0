//! While the master key is replaced.

use super::rig::*;
use super::session_verbs::{create, ended, lives, rotate, told, update};
use crate::core::{AdminOp, AdminReply, Core, CoreConfig};
use crate::vault::Vault;
use tidegate::wire::op::Scope;

const OLD: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const NEW: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";

/// The same Redis, a bridge that has these master keys.
fn restart(rig: &mut Rig, keys: &[&str]) {
    let vault: Vault = keys.join(",").parse().unwrap();
    rig.core = Core::new(CoreConfig::new("tg", "b"), vault);
}

#[test]
fn while_a_master_key_is_replaced_sessions_live_and_end_under_both() {
    let mut rig = Rig::new();
    restart(&mut rig, &[OLD]);
    let before = create(&mut rig, "ada", 1);
    create(&mut rig, "ada", 2);
    restart(&mut rig, &[NEW, OLD]);
    let after = create(&mut rig, "ada", 3);
    assert_ne!(before, after);
    assert!(lives(&mut rig, &before, 1) && lives(&mut rig, &after, 3));
    let (realm, uid) = ("web".to_owned(), "ada".to_owned());
    let list = AdminOp::ListSessions {
        realm: realm.clone(),
        uid: uid.clone(),
    };
    let AdminReply::Sessions(all) = rig.admin(&list) else {
        panic!()
    };
    assert_eq!(all.len(), 3);
    let revoke = AdminOp::RevokeUser { realm, uid };
    assert_eq!(revoked(rig.admin(&revoke)), 3);
    assert!(!lives(&mut rig, &before, 1) && !lives(&mut rig, &after, 3));

    for (asks, scope) in [
        (4, Scope::All),
        (5, Scope::All),
        (4, Scope::Others),
        (5, Scope::Others),
    ] {
        restart(&mut rig, &[OLD]);
        create(&mut rig, "ada", 4);
        restart(&mut rig, &[NEW, OLD]);
        create(&mut rig, "ada", 5);
        let user = if asks == 4 { before } else { after };
        assert_eq!(ended(&mut rig, &user, asks, scope).0, "ended");
        let left = (lives(&mut rig, &before, 4), lives(&mut rig, &after, 5));
        let stays = scope == Scope::Others;
        assert_eq!(
            left,
            (stays && asks == 4, stays && asks == 5),
            "{asks} {scope:?}"
        );
        rig.admin(&revoke);
    }
}

#[test]
fn what_belongs_to_a_retired_master_key_is_unknown() {
    let mut rig = Rig::new();
    restart(&mut rig, &[OLD]);
    let ada = create(&mut rig, "ada", 1);
    create(&mut rig, "ada", 2);
    restart(&mut rig, &[NEW, OLD]);
    // Sealed by the new key from here on, and still under the old tag.
    assert_eq!(
        told(&rig.post(&[update(&ada, &[1; 18], 1, b"1")])[0]).0,
        "updated"
    );
    assert!(lives(&mut rig, &ada, 1));
    restart(&mut rig, &[NEW]);
    for secret in [1, 2] {
        let answer = rig.post(&[session_get(&ada, &[secret; 18])]);
        assert_eq!(answer, [error("SEAL the session's value does not open")]);
        let answer = rig.post(&[rotate(&ada, &[secret; 18], &[3; 18], 0, None)]);
        assert!(told(&answer[0]).0.starts_with("SEAL"));
    }
    assert_eq!(
        ended(&mut rig, &ada, 1, Scope::This).0,
        "ended",
        "a logout works all the same"
    );
}
