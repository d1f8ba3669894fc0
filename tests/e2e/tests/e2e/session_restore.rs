//! A backup is restored: what was revoked since lives again, until `redis-bridge doctor --after-restore` ends all.

use crate::kit::{eventually, keys, with_cookie};
use std::process::{Command, Output};
use tidegate_e2e::{Lab, RedisKind, Reply};
use tidegate_stack::bridge;
use tidegate_stack::redis::{self, Server};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
policies:
  web: { session: web }
default_policy: web
";

/// Users: more than there are shards.
const USERS: usize = 12;

/// A key as `DUMP` has it, and how long it lives.
type Kept = (Vec<u8>, Vec<u8>, i64);

fn primaries(lab: &Lab) -> Vec<Server> {
    let servers = match lab.spec().redis {
        RedisKind::Cluster => (0..6).map(|i| lab.redis_of(i)).collect(),
        _ => vec![lab.redis()],
    };
    let is_primary =
        |server: &Server| server.call(&["ROLE"]).unwrap().items()[0].text() == "master";
    servers.into_iter().filter(is_primary).collect()
}

fn backup(server: &Server) -> Vec<Kept> {
    let dump = |key: Vec<u8>| {
        let Reply::Text(value) = server.call(&[b"DUMP".as_slice(), &key]).unwrap() else {
            panic!("a key that is none");
        };
        let ttl = server.call(&[b"PTTL".as_slice(), &key]).unwrap();
        (key, value, ttl.int().unwrap())
    };
    keys(server).into_iter().map(dump).collect()
}

fn restore(server: &Server, kept: &[Kept]) {
    for key in keys(server) {
        server.call(&[b"DEL".as_slice(), &key]).unwrap();
    }
    for (key, value, ttl) in kept {
        let ttl = ttl.to_string();
        let command = [b"RESTORE".as_slice(), key, ttl.as_bytes(), value];
        assert_eq!(server.call(&command).unwrap().text(), "OK");
    }
}

fn doctor(lab: &Lab, url: &str) -> Output {
    let program = bridge::sibling("redis-bridge", "TIDEGATE_BRIDGE", "cargo build").unwrap();
    Command::new(program)
        .args(["doctor", "--after-restore", "--redis", url])
        .env_clear()
        .env("TIDEGATE_REDIS_USER", redis::USER)
        .env("TIDEGATE_REDIS_PASSWORD", &lab.secrets().redis_password)
        .output()
        .unwrap()
}

fn what_a_backup_brings_back_ends(kind: RedisKind) {
    let lab = Lab::with(POLICY, |spec| spec.redis = kind);
    let login = |n| lab.login("web", &format!("user-{n}"), &[]).unwrap();
    let tokens: Vec<String> = (0..USERS).map(login).collect();
    let status = |token: &String| {
        let answer = lab.client(0).send(&with_cookie("/", "sid", token));
        answer.unwrap().status
    };
    let statuses = || tokens.iter().map(&status).collect::<Vec<_>>();
    assert_eq!(statuses(), [200; USERS]);
    let servers = primaries(&lab);
    let kept: Vec<Vec<Kept>> = servers.iter().map(backup).collect();
    for n in 0..USERS {
        let gone = lab
            .admin()
            .delete(&format!("/v1/users/user-{n}/sessions?realm=web"));
        assert!([200, 202].contains(&gone.unwrap().status));
    }
    assert_eq!(statuses(), [401; USERS]);
    for (server, kept) in servers.iter().zip(&kept) {
        restore(server, kept);
    }
    assert_eq!(statuses(), [200; USERS], "what a backup does");

    let all: Vec<String> = servers
        .iter()
        .map(|server| server.address().to_owned())
        .collect();
    let url = match kind {
        RedisKind::Cluster => format!("redis-cluster://{}", all.join(",")),
        _ => format!("redis://{}", all[0]),
    };
    let done = doctor(&lab, &url);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{done:?}");
    let expected = format!(
        "all sessions ended: {USERS} of {USERS} users, on {} servers\n",
        servers.len()
    );
    assert_eq!(said, expected);
    assert_eq!(statuses(), [401; USERS]);
    let fresh = login(0);
    eventually("a new login", 200, || status(&fresh));
    assert_eq!(statuses(), [401; USERS]);

    let refused = doctor(&lab, "redis://127.0.0.1:1");
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        why.contains("127.0.0.1:1") && why.contains("run it again"),
        "{why}"
    );
}

#[test]
fn s2_what_a_backup_brings_back_is_ended() {
    what_a_backup_brings_back_ends(RedisKind::Standalone);
}

#[test]
fn s2_what_a_backup_brings_back_is_ended_on_a_cluster() {
    what_a_backup_brings_back_ends(RedisKind::Cluster);
}
