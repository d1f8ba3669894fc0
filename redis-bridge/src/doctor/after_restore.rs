//! `redis-bridge doctor --after-restore`: a backup brings back sessions that were ended since it was made, and
//! roles that were taken away. All sessions end: every user's epoch moves, and users log in again.
//!
//! Not one epoch for all that each look-up compares: no script could read it beside a user's keys on another
//! shard, so every bridge would have to remember it, and one that is behind would let sessions live. To
//! move each user's costs a scan, once, and is as final as any other revocation.

use super::Options;
use crate::backend::Login;
use crate::backend::nodes::{self, Seat};
use crate::script::Script;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Pipeline, RedisError, RedisResult, Value, cmd};
use std::fmt;
use std::time::Duration;

/// Time for each answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Keys looked at in one step, as purges do.
const STEP: usize = 256;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Primaries that were looked through.
    pub servers: u64,
    /// Users whose epoch was moved.
    pub users: u64,
    /// Sessions that their indices knew.
    pub sessions: u64,
}

/// Why it is not known that all have ended. What was ended stays ended; a repetition ends the rest.
#[derive(Debug)]
pub struct NotAll {
    /// The server, or the URL.
    pub server: String,
    /// What it said.
    pub error: RedisError,
}

/// Ends every session in the state's Redis, as the bridge's user.
///
/// # Errors
///
/// [`NotAll`]: a server could not be reached, or refused.
pub async fn end_all(options: &Options) -> Result<Ended, NotAll> {
    let at = |server: String| move |error| NotAll { server, error };
    let (url, login) = (&options.redis, &options.login);
    let login = &login.over_tls(url.tls);
    let seats = nodes::servers(&url.target, login, TIMEOUT).await;
    let seats = seats.map_err(at(url.to_string()))?;
    let mut ended = Ended::default();
    for seat in seats {
        let done = end_at(&seat, login, &options.namespace, &mut ended).await;
        done.map_err(at(seat.to_string()))?;
    }
    Ok(ended)
}

async fn end_at(seat: &Seat, login: &Login, namespace: &str, ended: &mut Ended) -> RedisResult<()> {
    let mut server = seat.connect(login, TIMEOUT).await?;
    let role: Vec<Value> = cmd("ROLE").query_async(&mut server).await?;
    match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => {}
        Some(Value::BulkString(_)) => return Ok(()),
        _ => return Err(unexpected()),
    }
    ended.servers += 1;
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(Script::SessionRevokeUser.source());
    let sha: String = load.query_async(&mut server).await?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = cmd("SCAN");
        // A user's epoch, and not the index, whose name goes on after the brace.
        scan.arg(cursor)
            .arg("MATCH")
            .arg(format!("{namespace}:u:{{*}}"));
        scan.arg("COUNT").arg(STEP);
        let (next, epochs): (u64, Vec<Vec<u8>>) = scan.query_async(&mut server).await?;
        step(&mut server, &sha, namespace, &epochs, ended).await?;
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

async fn step(
    server: &mut MultiplexedConnection,
    sha: &str,
    namespace: &str,
    epochs: &[Vec<u8>],
    ended: &mut Ended,
) -> RedisResult<()> {
    let mut calls = Pipeline::new();
    for epoch in epochs {
        let start = namespace.len() + ":u:".len();
        let user = epoch.get(start..).unwrap_or_default();
        let prefix = [namespace.as_bytes(), b":s:", user, b":"].concat();
        let index = [epoch.as_slice(), b":i"].concat();
        let call = calls.cmd("EVALSHA").arg(sha).arg(2);
        // No least epoch: it moves, whatever it is.
        call.arg(epoch).arg(index).arg(prefix).arg(0);
    }
    if epochs.is_empty() {
        return Ok(());
    }
    let answers = server.req_packed_commands(&calls, 0, epochs.len()).await?;
    for answer in answers {
        let (sessions, _epoch, _now): (u64, u64, u64) =
            redis::from_redis_value(answer.extract_error()?)?;
        ended.users += 1;
        ended.sessions += sessions;
    }
    Ok(())
}

fn unexpected() -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, "ROLE is none").into()
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            servers,
            users,
            sessions,
        } = self;
        write!(
            f,
            "all sessions ended: {sessions} of {users} users, on {servers} servers"
        )
    }
}

impl fmt::Display for NotAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, error } = self;
        write!(
            f,
            "{server}: {error}; sessions may still live: run it again once that is mended"
        )
    }
}

impl std::error::Error for NotAll {}
