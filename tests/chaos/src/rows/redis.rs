//! B: Redis processes and their data; G7.

use crate::row::{Failures, Row};
use crate::trial::Trial;
use tidegate_e2e::{Error, RedisKind, Reply, wait};
use tidegate_stack::Result;
use tidegate_stack::proc::Launch;
use tidegate_stack::redis::Server;

const STATE: &str = "redis-state-0";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "B1",
        "Redis is killed and starts again after 3 s",
        Failures::OnError,
        1_000,
        dies,
    )
    .on(RedisKind::Standalone)
    .times(2),
    Row::new(
        "B2",
        "the same without persistence",
        Failures::OnError,
        1_000,
        forgets,
    )
    .on(RedisKind::Standalone)
    .losing_sessions(),
    Row::new(
        "B3",
        "FLUSHALL of both roles",
        Failures::None,
        1_000,
        flushed,
    )
    .on(RedisKind::Standalone)
    .losing_sessions(),
    Row::new(
        "B4",
        "Redis is frozen for 3 s",
        Failures::OnError,
        1_000,
        freezes,
    )
    .on(RedisKind::Standalone)
    .times(2),
    Row::new(
        "B5",
        "Redis is killed, and takes 5 s and more to load its data",
        Failures::OnError,
        1_000,
        loads,
    )
    .on(RedisKind::Standalone),
    Row::new(
        "B7",
        "SCRIPT FLUSH every 100 ms for 5 s",
        Failures::None,
        0,
        scripts_flushed,
    ),
    Row::new(
        "B8",
        "Redis is full for 3 s",
        Failures::OnError,
        1_000,
        full,
    )
    .on(RedisKind::Standalone),
    Row::new(
        "B14",
        "PERSIST on all keys of limits and sessions",
        Failures::None,
        0,
        persisted,
    )
    .on(RedisKind::Standalone),
    Row::new(
        "B15",
        "random bytes in place of cached objects",
        Failures::None,
        1_000,
        garbage,
    )
    .on(RedisKind::Standalone),
    Row::new(
        "G7",
        "Redis takes no more clients for 3 s",
        Failures::None,
        0,
        no_more_clients,
    )
    .on(RedisKind::Standalone),
];

fn dies(trial: &mut Trial) -> Result<()> {
    trial.lab.kill(STATE)?;
    trial.last(3_000);
    trial.lab.revive(STATE)
}

/// Each key takes it 50 us and more. Who asks meanwhile is told LOADING, which is neither no nor yes.
fn loads(trial: &mut Trial) -> Result<()> {
    let fill =
        "for i = 1, 500 do redis.call('SET', 'tg:l:load-'..ARGV[1]..'-'..i, i, 'PX', 600000) end";
    for part in 0..100 {
        told(&trial.lab.redis(), &["EVAL", fill, "0", &part.to_string()])?;
    }
    // Until the append-only file has it.
    trial.last(1_500);
    trial.begins();
    trial.lab.kill(STATE)?;
    let mut usual = Launch::default();
    trial.lab.alter(STATE, |launch| usual = launch.clone())?;
    let slow = ["--key-load-delay", "50"].map(str::to_owned);
    trial.lab.alter(STATE, |launch| launch.args.extend(slow))?;
    let begun = trial.ms();
    trial.lab.revive(STATE)?;
    wait::until(
        "Redis has loaded",
        std::time::Duration::from_secs(60),
        || match trial.lab.redis().call(&["PING"]) {
            Ok(Reply::Error(text)) => Err(text),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
    )?;
    trial.healed();
    let took = trial.ms() - begun;
    trial.measured("loading ms", took);
    trial.lab.alter(STATE, |launch| *launch = usual)
}

fn forgets(trial: &mut Trial) -> Result<()> {
    let redis = trial.lab.redis();
    for setting in [["appendonly", "no"], ["save", ""]] {
        told(&redis, &["CONFIG", "SET", setting[0], setting[1]])?;
    }
    trial.lab.kill(STATE)?;
    let dir = trial.lab.files().dir().join(STATE);
    for file in ["appendonlydir", "dump.rdb"] {
        let path = dir.join(file);
        // What was never written is not there.
        let _dir = std::fs::remove_dir_all(&path);
        let _file = std::fs::remove_file(&path);
    }
    trial.last(1_000);
    trial.lab.revive(STATE)
}

fn flushed(trial: &mut Trial) -> Result<()> {
    told(&trial.lab.redis(), &["FLUSHALL"])?;
    told(&trial.lab.redis_cache(), &["FLUSHALL"])
}

fn freezes(trial: &mut Trial) -> Result<()> {
    trial.lab.pause(STATE)?;
    trial.last(3_000);
    trial.lab.resume(STATE)
}

fn scripts_flushed(trial: &mut Trial) -> Result<()> {
    for _ in 0..50 {
        for i in 0..trial.lab.spec().state_servers() {
            told(&trial.lab.redis_of(i), &["SCRIPT", "FLUSH", "SYNC"])?;
        }
        told(&trial.lab.redis_cache(), &["SCRIPT", "FLUSH", "SYNC"])?;
        trial.last(100);
    }
    Ok(())
}

fn full(trial: &mut Trial) -> Result<()> {
    let redis = trial.lab.redis();
    told(&redis, &["CONFIG", "SET", "maxmemory", "1"])?;
    trial.last(3_000);
    told(&redis, &["CONFIG", "SET", "maxmemory", "512mb"])
}

/// The next hit of each key gives it an end again; that none is left is looked at when the trial ends.
fn persisted(trial: &mut Trial) -> Result<()> {
    let redis = trial.lab.redis();
    let script = "local n=0 for _,p in ipairs({'tg:l:*','tg:s:*'}) do \
                  for _,k in ipairs(redis.call('KEYS',p)) do n=n+redis.call('PERSIST',k) end end return n";
    let reply = redis.call(&["EVAL", script, "0"])?;
    let n = reply.int().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    trial.measured("keys without end", n);
    trial.last(2_000);
    Ok(())
}

fn garbage(trial: &mut Trial) -> Result<()> {
    let cache = trial.lab.redis_cache();
    let script = "local n=0 for _,k in ipairs(redis.call('KEYS','tg:c:*')) do \
                  local t=redis.call('TYPE',k).ok if t=='string' then \
                  redis.call('SET',k,ARGV[1],'KEEPTTL') n=n+1 elseif t=='hash' then \
                  for _,f in ipairs(redis.call('HKEYS',k)) do redis.call('HSET',k,f,ARGV[1]) end n=n+1 end end \
                  return n";
    for _ in 0..10 {
        let noise: Vec<u8> = (0..200)
            .map(|_| trial.random.next_u64().to_le_bytes()[0])
            .collect();
        let reply = cache.call(&[b"EVAL".as_slice(), script.as_bytes(), b"0", &noise])?;
        let n = reply.int().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        trial.measured("objects of garbage", n);
        trial.last(200);
    }
    Ok(())
}

/// As many as there are, with this program's own: it must be able to mend what it did.
fn no_more_clients(trial: &mut Trial) -> Result<()> {
    let redis = trial.lab.redis();
    let clients = redis.info("connected_clients")?.unwrap_or_default();
    told(&redis, &["CONFIG", "SET", "maxclients", &clients])?;
    trial.last(3_000);
    told(&redis, &["CONFIG", "SET", "maxclients", "10000"])
}

/// A command that must succeed.
pub(super) fn told(server: &Server, command: &[&str]) -> Result<()> {
    wait::until(
        command.join(" "),
        std::time::Duration::from_secs(5),
        || match server.call(command) {
            Ok(Reply::Error(text)) => Err(text),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
    )
    .map_err(|error: Error| error)
}
