//! Plans: what one operation does in Redis, as rounds of commands. A plan gets all answers of a round at
//! once and says what comes next.

mod admin;
mod cache;
mod limit;
mod purge;
mod session;
mod soft_tag;

use super::admin::{AdminOp, Revocation};
use super::audit::Audits;
use super::calendar::Calendars;
use super::config::CoreConfig;
use super::counters::Counters;
use super::exchanges::Outcome;
use super::failure::Failure;
use super::fleet::Fleet;
use super::keys::Keys;
use super::types::{Command, Role};
use super::unshared::Unshared;
use super::value::Value;
use crate::vault::Vault;
use std::time::Duration;
use tidegate::wire::Op;

pub(super) use cache::{Fill, Get};

/// What a command was answered with; an error line of Redis is a [`Failure`].
pub(super) type Answer = Result<Value, Failure>;

/// Commands that go out together.
#[derive(Debug, PartialEq)]
pub(super) struct Round {
    pub(super) role: Role,
    /// At least one.
    pub(super) commands: Vec<Command>,
    /// Goes out even when nobody waits any more: it gives back what was taken.
    pub(super) must_run: bool,
}

impl Round {
    /// Bytes of the arguments of its commands.
    pub(super) fn bytes(&self) -> usize {
        let args = self.commands.iter().flat_map(|command| &command.args);
        args.map(Vec::len).sum()
    }
}

/// What comes after a round.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Done(Outcome),
    /// Done, but whoever asked has to wait this long.
    Hold(Outcome, Duration),
    Run(Round),
    /// Whoever asked waits for this round half of the time that is left, and is told this when it is not
    /// over by then: [`Plan::late`].
    RunWithin(Round, Outcome),
    /// Done: whoever asked waits until this invalidation is final.
    Final(Outcome, u64),
    /// Done: whoever asked fills the object, and keeps others waiting until it has.
    Turn(Outcome),
    /// Somebody else fills the object, and has so long for it before another one may.
    Wait(Duration),
}

/// What plans may use.
pub(super) struct Context<'a> {
    pub(super) config: &'a CoreConfig,
    pub(super) keys: &'a Keys,
    pub(super) vault: &'a Vault,
    pub(super) counters: &'a mut Counters,
    pub(super) audit: &'a mut Audits,
    /// A replica has what the last round wrote, or there is none; of rounds of [`Role::Durable`].
    pub(super) replicated: bool,
    /// Takes revocations that have to be repeated until a replica has them.
    pub(super) repeats: &'a mut Vec<Vec<Revocation>>,
    /// Compensations so far: with the bridge's id it names one.
    pub(super) returns: &'a mut u64,
    pub(super) calendars: &'a mut Calendars,
    /// Redis' clock as the bridge knows it, microseconds since the epoch; 0 when it does not.
    pub(super) redis_us: u64,
    /// The shell's monotonic clock.
    pub(super) now: Duration,
    /// Keys of objects whose fill has ended, one way or another.
    pub(super) filled: &'a mut Vec<Vec<u8>>,
    pub(super) unshared: &'a mut Unshared,
    pub(super) fleet: &'a mut Fleet,
}

/// One operation under way.
pub(super) trait Plan: Send {
    /// Takes the answers of the last round, one per command in order.
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next;

    /// The round of [`Next::RunWithin`] took too long, or nobody waits any more: the plan ends. What no
    /// replica is known to have goes to `repeats`.
    fn late(&mut self, _repeats: &mut Vec<Vec<Revocation>>) {}

    /// The look-up of an object that it is.
    fn look_up(&mut self) -> Option<&mut Get> {
        None
    }
}

/// A plan and its first round.
pub(super) type Begun = (Box<dyn Plan>, Round);

/// Starts an operation of an exchange.
pub(super) fn begin(op: &Op<'_>, cx: &mut Context<'_>) -> Result<Begun, Failure> {
    match op {
        Op::CacheGet(op) => Ok(cache::Get::begin(op, cx)),
        Op::CacheInvalidate { urls } => Ok(purge::Urls::begin(urls, cx, purge::Answer::Value)),
        Op::CachePass(op) => Ok(cache::Pass::begin(op, cx)),
        Op::CachePurge { tag } => purge::Tag::begin(tag, cx, purge::Answer::Value),
        Op::CachePut(op) => Ok(cache::Put::begin(op, cx)),
        Op::LimitReturn(op) => limit::GiveBack::begin(op, cx),
        Op::LimitTake(takes) => limit::Takes::begin(takes, cx, limit::Answer::Value),
        Op::SessionCreate(op) => session::Create::begin_op(op, cx),
        Op::SessionEnd(op) => Ok(session::End::begin(op, cx)),
        Op::SessionGet(op) => Ok(session::Get::begin(op, cx)),
        Op::SessionRotate(op) => session::Rotate::begin_op(op, cx),
        Op::SessionUpdate(op) => session::Update::begin(op, cx),
    }
}

/// Starts an operation of the admin API.
pub(super) fn begin_admin(op: &AdminOp, cx: &mut Context<'_>) -> Result<Begun, Failure> {
    admin::begin(op, cx)
}

impl Round {
    pub(super) fn new(role: Role, commands: Vec<Command>) -> Self {
        Self {
            role,
            commands,
            must_run: false,
        }
    }
}

impl Next {
    fn failed(failure: Failure) -> Self {
        Self::Done(Outcome::Failed(failure))
    }

    /// The outcome of a plan of one round.
    fn from(result: Result<Outcome, Failure>) -> Self {
        Self::Done(result.unwrap_or_else(Outcome::Failed))
    }
}

/// The only answer of a round of one command.
fn only(answers: Vec<Answer>) -> Answer {
    answers.into_iter().next().unwrap_or(Err(Failure::Shape))
}

/// A number as a script's argument.
fn number(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}
