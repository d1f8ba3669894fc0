//! Random steps in the sessions of one user: script and model agree on every answer and on every byte they
//! keep, and what the sessions' invariants forbid does not happen on the way.

use crate::both::{Both, MS};
use crate::differential::{Step, check, check_on, clock, persisted, planted, text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use redis_bridge::core::{Command, Value};
use redis_bridge::model::{Data, Entry};
use redis_bridge::script::Script;
use std::collections::BTreeMap;

/// Keys of one slot; logins make the first four.
const SESSIONS: [&str; 8] = [
    "{u}:0", "{u}:1", "{u}:2", "{u}:3", "{u}:4", "{u}:5", "{u}:6", "{u}:7",
];
const EPOCH: &str = "{u}e";
const INDEX: &str = "{u}i";
const PREFIX: &[u8] = b"{u}:";

fn call(script: Script, keys: &[&str], args: Vec<Vec<u8>>) -> Command {
    Command {
        script,
        keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
        args,
    }
}

fn member(n: usize) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn times() -> impl Strategy<Value = u64> {
    select(vec![100_u64, 1000, 30_000, 1_800_000, 43_200_000])
}

fn commands() -> impl Strategy<Value = Command> {
    let which = select(vec!["sealed", "otherwise sealed"]);
    let create = (0..4_usize, which, times(), times(), 1..4_u64);
    let create = create.prop_map(|(n, value, idle, absolute, cap)| {
        let numbers = [idle, absolute, cap].map(text);
        let args = [vec![value.into()], numbers.to_vec()].concat();
        let args = [args, vec![member(n), PREFIX.to_vec()]].concat();
        call(Script::SessionCreate, &[SESSIONS[n], EPOCH, INDEX], args)
    });
    let touch = select(vec!["always", "never", "threshold"]);
    let get = (0..8_usize, times(), touch).prop_map(|(n, idle, touch)| {
        let args = vec![text(idle), touch.into()];
        call(Script::SessionGet, &[SESSIONS[n], EPOCH], args)
    });
    let read =
        (0..8_usize).prop_map(|n| call(Script::SessionRead, &[SESSIONS[n], EPOCH], Vec::new()));
    let update = (0..8_usize, 1..4_u64).prop_map(|(n, version)| {
        let args = vec![text(version), format!("sealed {version}").into_bytes()];
        call(Script::SessionUpdate, &[SESSIONS[n], EPOCH], args)
    });
    let grace = select(vec![0_u64, 1, 500, 10_000, 60_000]);
    let rotate = (0..8_usize, 0..8_usize, 1..3_u64, 0..2_u64, times(), grace).prop_map(
        |(n, next, version, more, idle, grace)| {
            let args = vec![
                text(version),
                text(version + more),
                b"resealed".to_vec(),
                b"secret".to_vec(),
                text(idle),
                text(grace),
                member(n),
                member(next),
                PREFIX.to_vec(),
            ];
            let keys = [SESSIONS[n], EPOCH, INDEX, SESSIONS[next]];
            call(Script::SessionRotate, &keys, args)
        },
    );
    let others = (0..8_usize).prop_map(|n| {
        let args = vec![member(n), PREFIX.to_vec()];
        call(Script::SessionEndOthers, &[SESSIONS[n], EPOCH, INDEX], args)
    });
    let revoke = (0..8_usize).prop_map(|n| {
        let args = vec![member(n), PREFIX.to_vec()];
        call(Script::SessionRevoke, &[SESSIONS[n], INDEX], args)
    });
    let least =
        prop_oneof![3 => Just(0), 1 => (0..100_000_000_u64).prop_map(|us| crate::both::T0 + us)];
    let user = least.prop_map(|least| {
        let args = vec![PREFIX.to_vec(), text(least)];
        call(Script::SessionRevokeUser, &[EPOCH, INDEX], args)
    });
    let list = Just(call(
        Script::SessionList,
        &[EPOCH, INDEX],
        vec![PREFIX.to_vec()],
    ));
    prop_oneof![
        6 => create,
        8 => get,
        2 => read,
        4 => update,
        6 => rotate,
        2 => others,
        2 => revoke,
        1 => user,
        2 => list,
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let keys = vec![SESSIONS[0], SESSIONS[1], EPOCH, INDEX];
    let fields = vec!["v", "e", "d", "c", "n", "s", "p", "m"];
    prop_oneof![
        33 => commands().prop_map(Step::Call),
        6 => clock(),
        1 => planted(keys.clone(), fields),
        1 => persisted(keys),
    ]
}

#[test]
fn sessions_agree() {
    check(steps());
}

#[test]
fn sessions_agree_on_a_cluster() {
    check_on(Both::cluster(), steps());
}

type Dump = BTreeMap<Vec<u8>, Entry>;

/// The sessions kept: deadline and when the key ends.
fn kept(dump: &Dump) -> BTreeMap<&[u8], (u64, u64)> {
    let sessions = dump.iter().filter(|(key, _)| key.starts_with(PREFIX));
    sessions
        .map(|(key, entry)| {
            let Data::Hash(fields) = &entry.data else {
                panic!("no session");
            };
            let deadline = String::from_utf8(fields[&b"d"[..]].clone()).unwrap();
            let ends = entry.expires_ms.expect("X11: a TTL");
            (key.as_slice(), (deadline.parse().unwrap(), ends))
        })
        .collect()
}

fn is(value: &Value, word: &str) -> bool {
    let first = value.as_array().and_then(<[Value]>::first);
    first == Some(&Value::simple(word))
}

/// S3 and S5 on every step: what was there before, the command, its answer, what is there after.
fn judge(before: &Dump, command: &Command, answer: &Value, after: &Dump) {
    let (old, new) = (kept(before), kept(after));
    let more = new.len() > old.len();
    let script = command.script;
    if script == Script::SessionCreate && is(answer, "created") {
        // A cap may end some, never this one.
        assert!(new.contains_key(command.keys[0].as_slice()));
        if old.contains_key(command.keys[0].as_slice()) {
            assert_eq!(before, after, "asked for again: {script} wrote");
        }
    } else if script == Script::SessionRotate && is(answer, "rotated") {
        assert!(old.contains_key(command.keys[0].as_slice()), "S3");
        let fresh: Vec<_> = new.keys().filter(|key| !old.contains_key(*key)).collect();
        assert_eq!(fresh, [&command.keys[3].as_slice()], "S3");
        let deadline = |of: &BTreeMap<&[u8], (u64, u64)>, key: &[u8]| of[key].0;
        let (was, is) = (&command.keys[0], &command.keys[3]);
        assert_eq!(deadline(&old, was), deadline(&new, is), "the same deadline");
    } else {
        assert!(!more, "S3: {script} made a session");
        let fresh = new.keys().find(|key| !old.contains_key(*key));
        assert_eq!(fresh, None, "S3: {script}");
    }
    if is(answer, "absent") || is(answer, "conflict") || is(answer, "replaced") {
        let removed_only = after
            .iter()
            .all(|(key, entry)| before.get(key) == Some(entry));
        assert!(removed_only, "{script} wrote");
    }
    for (key, (deadline, ends)) in &new {
        assert!(ends * MS <= *deadline, "S5: {script}");
        let shortened = old.get(key).is_some_and(|(_, before)| before > ends);
        let rotated = script == Script::SessionRotate && *key == command.keys[0].as_slice();
        assert!(!shortened || rotated, "S5: {script} shortens");
    }
}

#[test]
fn s3_s5_only_a_login_creates_and_no_deadline_is_passed() {
    let both = std::cell::RefCell::new(Both::new());
    let config = ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let forwards = (0..40_000_u64).prop_map(|ms| Err(ms * MS));
    let step = prop_oneof![4 => commands().prop_map(Ok), 1 => forwards];
    proptest!(config, |(steps in vec(step, 1..50))| {
        let both = &mut *both.borrow_mut();
        both.clear();
        let mut before = both.dump();
        let mut used = std::collections::BTreeSet::new();
        for step in &steps {
            match step {
                Err(us) => {
                    both.now += us;
                    before = both.dump();
                }
                Ok(command) => {
                    // A random token never comes twice.
                    let makes = match command.script {
                        Script::SessionCreate => Some(&command.keys[0]),
                        Script::SessionRotate => Some(&command.keys[3]),
                        _ => None,
                    };
                    if makes.is_some_and(|key| !used.insert(key.clone())) {
                        continue;
                    }
                    let answer = both.call(command);
                    let after = both.dump();
                    judge(&before, command, &answer, &after);
                    before = after;
                }
            }
        }
    });
}
