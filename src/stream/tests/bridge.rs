//! What a bridge is asked, and what it usually says.

use crate::wire::op::{Give, Op, Take, Touch, Want};
use crate::wire::reply::{CacheReply, LimitReply, SessionReply, SessionWritten, TakeState, Taken};
use crate::wire::resp;

/// An operation, with its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Get {
        url: Vec<u8>,
        field: [u8; 16],
        vary: Vec<u8>,
        lease: [u8; 16],
        lease_ms: u64,
        wait_ms: u64,
        want: Want,
    },
    /// A change of a session, as it went out.
    Change(Vec<u8>),
    Invalidate(Vec<Vec<u8>>),
    Purge(Vec<u8>),
    Limits(Vec<Limit>),
    Pass {
        url: Vec<u8>,
        field: [u8; 16],
        lease: [u8; 16],
        ttl_ms: u64,
    },
    Put {
        url: Vec<u8>,
        field: [u8; 16],
        vary: Vec<u8>,
        lease: [u8; 16],
        asked: [u8; 16],
        at_us: Option<u64>,
        age_ms: u64,
        fresh_ms: u64,
        ttl_ms: u64,
        record: Vec<u8>,
        tags: Vec<Vec<u8>>,
    },
    Returns(Vec<Return>),
    Session {
        realm: Vec<u8>,
        secret: [u8; 18],
        idle_ms: u64,
        touch: Touch,
    },
}

/// What one limit gets back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) limit: Limit,
    pub(super) mark: u64,
}

/// One limit that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) subject: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) limit: u64,
    pub(super) cost: u64,
    pub(super) calendar: Option<String>,
    pub(super) force: bool,
    pub(super) lease: Option<u64>,
    pub(super) need: Option<u64>,
    pub(super) overridable: Option<String>,
    pub(super) slot: Option<[u8; 16]>,
}

impl Asked {
    pub(super) fn of(op: &Op<'_>) -> Self {
        match op {
            Op::CacheGet(get) => Self::Get {
                url: get.url.to_vec(),
                field: *get.field,
                vary: get.vary.to_vec(),
                lease: *get.lease,
                lease_ms: get.lease_ms,
                wait_ms: get.wait_ms,
                want: get.want,
            },
            Op::CacheInvalidate { urls } => {
                Self::Invalidate(urls.iter().map(|url| url.to_vec()).collect())
            }
            Op::CachePass(pass) => Self::Pass {
                url: pass.url.to_vec(),
                field: *pass.field,
                lease: *pass.lease,
                ttl_ms: pass.ttl_ms,
            },
            Op::CachePurge { tag } => Self::Purge(tag.to_vec()),
            Op::CachePut(put) => Self::Put {
                url: put.url.to_vec(),
                field: *put.field,
                vary: put.vary.to_vec(),
                lease: *put.lease,
                asked: *put.asked,
                at_us: put.at_us,
                age_ms: put.age_ms,
                fresh_ms: put.fresh_ms,
                ttl_ms: put.ttl_ms,
                record: put.record.to_vec(),
                tags: put.tags.iter().map(|tag| tag.to_vec()).collect(),
            },
            Op::LimitReturn(op) => Self::Returns(op.gives.iter().map(Return::of).collect()),
            Op::LimitTake(takes) => Self::Limits(takes.iter().map(Limit::of).collect()),
            Op::SessionGet(get) => Self::Session {
                realm: get.realm.to_vec(),
                secret: *get.secret,
                idle_ms: get.idle_ms,
                touch: get.touch,
            },
            Op::SessionCreate(_)
            | Op::SessionEnd(_)
            | Op::SessionRotate(_)
            | Op::SessionUpdate(_) => Self::Change(encoded(|out| op.encode(out))),
        }
    }

    pub(super) fn is_get(&self) -> bool {
        matches!(self, Self::Get { .. })
    }

    pub(super) fn is_put(&self) -> bool {
        matches!(self, Self::Put { .. })
    }
}

impl Return {
    fn of(give: &Give<'_>) -> Self {
        Self {
            limit: Limit::of(&give.take),
            mark: give.mark,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

impl Limit {
    fn of(take: &Take<'_>) -> Self {
        Self {
            subject: *take.subject,
            id: *take.id,
            limit: take.limit,
            cost: take.cost,
            calendar: take.options.calendar.map(text),
            force: take.options.force,
            lease: take.options.lease,
            need: take.options.need,
            overridable: take.options.overridable.map(text),
            slot: take.options.slot.copied(),
        }
    }
}

/// What a bridge says when nothing is wrong: the session lives, the limits admit, nothing is cached.
pub(super) fn usual(asked: &Asked, now_us: u64) -> Vec<u8> {
    match asked {
        Asked::Get { lease, .. } => miss(Some(*lease), now_us),
        Asked::Invalidate(_) | Asked::Purge(_) => integer(1),
        Asked::Limits(takes) => limits(true, &vec![ok(42); takes.len()], now_us),
        Asked::Pass { .. } => encoded(|out| resp::simple(out, b"passed")),
        Asked::Put { .. } => encoded(|out| resp::simple(out, b"stored")),
        Asked::Returns(gives) => encoded(|out| {
            resp::array(out, gives.len());
            gives.iter().for_each(|_| resp::integer(out, 1));
        }),
        Asked::Change(_) => encoded(|out| SessionWritten::Absent.encode(now_us, out)),
        Asked::Session { .. } => valid("42", "admin,user", now_us),
    }
}

pub(super) fn valid(uid: &str, roles: &str, now_us: u64) -> Vec<u8> {
    encoded(|out| {
        SessionReply::Valid {
            uid: uid.as_bytes(),
            roles: roles.as_bytes(),
            deadline_us: now_us + 1,
            data: None,
        }
        .encode(now_us, out);
    })
}

pub(super) fn absent(now_us: u64) -> Vec<u8> {
    encoded(|out| SessionReply::Absent.encode(now_us, out))
}

pub(super) fn miss(lease: Option<[u8; 16]>, now_us: u64) -> Vec<u8> {
    encoded(|out| CacheReply::Miss { now_us, lease }.encode(out))
}

pub(super) fn hit(record: &[u8], born_us: u64, now_us: u64) -> Vec<u8> {
    encoded(|out| {
        CacheReply::Hit {
            born_us,
            now_us,
            record,
        }
        .encode(out);
    })
}

/// What is stored and no longer fresh, with the lease that tests know.
pub(super) fn stale(record: &[u8], born_us: u64, now_us: u64, claimed: bool) -> Vec<u8> {
    encoded(|out| {
        CacheReply::Stale {
            born_us,
            now_us,
            record,
            lease: [9; 16],
            claimed,
        }
        .encode(out);
    })
}

/// Fill it, with a lease that tests know.
pub(super) fn turn() -> Vec<u8> {
    encoded(|out| {
        CacheReply::Fill {
            now_us: 1,
            lease: [9; 16],
        }
        .encode(out)
    })
}

/// What somebody else has filled meanwhile, a second old.
pub(super) fn filled(record: &[u8]) -> Vec<u8> {
    encoded(|out| {
        CacheReply::Filled {
            born_us: 1,
            now_us: 1_000_001,
            record,
        }
        .encode(out);
    })
}

pub(super) fn vary(list: &str) -> Vec<u8> {
    encoded(|out| CacheReply::Vary(list.as_bytes()).encode(out))
}

pub(super) fn limits(admitted: bool, taken: &[Taken], now_us: u64) -> Vec<u8> {
    let limits = taken.to_vec();
    encoded(|out| {
        LimitReply {
            admitted,
            now_us,
            limits,
        }
        .encode(out);
    })
}

pub(super) fn ok(available: u64) -> Taken {
    Taken::new(TakeState::Ok, available, 18_000_000, 0)
}

pub(super) fn denied(retry_us: u64) -> Taken {
    Taken::new(TakeState::Denied, 0, retry_us, retry_us)
}

pub(super) fn busy(retry_us: u64) -> Taken {
    Taken::new(TakeState::Busy, 0, 0, retry_us)
}

pub(super) fn never() -> Taken {
    Taken::new(TakeState::Never, 5, 18_000_000, 0)
}

pub(super) fn error(line: &str) -> Vec<u8> {
    encoded(|out| resp::error(out, line.as_bytes()))
}

pub(super) fn integer(n: i64) -> Vec<u8> {
    encoded(|out| resp::integer(out, n))
}

pub(super) fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}
