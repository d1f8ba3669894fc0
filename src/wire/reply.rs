//! Replies: what the values that come back mean.
//!
//! A value that does not have the expected shape is [`ReplyError::Shape`], never a guess: the caller
//! treats it like no answer.

mod session;

use super::resp::{self, Value};
use core::fmt;

pub use session::{SessionData, SessionReply, SessionWritten};

/// Why a value is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyError {
    /// The bridge or Redis answered with an error; its code, the first word.
    Failed(String),
    /// Not the shape this operation answers with.
    Shape,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(code) => write!(f, "bridge answered {code}"),
            Self::Shape => f.write_str("bridge answered an unexpected shape"),
        }
    }
}

impl core::error::Error for ReplyError {}

/// Answer to `CACHE.GET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheReply<'a> {
    /// `[+hit born_us now_us record]`
    Hit {
        /// When the answer had age 0, by Redis' clock, microseconds since the epoch.
        born_us: u64,
        /// Redis' clock now.
        now_us: u64,
        /// The stored record.
        record: &'a [u8],
    },
    /// `[+filled born_us now_us record]`: the same, after it was held while another request filled it.
    Filled {
        /// As of a hit.
        born_us: u64,
        /// As of a hit.
        now_us: u64,
        /// As of a hit.
        record: &'a [u8],
    },
    /// `[+fill now_us lease]`: others are held until this one has stored, or says that it will not.
    Fill {
        /// Redis' clock now.
        now_us: u64,
        /// The lease a store must show.
        lease: [u8; 16],
    },
    /// `[+miss now_us lease|null]`: nobody waits for anybody.
    Miss {
        /// Redis' clock now.
        now_us: u64,
        /// The lease a store must show; none when the URL may not be filled now.
        lease: Option<[u8; 16]>,
    },
    /// `[+stale born_us now_us record lease claimed]`: stored, and not fresh any more (or the caller asked
    /// for a refresh).
    Stale {
        /// As in [`CacheReply::Hit`].
        born_us: u64,
        /// Redis' clock now.
        now_us: u64,
        /// The stored record.
        record: &'a [u8],
        /// The lease a store must show.
        lease: [u8; 16],
        /// This caller is the one to refresh it; the others may go on using it, if it allows that.
        claimed: bool,
    },
    /// `[+vary list]`: stored under another Vary list; ask again with this one.
    Vary(&'a [u8]),
}

/// Answer to `LIMIT.TAKE`: `[admitted now_us [state available reset_us retry_us mark leased limit]*]`;
/// the last two of a limit are left out when both are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitReply {
    /// All were charged.
    pub admitted: bool,
    /// Redis' clock, microseconds since the epoch.
    pub now_us: u64,
    /// One per limit, in order.
    pub limits: Vec<Taken>,
}

/// What one limit said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its own verdict, whatever the others said.
    pub state: TakeState,
    /// Units available now, after the charge if there was one.
    pub available: u64,
    /// Effective window of `available`, microseconds.
    pub reset_us: u64,
    /// Denied: when the same cost would fit, microseconds from now. Admitted by a `leaky_bucket`: how
    /// long the request had to wait; the bridge has waited already.
    pub retry_us: u64,
    /// Names this charge, for a `LIMIT.RETURN`.
    pub mark: u64,
    /// Units granted beyond the cost, for the caller to spend.
    pub leased: u64,
    /// Units per window of this key, when it has a limit of its own; else 0.
    pub limit: u64,
}

/// One limit's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeState {
    /// It does not fit at this moment, and nothing says for how long (-2): slots end at any time, and a
    /// charge that is about to be given back counts too.
    Busy,
    /// It does not fit before `retry_us` have passed (0).
    Denied,
    /// It can never fit: the cost is above the capacity (-1).
    Never,
    /// It fits (1).
    Ok,
}

impl<'a> CacheReply<'a> {
    /// Reads the value.
    pub fn parse(value: &Value<'a>) -> Result<Self, ReplyError> {
        let items = array(value)?;
        match items {
            [Value::Simple(b"hit"), born, now, Value::Bulk(record)] => Ok(Self::Hit {
                born_us: unsigned(born)?,
                now_us: unsigned(now)?,
                record,
            }),
            [Value::Simple(b"filled"), born, now, Value::Bulk(record)] => Ok(Self::Filled {
                born_us: unsigned(born)?,
                now_us: unsigned(now)?,
                record,
            }),
            [Value::Simple(b"fill"), now, Value::Bulk(lease)] => Ok(Self::Fill {
                now_us: unsigned(now)?,
                lease: (*lease).try_into().map_err(|_| ReplyError::Shape)?,
            }),
            [Value::Simple(b"miss"), now, Value::Null] => Ok(Self::Miss {
                now_us: unsigned(now)?,
                lease: None,
            }),
            [Value::Simple(b"miss"), now, Value::Bulk(lease)] => Ok(Self::Miss {
                now_us: unsigned(now)?,
                lease: Some((*lease).try_into().map_err(|_| ReplyError::Shape)?),
            }),
            [
                Value::Simple(b"stale"),
                born,
                now,
                Value::Bulk(record),
                Value::Bulk(lease),
                Value::Integer(claimed @ 0..=1),
            ] => Ok(Self::Stale {
                born_us: unsigned(born)?,
                now_us: unsigned(now)?,
                record,
                lease: (*lease).try_into().map_err(|_| ReplyError::Shape)?,
                claimed: *claimed == 1,
            }),
            [Value::Simple(b"vary"), Value::Bulk(list)] => Ok(Self::Vary(list)),
            _ => Err(ReplyError::Shape),
        }
    }

    /// Appends the value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hit {
                born_us,
                now_us,
                record,
            } => {
                resp::array(out, 4);
                resp::simple(out, b"hit");
                int(out, *born_us);
                int(out, *now_us);
                resp::bulk(out, record);
            }
            Self::Filled {
                born_us,
                now_us,
                record,
            } => {
                resp::array(out, 4);
                resp::simple(out, b"filled");
                int(out, *born_us);
                int(out, *now_us);
                resp::bulk(out, record);
            }
            Self::Fill { now_us, lease } => {
                resp::array(out, 3);
                resp::simple(out, b"fill");
                int(out, *now_us);
                resp::bulk(out, lease);
            }
            Self::Miss { now_us, lease } => {
                resp::array(out, 3);
                resp::simple(out, b"miss");
                int(out, *now_us);
                match lease {
                    Some(lease) => resp::bulk(out, lease),
                    None => resp::null(out),
                }
            }
            Self::Stale {
                born_us,
                now_us,
                record,
                lease,
                claimed,
            } => {
                resp::array(out, 6);
                resp::simple(out, b"stale");
                int(out, *born_us);
                int(out, *now_us);
                resp::bulk(out, record);
                resp::bulk(out, lease);
                int(out, u64::from(*claimed));
            }
            Self::Vary(list) => {
                resp::array(out, 2);
                resp::simple(out, b"vary");
                resp::bulk(out, list);
            }
        }
    }
}

impl LimitReply {
    /// Reads the value; it must speak of exactly `count` limits.
    pub fn parse(value: &Value<'_>, count: usize) -> Result<Self, ReplyError> {
        let [admitted, now, limits @ ..] = array(value)? else {
            return Err(ReplyError::Shape);
        };
        if limits.len() != count {
            return Err(ReplyError::Shape);
        }
        let limits = limits.iter().map(Taken::parse).collect::<Result<_, _>>()?;
        let admitted = match admitted {
            Value::Integer(0) => false,
            Value::Integer(1) => true,
            _ => return Err(ReplyError::Shape),
        };
        Ok(Self {
            admitted,
            now_us: unsigned(now)?,
            limits,
        })
    }

    /// Appends the value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        resp::array(out, self.limits.len().saturating_add(2));
        resp::integer(out, i64::from(self.admitted));
        int(out, self.now_us);
        for taken in &self.limits {
            let more = taken.leased > 0 || taken.limit > 0;
            resp::array(out, if more { 7 } else { 5 });
            resp::integer(out, taken.state.code());
            int(out, taken.available);
            int(out, taken.reset_us);
            int(out, taken.retry_us);
            int(out, taken.mark);
            if more {
                int(out, taken.leased);
                int(out, taken.limit);
            }
        }
    }
}

impl Taken {
    /// A verdict that names no charge, grants no lease, and is of the limit as configured.
    pub fn new(state: TakeState, available: u64, reset_us: u64, retry_us: u64) -> Self {
        Self {
            state,
            available,
            reset_us,
            retry_us,
            mark: 0,
            leased: 0,
            limit: 0,
        }
    }

    fn parse(value: &Value<'_>) -> Result<Self, ReplyError> {
        let (base, leased, limit) = match array(value)? {
            [base @ .., leased, limit] if base.len() == 5 => {
                (base, unsigned(leased)?, unsigned(limit)?)
            }
            base => (base, 0, 0),
        };
        let [state, available, reset, retry, mark] = base else {
            return Err(ReplyError::Shape);
        };
        Ok(Self {
            state: TakeState::from_code(state).ok_or(ReplyError::Shape)?,
            available: unsigned(available)?,
            reset_us: unsigned(reset)?,
            retry_us: unsigned(retry)?,
            mark: unsigned(mark)?,
            leased,
            limit,
        })
    }
}

impl TakeState {
    fn code(self) -> i64 {
        match self {
            Self::Busy => -2,
            Self::Denied => 0,
            Self::Never => -1,
            Self::Ok => 1,
        }
    }

    fn from_code(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(-2) => Some(Self::Busy),
            Value::Integer(-1) => Some(Self::Never),
            Value::Integer(0) => Some(Self::Denied),
            Value::Integer(1) => Some(Self::Ok),
            _ => None,
        }
    }
}

/// Reads the answer to a `CACHE.PUT`: whether it was stored.
pub fn parse_stored(value: &Value<'_>) -> Result<bool, ReplyError> {
    failed(value)?;
    match value {
        Value::Simple(b"refused") => Ok(false),
        Value::Simple(b"stored") => Ok(true),
        _ => Err(ReplyError::Shape),
    }
}

/// Reads the answer to a `LIMIT.RETURN` of `count` limits: units given back, one by one.
pub fn parse_returned(value: &Value<'_>, count: usize) -> Result<Vec<u64>, ReplyError> {
    let returned: Vec<u64> = array(value)?
        .iter()
        .map(unsigned)
        .collect::<Result<_, _>>()?;
    if returned.len() == count {
        Ok(returned)
    } else {
        Err(ReplyError::Shape)
    }
}

/// Reads the answer to a `CACHE.INVALIDATE`: how many objects were removed.
pub fn parse_removed(value: &Value<'_>) -> Result<u64, ReplyError> {
    failed(value)?;
    unsigned(value)
}

fn array<'v, 'a>(value: &'v Value<'a>) -> Result<&'v [Value<'a>], ReplyError> {
    failed(value)?;
    value.as_array().ok_or(ReplyError::Shape)
}

fn failed(value: &Value<'_>) -> Result<(), ReplyError> {
    let Value::Error(line) = value else {
        return Ok(());
    };
    let code: Vec<u8> = line
        .iter()
        .copied()
        .take_while(u8::is_ascii_alphanumeric)
        .take(32)
        .collect();
    Err(ReplyError::Failed(
        String::from_utf8_lossy(&code).into_owned(),
    ))
}

fn unsigned(value: &Value<'_>) -> Result<u64, ReplyError> {
    match *value {
        Value::Integer(n) => u64::try_from(n).map_err(|_| ReplyError::Shape),
        _ => Err(ReplyError::Shape),
    }
}

fn int(out: &mut Vec<u8>, n: u64) {
    resp::integer(out, i64::try_from(n).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests;
