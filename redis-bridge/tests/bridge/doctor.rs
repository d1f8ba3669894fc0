//! `redis-bridge doctor` on real servers: what ships is fit, what is not is told, and what it says
//! mends it does.

use crate::harness::*;
use serde_json::Value as Json;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const OPERATOR: (&str, &str) = ("operator", "operator-password-5e");
const BRIDGE: (&str, &str) = ("tidegate-bridge", "change-me");

/// Both roles as they ship, the state with two replicas; and an operator who may look.
struct Fleet {
    state: u16,
    replicas: [u16; 2],
    cache: u16,
    _processes: Vec<Process>,
    _dir: TempDir,
}

impl Fleet {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (state, cache) = (free_port(), free_port());
        let replicas = [free_port(), free_port()];
        let mut processes = vec![
            shipped(&dir, "state.conf", state, &["--min-replicas-to-write", "1"]),
            shipped(&dir, "cache.conf", cache, &[]),
        ];
        let primary = state.to_string();
        for port in replicas {
            let args = ["--replicaof", "127.0.0.1", &primary];
            let login = ["--masteruser", OPERATOR.0, "--masterauth", OPERATOR.1];
            let args = [&args[..], &login[..]].concat();
            processes.push(shipped(&dir, "state.conf", port, &args));
        }
        let fleet = Self {
            state,
            replicas,
            cache,
            _processes: processes,
            _dir: dir,
        };
        eventually("replicas are online", async || {
            let info = fleet.cli(state, &["INFO", "replication"]);
            info.matches("state=online").count() == 2 && !info.contains("lag=-1")
        })
        .await;
        eventually("the cache answers", async || {
            fleet.cli(cache, &["PING"]).contains("PONG")
        })
        .await;
        fleet
    }

    /// What `redis-cli` prints, for the operator.
    fn cli(&self, port: u16, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &port.to_string(), "--user", OPERATOR.0])
            .args(["--pass", OPERATOR.1, "--no-auth-warning"])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn doctor(&self) -> Command {
        let mut command = doctor(
            &format!("redis://127.0.0.1:{}", self.state),
            &format!("redis://127.0.0.1:{}", self.cache),
        );
        login(&mut command, "REDIS", BRIDGE);
        login(&mut command, "DOCTOR", OPERATOR);
        command
    }
}

fn shipped(dir: &TempDir, config: &str, port: u16, args: &[&str]) -> Process {
    let ours = dir.path().join(port.to_string());
    std::fs::create_dir(&ours).unwrap();
    let acl = include_str!("../../../envoy/redis/users.acl");
    let (name, password) = OPERATOR;
    let acl = format!("{acl}user {name} on >{password} ~* &* +@all\n");
    std::fs::write(ours.join("users.acl"), acl).unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/redis/");
    let child = Command::new("redis-server")
        .arg(format!("{shipped}{config}"))
        .args([
            "--port",
            &port.to_string(),
            "--aclfile",
            "users.acl",
            "--dir",
            ".",
        ])
        .args(args)
        .current_dir(ours)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Process::of(child)
}

pub(crate) fn doctor(redis: &str, cache: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-bridge"));
    command
        .args(["doctor", "--redis", redis])
        .args(["--redis-cache", cache])
        .env_clear();
    command
}

fn login(command: &mut Command, who: &str, (user, password): (&str, &str)) {
    command.env(format!("TIDEGATE_{who}_USER"), user);
    command.env(format!("TIDEGATE_{who}_PASSWORD"), password);
}

/// Exit status and report.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, Json) {
    let output = command.args(["--format=json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text);
    let report = report.unwrap_or_else(|e| panic!("{e}: {text} {output:?}"));
    (output.status.code(), report)
}

/// What is not fine: check, level, server.
pub(crate) fn bad(report: &Json) -> Vec<(String, String, String)> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|one| one["level"] != "fine")
        .map(|one| {
            (
                text(&one["check"]),
                text(&one["level"]),
                text(&one["server"]),
            )
        })
        .collect()
}

#[tokio::test]
async fn what_ships_is_fit_and_what_is_not_is_told_and_mended_as_it_says() {
    let fleet = Fleet::start().await;
    let (status, report) = run(fleet.doctor().arg("--strict"));
    assert_eq!(bad(&report), []);
    assert_eq!(status, Some(0), "{report:#}");
    // Nine checks and more of each of the four servers.
    assert!(report["fine"].as_u64().unwrap() > 40, "{report:#}");

    let (state, replica, cache) = (fleet.state, fleet.replicas[0], fleet.cache);
    let rows = [
        (state, "maxmemory-policy", "maxmemory-policy allkeys-lru"),
        (state, "maxmemory", "maxmemory 0"),
        (state, "aof", "appendonly no"),
        (state, "aof", "appendfsync no"),
        (state, "min-replicas-to-write", "min-replicas-to-write 0"),
        (state, "min-replicas-to-write", "min-replicas-to-write 3"),
        (state, "timeout", "timeout 5"),
        (state, "timeout", "tcp-keepalive 0"),
        (replica, "maxmemory-policy", "maxmemory-policy volatile-ttl"),
        (replica, "replica-read-only", "replica-read-only no"),
        (cache, "maxmemory", "maxmemory 0"),
        (cache, "timeout", "timeout 5"),
    ];
    for (port, check, setting) in rows {
        let set: Vec<&str> = ["CONFIG", "SET"]
            .into_iter()
            .chain(setting.split(' '))
            .collect();
        assert!(fleet.cli(port, &set).contains("OK"), "{setting}");
        let (status, report) = run(&mut fleet.doctor());
        let server = format!("127.0.0.1:{port}");
        let expected = [(check.to_owned(), "wrong".to_owned(), server)];
        assert_eq!(bad(&report), expected, "{setting}");
        assert_eq!(status, Some(1), "{setting}");
        let findings = report["findings"].as_array().unwrap();
        let one = findings.iter().find(|one| one["level"] == "wrong").unwrap();
        assert!(!one["why"].as_str().unwrap().is_empty(), "{one}");
        mend(one["mend"].as_str().unwrap());
        let (status, report) = run(&mut fleet.doctor());
        assert_eq!(
            (status, bad(&report)),
            (Some(0), vec![]),
            "{setting} is mended"
        );
    }
}

/// Runs the command that a mend begins with.
fn mend(text: &str) {
    let command = text
        .split(" (")
        .next()
        .unwrap()
        .split(", and in")
        .next()
        .unwrap();
    let (name, password) = OPERATOR;
    let command = command.replace(
        "redis-cli ",
        &format!("redis-cli --user {name} --pass {password} --no-auth-warning "),
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.trim(), "OK", "{command}: {output:?}");
}

#[tokio::test]
async fn the_rights_of_the_bridges_user_are_judged_by_what_redis_says() {
    let fleet = Fleet::start().await;
    let all = [
        fleet.state,
        fleet.replicas[0],
        fleet.replicas[1],
        fleet.cache,
    ];
    let wrong = |report: &Json| -> Vec<(String, String)> {
        let findings = report["findings"].as_array().unwrap().iter();
        let wrong = findings.filter(|one| one["level"] == "wrong");
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        wrong
            .map(|one| (text(&one["check"]), text(&one["what"])))
            .collect()
    };
    for (rule, check, told) in [
        ("-time", "acl-needed", "TIME"),
        ("-zadd", "acl-needed", "ZADD"),
        ("-script|load", "acl-needed", "SCRIPT LOAD"),
        ("-unlink", "acl-needed", "UNLINK"),
        ("+config|set", "acl-beyond", "CONFIG SET"),
        ("+flushall", "acl-beyond", "FLUSHALL"),
        ("+eval", "acl-beyond", "EVAL"),
        ("+client|kill", "acl-beyond", "CLIENT KILL"),
        ("allkeys", "acl-beyond", "keys outside its namespace"),
        (
            "allchannels",
            "acl-beyond",
            "channels outside its namespace",
        ),
    ] {
        assert!(
            fleet
                .cli(fleet.state, &["ACL", "SETUSER", BRIDGE.0, rule])
                .contains("OK")
        );
        let (status, report) = run(&mut fleet.doctor());
        assert_eq!(status, Some(1), "{rule}");
        let found = wrong(&report);
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert_eq!(found[0].0, check, "{rule}");
        assert!(found[0].1.contains(told), "{rule}: {found:?}");
        assert!(fleet.cli(fleet.state, &["ACL", "LOAD"]).contains("OK"));
    }
    for port in all {
        fleet.cli(port, &["ACL", "SETUSER", "default", "on", "nopass"]);
    }
    let (_, report) = run(&mut fleet.doctor());
    let found = wrong(&report);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|(check, _)| check == "default-user"));
}

/// Without an operator it tells what the bridge may see, and what it may not.
#[tokio::test]
async fn what_the_bridge_may_not_see_is_not_taken_for_good() {
    let fleet = Fleet::start().await;
    let mut as_bridge = fleet.doctor();
    as_bridge
        .env_remove("TIDEGATE_DOCTOR_USER")
        .env_remove("TIDEGATE_DOCTOR_PASSWORD");
    let (status, report) = run(&mut as_bridge);
    assert_eq!(status, Some(0), "{report:#}");
    // The configuration, the user and `default`, of four servers.
    assert_eq!(report["unknown"], 12, "{report:#}");
    let status = as_bridge.arg("--strict").status().unwrap().code();
    assert_eq!(status, Some(1));

    let mut stranger = fleet.doctor();
    login(&mut stranger, "REDIS", (BRIDGE.0, "wrong"));
    let (status, report) = run(&mut stranger);
    assert_eq!(status, Some(1));
    let logins = bad(&report)
        .into_iter()
        .filter(|(check, ..)| check == "login");
    assert_eq!(logins.count(), 4, "{report:#}");

    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let mut lost = doctor(&nobody, &nobody);
    let (status, report) = run(&mut lost);
    assert_eq!(status, Some(1));
    assert_eq!(bad(&report)[0].0, "reachable");

    let output = doctor("redis://a:b@c", "redis://c").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("must hold no user or password"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// Two names of one server are one server.
#[tokio::test]
async fn one_server_under_two_addresses_is_found() {
    let redis = Redis::start(&["--maxmemory", "100mb"]).await;
    let other = redis.url().replace("redis.sock", "./redis.sock");
    let (status, report) = run(&mut doctor(&redis.url(), &other));
    assert_eq!(status, Some(1));
    let checks: Vec<String> = bad(&report).into_iter().map(|(check, ..)| check).collect();
    assert!(checks.contains(&"roles".to_owned()), "{checks:?}");
    let text = doctor(&redis.url(), &redis.url()).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("WRONG     appendonly no (state and cache, unix:/"),
        "{text}"
    );
    assert!(text.contains("mend: redis-cli -s /"), "{text}");
}
