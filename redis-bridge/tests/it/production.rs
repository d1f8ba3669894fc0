//! The production text itself, on Redis' own clock.

use crate::redis::{Client, Server};
use redis_bridge::core::Value;
use redis_bridge::script::Script;
use std::sync::atomic::{AtomicU32, Ordering};

fn call(client: &mut Client, script: Script, keys: &[&str], args: &[&str]) -> Value {
    let count = keys.len().to_string();
    let head = ["EVALSHA", script.sha1(), count.as_str()];
    client.call(&[&head, keys, args].concat())
}

fn load(client: &mut Client) {
    for script in Script::ALL {
        let sha1 = client.call(&["SCRIPT", "LOAD", script.source()]);
        assert_eq!(sha1, Value::bulk(script.sha1()), "{script}");
    }
}

fn time_us(client: &mut Client) -> u64 {
    let time = client.call(&["TIME"]);
    let part = |at: usize| -> u64 {
        let bytes = time.as_array().unwrap()[at].as_bytes().unwrap();
        String::from_utf8_lossy(bytes).parse().unwrap()
    };
    part(0) * 1_000_000 + part(1)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn a_window_follows_redis_clock_and_expires() {
    let server = Server::start();
    let mut client = server.client();
    load(&mut client);
    let before = time_us(&mut client);
    let args = ["fixed_window", "2", "3600000000", "1", "2"];
    let answer = call(&mut client, Script::LimitTakePlain, &["k"], &args);
    let after = time_us(&mut client);
    let items = answer.as_array().unwrap();
    assert_eq!(items[0], Value::Integer(1));
    let now = number(&items[1]);
    assert!(before <= now && now <= after);
    let limit = items[2].as_array().unwrap();
    assert_eq!((now + number(&limit[2])) % 3_600_000_000, 0);
    let left = number(&client.call(&["PTTL", "k"]));
    let wanted = number(&limit[2]) / 1000 + 5000;
    assert!(
        left <= wanted + 1 && left + 10_000 > wanted,
        "{left} {wanted}"
    );
    assert_eq!(client.call(&["PERSIST", "k"]), Value::Integer(1));
    let denied = call(&mut client, Script::LimitTakePlain, &["k"], &args);
    assert_eq!(denied.as_array().unwrap()[0], Value::Integer(0));
    assert!(number(&client.call(&["PTTL", "k"])) > 0, "repaired");
}

#[test]
fn s5_no_session_outlives_its_deadline() {
    let server = Server::start();
    let mut client = server.client();
    load(&mut client);
    let keys = ["p:00", "u", "i"];
    let args = ["v", "600000", "1000", "20", "00", "p:"];
    let created = call(&mut client, Script::SessionCreate, &keys, &args);
    let deadline_us = number(&created.as_array().unwrap()[1]);
    for _ in 0..20 {
        let got = call(
            &mut client,
            Script::SessionGet,
            &["p:00", "u"],
            &["600000", "always"],
        );
        assert_eq!(got.as_array().unwrap()[0], Value::simple("valid"));
        assert!(number(&client.call(&["PEXPIRETIME", "p:00"])) * 1000 <= deadline_us);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let again = call(&mut client, Script::SessionCreate, &keys, &args);
    let again = again.as_array().unwrap();
    assert_eq!(again[0], Value::simple("created"), "its answer was lost");
    assert_eq!(number(&again[1]), deadline_us);
    let other = ["another", "600000", "1000", "20", "00", "p:"];
    let other = call(&mut client, Script::SessionCreate, &keys, &other);
    assert_eq!(other.as_array().unwrap()[0], Value::simple("exists"));
    let removed = call(
        &mut client,
        Script::SessionRevoke,
        &["p:00", "i"],
        &["00", "p:"],
    );
    assert_eq!(removed.as_array().unwrap()[0], Value::Integer(1));
    let got = call(
        &mut client,
        Script::SessionGet,
        &["p:00", "u"],
        &["600000", "always"],
    );
    assert_eq!(got.as_array().unwrap()[0], Value::simple("absent"));
    assert_eq!(
        client.call(&["EXISTS", "p:00"]),
        Value::Integer(0),
        "S3: a look creates nothing"
    );
}

#[test]
fn no_key_of_any_script_is_without_ttl() {
    let server = Server::start();
    let mut client = server.client();
    load(&mut client);
    let lease = "a".repeat(32);
    let plain = [
        ["fixed_window", "2", "1000000", "1", "1"],
        ["token_bucket", "2", "1000000", "1", "1"],
    ];
    call(
        &mut client,
        Script::LimitTakePlain,
        &["l1", "l2"],
        &plain.concat(),
    );
    let all = [
        "fixed_window",
        "calendar_window",
        "sliding_window",
        "sliding_window_log",
        "token_bucket",
        "leaky_bucket",
        "concurrency",
    ];
    let now = time_us(&mut client);
    let bounds = format!("{} {}", now - 1_000_000, now + 60_000_000);
    let mut args = vec!["1"];
    for algorithm in all {
        let burst = match algorithm {
            "calendar_window" => bounds.as_str(),
            "concurrency" => "slot",
            _ => "1",
        };
        args.extend([algorithm, "2", "1000000", burst, "1", "1", "0", "0", "0"]);
    }
    let keys = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"];
    let taken = call(&mut client, Script::LimitTake, &keys, &args);
    assert_eq!(taken.as_array().unwrap()[0], Value::Integer(1), "{taken:?}");
    let mut args = Vec::new();
    for algorithm in all {
        args.extend([algorithm, "2", "1000000", "1", "1", "0", "0"]);
    }
    let keys = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "r"];
    call(&mut client, Script::LimitReturn, &keys, &args);
    call(
        &mut client,
        Script::LimitOwn,
        &["o"],
        &["5", "9000", "channel"],
    );
    call(
        &mut client,
        Script::SessionCreate,
        &["p:00", "u", "i"],
        &["v", "9000", "9000", "2", "00", "p:"],
    );
    let rotate = ["1", "1", "v", "s", "9000", "5000", "00", "01", "p:"];
    let rotated = call(
        &mut client,
        Script::SessionRotate,
        &["p:00", "u", "i", "p:01"],
        &rotate,
    );
    assert_eq!(rotated.as_array().unwrap()[0], Value::simple("rotated"));
    let updated = call(
        &mut client,
        Script::SessionUpdate,
        &["p:01", "u"],
        &["1", "v"],
    );
    assert_eq!(updated.as_array().unwrap()[0], Value::simple("updated"));
    let ended = call(
        &mut client,
        Script::SessionEndOthers,
        &["p:01", "u", "i"],
        &["01", "p:"],
    );
    assert_eq!(ended.as_array().unwrap()[0], Value::simple("ended"));
    call(
        &mut client,
        Script::SessionRevokeUser,
        &["u2", "i2"],
        &["p:", "0"],
    );
    call(
        &mut client,
        Script::CacheGet,
        &["c"],
        &["url", "00", "", &lease, "9000", "0", "fill"],
    );
    let put = [
        "url", "00", "", &lease, "0", "0", "9000", "9000", "64", "0", "record", "00", "channel",
    ];
    assert_eq!(
        call(&mut client, Script::CachePut, &["c"], &put),
        Value::simple("stored")
    );
    call(
        &mut client,
        Script::TagAdd,
        &["t", "p"],
        &["member", "9000"],
    );
    call(&mut client, Script::TagTake, &["t", "p"], &["1", "9000"]);
    let Value::Array(keys) = client.call(&["KEYS", "*"]) else {
        panic!("no keys");
    };
    assert_eq!(keys.len(), 19);
    for key in keys {
        let key = key.as_bytes().unwrap();
        let left = client.call(&[b"PTTL", key]);
        assert!(number(&left) > 0, "{}", String::from_utf8_lossy(key));
    }
}

/// The file that is shipped, but for the default user: the test plants and looks with it.
fn with_acl() -> (Server, Client) {
    let shipped = include_str!("../../../envoy/redis/users.acl");
    let acl = shipped.replace("user default off", "user default on nopass ~* &* +@all");
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(format!("tg-acl-{process}-{number}"));
    std::fs::write(&dir, acl).unwrap();
    let server = Server::with(&format!("--port 0 --aclfile {}", dir.display()));
    let mut client = server.client();
    let login = client.call(&["AUTH", "tidegate-bridge", "change-me"]);
    // Redis listens before it has read the file; it has when it answers.
    std::fs::remove_file(dir).unwrap();
    assert_eq!(login, Value::simple("OK"));
    (server, client)
}

#[test]
fn the_shipped_acl_lets_every_script_of_limits_run_and_no_other_key_or_channel() {
    let (_server, mut client) = with_acl();
    load(&mut client);
    let now = time_us(&mut client);
    let bounds = format!("{} {}", now - 1_000_000, now + 60_000_000);
    let algorithms = [
        "fixed_window",
        "calendar_window",
        "sliding_window",
        "sliding_window_log",
        "token_bucket",
        "leaky_bucket",
        "concurrency",
    ];
    let channel = "tg:limit:forget:00";
    for algorithm in algorithms {
        let key = format!("tg:l:{{s}}:{algorithm}");
        let burst = match algorithm {
            "calendar_window" => bounds.as_str(),
            _ => "1",
        };
        // Admitted, denied, admitted once more after the log has something to prune.
        let args = ["1", algorithm, "1", "1000", burst, "1", "1", "0", "0", "2"];
        for pause_ms in [0, 0, 5] {
            std::thread::sleep(std::time::Duration::from_millis(pause_ms));
            let keys = [key.as_str(), "tg:o:x:{s}"];
            let answer = call(&mut client, Script::LimitTake, &keys, &args);
            assert!(answer.as_array().is_some(), "{algorithm}: {answer:?}");
        }
        let keys = [key.as_str(), "tg:l:{s}:r:1"];
        let args = [algorithm, "1", "1000", "1", "1", "0", "0"];
        let answer = call(&mut client, Script::LimitReturn, &keys, &args);
        assert!(answer.as_array().is_some(), "{algorithm}: {answer:?}");
    }
    let plain = ["fixed_window", "1", "1000", "1", "1"];
    let answer = call(&mut client, Script::LimitTakePlain, &["tg:l:{s}:p"], &plain);
    assert!(answer.as_array().is_some(), "{answer:?}");
    let own = ["5", "1000", channel];
    let answer = call(&mut client, Script::LimitOwn, &["tg:o:x:{s}"], &own);
    assert!(answer.as_array().is_some(), "{answer:?}");
    let answer = call(&mut client, Script::LimitReset, &["tg:l:{s}:p"], &[channel]);
    assert_eq!(number(&answer), 1);
    let answer = client.call(&["PSUBSCRIBE", "tg:limit:forget:*"]);
    assert!(answer.as_array().is_some(), "{answer:?}");
    let (_other, mut client) = with_acl();
    load(&mut client);
    let refused = |answer: Value| matches!(answer, Value::Error(line) if line.windows(6).any(|w| w == b"NOPERM" || w == b" permi"));
    let answer = call(&mut client, Script::LimitTakePlain, &["other:l"], &plain);
    assert!(refused(answer));
    assert!(refused(client.call(&["PUBLISH", "tg:other", ""])));
    assert!(refused(client.call(&["PSUBSCRIBE", "*"])));
}

#[test]
fn the_shipped_acl_lets_every_script_of_sessions_run_and_what_a_revocation_waits_with() {
    let (_server, mut client) = with_acl();
    load(&mut client);
    let (user, index) = ("tg:u:{s}", "tg:u:{s}:i");
    let [a, b, c] = ["tg:s:{s}:a", "tg:s:{s}:b", "tg:s:{s}:c"];
    let create = ["v", "9000", "9000", "1", "a", "tg:s:{s}:"];
    let rotate = ["1", "1", "v", "s", "9000", "5000", "a", "b", "tg:s:{s}:"];
    let over_the_cap = ["v", "9000", "9000", "1", "c", "tg:s:{s}:"];
    let calls: [(Script, &[&str], &[&str]); 10] = [
        (Script::SessionCreate, &[a, user, index], &create),
        (Script::SessionGet, &[a, user], &["9000", "always"]),
        (Script::SessionRotate, &[a, user, index, b], &rotate),
        (Script::SessionRead, &[a, user], &[]),
        (Script::SessionUpdate, &[b, user], &["1", "v"]),
        (Script::SessionList, &[user, index], &["tg:s:{s}:"]),
        (
            Script::SessionEndOthers,
            &[b, user, index],
            &["b", "tg:s:{s}:"],
        ),
        (Script::SessionCreate, &[c, user, index], &over_the_cap),
        (Script::SessionRevoke, &[c, index], &["c", "tg:s:{s}:"]),
        (
            Script::SessionRevokeUser,
            &[user, index],
            &["tg:s:{s}:", "0"],
        ),
    ];
    for (script, keys, args) in calls {
        let answer = call(&mut client, script, keys, args);
        assert!(answer.as_array().is_some(), "{script}: {answer:?}");
        let absent = answer.as_array().unwrap().first() == Some(&Value::simple("absent"));
        assert!(!absent, "{script} did nothing");
    }
    assert_eq!(client.call(&["WAIT", "1", "1"]), Value::Integer(0));
    let info = client.call(&["INFO", "replication"]);
    assert!(info.as_bytes().is_some(), "{info:?}");
}
