//! What the bridge's Redis user may do: everything it needs, and nothing that stops a server, empties it
//! or reaches what is not the bridge's.
//!
//! Told by `ACL DRYRUN`, which decides as Redis itself would; the rules of a user are not read here.

use super::finding::{Desk, redis_cli};
use super::server::Server;
use crate::script::Script;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Pipeline, RedisResult, Value, cmd};
use std::collections::{BTreeMap, BTreeSet};

/// Categories of which the bridge gets nothing but what is listed in [`GRANTED`].
const GUARDED: [&str; 3] = ["admin", "dangerous", "scripting"];
/// Commands of guarded categories that the bridge may have.
const GRANTED: [&str; 13] = [
    "cluster|info",
    "cluster|myid",
    "cluster|nodes",
    "cluster|shards",
    "cluster|slots",
    "evalsha",
    "evalsha_ro",
    "hello",
    "info",
    "role",
    "script|exists",
    "script|load",
    "wait",
];
/// What a mend of a user's rules begins with.
const SHIPPED: &str = "the line `user tidegate-bridge` of envoy/redis/users.acl, then ACL LOAD";

/// What was learned of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// Its name.
    pub user: String,
    /// What it may; the reason when nobody could say.
    pub rights: Result<Rights, String>,
    /// Whether `default` is on and has no password; `None`: nobody could say.
    pub default_open: Option<bool>,
}

/// What a user may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Needed, and refused.
    pub missing: Vec<String>,
    /// Allowed, and not needed.
    pub beyond: Vec<String>,
    /// Keys of others.
    pub foreign_keys: bool,
    /// Channels of others.
    pub foreign_channels: bool,
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The bridge's user.
    pub user: &'a str,
    /// First segment of its keys.
    pub namespace: &'a str,
    /// It talks to a Cluster.
    pub cluster: bool,
    /// It follows sentinels.
    pub sentinel: bool,
}

/// Asks a server what the bridge's user may.
///
/// # Errors
///
/// The connection failed; a refusal to answer is in the result.
pub async fn look(
    connection: &mut MultiplexedConnection,
    question: Question<'_>,
) -> RedisResult<Acl> {
    let default = get_user(connection, "default").await?;
    let mut acl = Acl {
        user: question.user.to_owned(),
        rights: Ok(Rights::default()),
        default_open: default.as_ref().ok().map(is_open),
    };
    let user = match question.user {
        "default" => default,
        user => get_user(connection, user).await?,
    };
    acl.rights = match user {
        Err(reason) => Err(reason),
        Ok(Value::Nil) => Err("there is no such user".to_owned()),
        Ok(_) => rights(connection, question).await?,
    };
    Ok(acl)
}

/// Writes down what is wrong with it.
pub fn judge(server: &Server, desk: &mut Desk<'_>) {
    let acl = &server.acl;
    match acl.default_open {
        Some(true) => desk.wrong(
            "default-user",
            "the user `default` is on and has no password",
            "whoever reaches the port reads sessions, resets limits and stops the server",
            redis_cli(
                &server.seat,
                "ACL SETUSER default off (first give operators users of their own)",
            ),
        ),
        Some(false) => desk.fine("default-user", "`default` is off or has a password"),
        None => desk.unknown("default-user", "may not ask for `default`", AS_OPERATOR),
    }
    let rights = match &acl.rights {
        Ok(rights) => rights,
        Err(reason) => {
            let what = format!("rights of the user {}: {reason}", acl.user);
            desk.unknown("acl", what, AS_OPERATOR);
            return;
        }
    };
    if rights.missing.is_empty() {
        let what = format!("the user {} may do all that the bridge does", acl.user);
        desk.fine("acl-needed", what);
    } else {
        desk.wrong(
            "acl-needed",
            format!(
                "the user {} may not run {}",
                acl.user,
                list(&rights.missing)
            ),
            "the operations that need them fail: limits follow `on_error`, sessions answer 503",
            SHIPPED,
        );
    }
    let mut beyond = rights.beyond.clone();
    if rights.foreign_keys {
        beyond.push("keys outside its namespace".to_owned());
    }
    if rights.foreign_channels {
        beyond.push("channels outside its namespace".to_owned());
    }
    if beyond.is_empty() {
        let what = format!("the user {} may do nothing else", acl.user);
        desk.fine("acl-beyond", what);
    } else {
        desk.wrong(
            "acl-beyond",
            format!("the user {} may use {}", acl.user, list(&beyond)),
            "whoever takes over a bridge could stop the server, empty it, or reach other applications' data",
            SHIPPED,
        );
    }
}

/// What to do about what the bridge's user may not see.
pub const AS_OPERATOR: &str = "set TIDEGATE_DOCTOR_USER and TIDEGATE_DOCTOR_PASSWORD to an operator's \
                               login (it needs +info +time +config|get +acl +command)";

async fn get_user(
    connection: &mut MultiplexedConnection,
    user: &str,
) -> RedisResult<Result<Value, String>> {
    let mut call = cmd("ACL");
    call.arg("GETUSER").arg(user);
    match connection.req_packed_command(&call).await? {
        Value::ServerError(error) => Ok(Err(format!("may not ask ({})", error.code()))),
        value => Ok(Ok(value)),
    }
}

/// On, and needs no password.
fn is_open(user: &Value) -> bool {
    let Some(items) = user.as_sequence() else {
        return false;
    };
    let flags = items
        .iter()
        .position(|item| text(item).as_deref() == Some("flags"))
        .and_then(|at| items.get(at + 1)?.as_sequence());
    let has = |wanted| flags.is_some_and(|all| all.iter().any(|f| text(f).as_deref() == wanted));
    has(Some("on")) && has(Some("nopass"))
}

async fn rights(
    connection: &mut MultiplexedConnection,
    question: Question<'_>,
) -> RedisResult<Result<Rights, String>> {
    let needed = needed(question);
    let guarded = guarded(connection).await?;
    let guarded = match guarded {
        Ok(guarded) => guarded,
        Err(reason) => return Ok(Err(reason)),
    };
    let own = format!("{}:doctor", question.namespace);
    let foreign = [
        vec!["GET".to_owned(), format!("not-{own}")],
        vec!["SET".to_owned(), format!("not-{own}"), "x".to_owned()],
    ];
    let channel = [vec![
        "PUBLISH".to_owned(),
        format!("not-{own}"),
        String::new(),
    ]];
    let beyond: Vec<Vec<String>> = guarded
        .iter()
        .map(|(name, words)| {
            let mut call: Vec<String> = name.split('|').map(str::to_owned).collect();
            call.resize(call.len().max(*words), own.clone());
            call
        })
        .collect();
    let mut questions = Vec::new();
    for call in needed.iter().chain(&foreign).chain(&channel).chain(&beyond) {
        questions.push(call.as_slice());
    }
    let answers = dry_run(connection, question.user, &questions).await?;
    if let Some(refusal) = answers.iter().find_map(|answer| answer.as_ref().err()) {
        return Ok(Err(refusal.clone()));
    }
    let mut allowed = answers
        .into_iter()
        .map(|answer| answer.unwrap_or_default() == Some(true));
    let mut next = |count: usize| -> Vec<bool> { allowed.by_ref().take(count).collect() };
    let missing: BTreeSet<String> = (needed.iter().zip(next(needed.len())))
        .filter(|(_, allowed)| !allowed)
        .map(|(call, _)| name_of(call))
        .collect();
    let foreign_keys = next(foreign.len()).contains(&true);
    let foreign_channels = next(channel.len()).contains(&true);
    let beyond = (guarded.keys().zip(next(guarded.len())))
        .filter(|(_, allowed)| *allowed)
        .map(|(name, _)| name.replace('|', " ").to_ascii_uppercase());
    Ok(Ok(Rights {
        missing: missing.into_iter().collect(),
        beyond: beyond.collect(),
        foreign_keys,
        foreign_channels,
    }))
}

/// Everything the bridge sends, and everything its scripts call, as one call each.
fn needed(question: Question<'_>) -> Vec<Vec<String>> {
    let namespace = question.namespace;
    let key = format!("{namespace}:doctor");
    let invalidate = format!("{namespace}:cache:invalidate:*");
    let forget = format!("{namespace}:limit:forget:*");
    let mut calls: Vec<Vec<&str>> = vec![
        vec!["PING"],
        vec!["TIME"],
        vec!["INFO"],
        vec!["WAIT", "1", "1"],
        vec!["EVALSHA", "0", "1", &key],
        vec!["SCRIPT", "LOAD", "return 0"],
        vec!["SCAN", "0"],
        vec!["PSUBSCRIBE", &invalidate],
        vec!["PSUBSCRIBE", &forget],
        vec!["HGET", &key, "f"],
        vec!["UNLINK", &key],
    ];
    if question.cluster {
        calls.push(vec!["CLUSTER", "SLOTS"]);
        calls.push(vec!["CLUSTER", "NODES"]);
        calls.push(vec!["CLUSTER", "INFO"]);
    }
    if question.sentinel {
        calls.push(vec!["ROLE"]);
    }
    let owned = |call: &Vec<&str>| call.iter().map(|&word| word.to_owned()).collect();
    let mut calls: Vec<Vec<String>> = calls.iter().map(owned).collect();
    for command in called_by_scripts() {
        let key = match command {
            "PUBLISH" => format!("{namespace}:limit:forget:0"),
            _ => key.clone(),
        };
        calls.push(sample(command, &key));
    }
    calls
}

/// Commands that the scripts call: `call('NAME'`.
pub fn called_by_scripts() -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for script in Script::ALL {
        for rest in script.source().split("call('").skip(1) {
            found.extend(rest.split('\'').next());
        }
    }
    found
}

/// A call with as many words as any of them takes; permissions look at keys, not at values.
fn sample(command: &str, key: &str) -> Vec<String> {
    let values = match command {
        "TIME" => return vec![command.to_owned()],
        "EXISTS" | "GET" | "HKEYS" | "HGETALL" | "PTTL" | "PEXPIRETIME" | "UNLINK" | "ZCARD"
        | "DEL" | "INCR" | "STRLEN" | "TTL" | "TYPE" | "PERSIST" | "SMEMBERS" | "SCARD"
        | "HLEN" | "LLEN" => 0,
        "HDEL" | "HGET" | "HMGET" | "PEXPIRE" | "PEXPIREAT" | "SET" | "PUBLISH" | "ZREM"
        | "ZSCORE" | "HEXISTS" | "INCRBY" | "SADD" | "SREM" | "SISMEMBER" => 1,
        _ => 2,
    };
    let words = [command.to_owned(), key.to_owned()];
    words
        .into_iter()
        .chain((0..values).map(|_| "1".to_owned()))
        .collect()
}

/// Commands of guarded categories that are not granted, and how many words each takes at least.
async fn guarded(
    connection: &mut MultiplexedConnection,
) -> RedisResult<Result<BTreeMap<String, usize>, String>> {
    let mut ask = Pipeline::new();
    for category in GUARDED {
        ask.cmd("ACL").arg("CAT").arg(category);
    }
    let mut names = BTreeSet::new();
    for answer in connection.req_packed_commands(&ask, 0, ask.len()).await? {
        match answer {
            Value::ServerError(error) => return Ok(Err(format!("ACL CAT: {}", error.code()))),
            answer => names.extend(
                answer
                    .as_sequence()
                    .unwrap_or_default()
                    .iter()
                    .filter_map(text),
            ),
        }
    }
    names.retain(|name| !GRANTED.contains(&name.as_str()));
    let mut ask = cmd("COMMAND");
    ask.arg("INFO").arg(&names);
    let answer = connection.req_packed_command(&ask).await?;
    if let Value::ServerError(error) = answer {
        return Ok(Err(format!("COMMAND INFO: {}", error.code())));
    }
    let found = answer.as_sequence().unwrap_or_default().iter();
    let arity = found.filter_map(|info| {
        let info = info.as_sequence()?;
        let (name, Value::Int(arity)) = (text(info.first()?)?, info.get(1)?) else {
            return None;
        };
        // A container of subcommands is nothing by itself.
        let contains = info.get(9).and_then(Value::as_sequence);
        let words = usize::try_from(arity.unsigned_abs()).ok()?;
        contains
            .is_none_or(<[Value]>::is_empty)
            .then_some((name, words))
    });
    Ok(Ok(arity.collect()))
}

/// For each call whether `user` may; `None` when Redis takes it for no call. `Err`: nobody may ask.
async fn dry_run(
    connection: &mut MultiplexedConnection,
    user: &str,
    calls: &[&[String]],
) -> RedisResult<Vec<Result<Option<bool>, String>>> {
    let mut ask = Pipeline::new();
    for call in calls {
        ask.cmd("ACL").arg("DRYRUN").arg(user).arg(*call);
    }
    let answers = connection.req_packed_commands(&ask, 0, ask.len()).await?;
    let answers = answers.into_iter().map(|answer| match answer {
        Value::Okay => Ok(Some(true)),
        Value::ServerError(error) if error.code() == "NOPERM" => {
            Err("may not ask (ACL DRYRUN)".to_owned())
        }
        Value::ServerError(_) => Ok(None),
        _ => Ok(Some(false)),
    });
    Ok(answers.collect())
}

/// The command, and the subcommand where it has one.
fn name_of(call: &[String]) -> String {
    match call {
        [container, name, ..] if container == "SCRIPT" || container == "CLUSTER" => {
            format!("{container} {name}")
        }
        [command, pattern] if command == "PSUBSCRIBE" => format!("{command} {pattern}"),
        [command, ..] => command.clone(),
        [] => String::new(),
    }
}

/// The first few, and how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(line) => Some(line.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
