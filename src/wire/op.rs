//! Operations: the fixed verbs a bridge carries out.
//!
//! No verb names a Redis key, a command or a script, and every verb that can write carries a TTL
//! (invariants X7 and X11). An operation that does not parse is answered with an error of its own and
//! nothing is sent to Redis for it.

mod session;
mod take;

use super::resp::{self, Value};
use core::fmt;

pub use session::{
    Change, MAX_DATA, MAX_GRACE_MS, MAX_ROLE, MAX_ROLES, MAX_UID, Scope, SessionCreate, SessionEnd,
    SessionGet, SessionRotate, SessionUpdate, Touch,
};

/// Limits in one [`Op::LimitTake`], at most.
pub const MAX_LIMITS: usize = 16;
/// URLs in one [`Op::CacheInvalidate`], at most.
pub const MAX_URLS: usize = 8;
/// Tags of one object, at most.
pub const MAX_TAGS: usize = 64;
/// Longest tag, bytes.
pub const MAX_TAG: usize = 256;
/// Longest URL, bytes.
pub const MAX_URL: usize = 8192;
/// Longest TTL, milliseconds: a year.
pub const MAX_TTL_MS: u64 = 366 * 86_400_000;
/// Units of a `sliding_window_log`, at most: each is an entry in Redis.
pub const MAX_LOGGED: u64 = 10_000;
/// Longest time to full refill of a bucket, microseconds (71 years): with Redis' clock added it stays
/// below 2^53.
pub const MAX_REFILL_US: u64 = 1 << 51;
/// Longest name of a limit, bytes.
pub const MAX_NAME: usize = 64;
/// Longest time a look-up may be held, milliseconds.
pub const MAX_HOLD_MS: u64 = 30_000;
/// Longest time it may be remembered that nobody may store an answer, milliseconds.
pub const MAX_PASS_MS: u64 = 3_600_000;
/// Integers stay exact in Lua's doubles.
pub const MAX_EXACT: u64 = 1 << 53;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// `CACHE.GET`
    CacheGet(CacheGet<'a>),
    /// `CACHE.INVALIDATE url+`: removes what is stored for the URLs and ends their fill leases.
    /// Reply: integer, objects removed.
    CacheInvalidate {
        /// Canonical URLs, `scheme://authority/path?query`.
        urls: Vec<&'a [u8]>,
    },
    /// `CACHE.PASS`
    CachePass(CachePass<'a>),
    /// `CACHE.PURGE tag`: removes what is stored with a tag, and refuses what is being filled with it.
    /// Reply: integer, objects removed.
    CachePurge {
        /// 1 to 256 bytes.
        tag: &'a [u8],
    },
    /// `CACHE.STORE`, or `CACHE.PUT`
    CachePut(CachePut<'a>),
    /// `LIMIT.RETURN id n (mark take)*n`: gives back what takes have charged, once.
    /// Reply: one integer per take, the units that were really given back.
    LimitReturn(LimitReturn<'a>),
    /// `LIMIT.TAKE n take*n`: all or nothing. Reply: [`super::reply::LimitReply`].
    LimitTake(Vec<Take<'a>>),
    /// `SESSION.CREATE`
    SessionCreate(SessionCreate<'a>),
    /// `SESSION.END`
    SessionEnd(SessionEnd<'a>),
    /// `SESSION.GET`
    SessionGet(SessionGet<'a>),
    /// `SESSION.ROTATE`
    SessionRotate(SessionRotate<'a>),
    /// `SESSION.UPDATE`
    SessionUpdate(SessionUpdate<'a>),
}

/// `CACHE.GET url field vary lease lease_ms wait_ms want`. Reply: [`super::reply::CacheReply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheGet<'a> {
    /// Canonical URL, `scheme://authority/path?query`; names the Redis key.
    pub url: &'a [u8],
    /// 16 bytes: policy, method class, key extras and the request's values of `vary`, hashed.
    pub field: &'a [u8; 16],
    /// The Vary list `field` was made for: lower-cased names, sorted, joined by `,`; may be empty.
    /// When the stored one differs the reply names it, and the caller asks again.
    pub vary: &'a [u8],
    /// 16 random bytes: the fill lease to grant on a miss, unless one is live already.
    pub lease: &'a [u8; 16],
    /// How long a granted lease lives, milliseconds, > 0.
    pub lease_ms: u64,
    /// How long the answer may be held while another request fills the object, milliseconds, at most
    /// [`MAX_HOLD_MS`]. 0: not at all, and this one keeps nobody waiting.
    pub wait_ms: u64,
    /// What it is for.
    pub want: Want,
}

/// What a look-up is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// `fill`: fetches what is missing or no longer fresh, and stores it.
    Fill,
    /// `read`: can store no new answer (HEAD); one that is stored it may freshen.
    Read,
    /// `refresh`: fetches it anew although it may be fresh.
    Refresh,
    /// `wait`: as `fill`; what is stored and not fresh is of no use to it, so it waits for who refreshes it.
    Wait,
}

/// `CACHE.PASS url field lease ttl_ms`: whoever was told to fill an object says that nobody may have its
/// answer, or that there will be none; who is held for it goes on. Reply: `+passed` or `+ignored`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePass<'a> {
    /// As in [`CacheGet`].
    pub url: &'a [u8],
    /// As in [`CacheGet`].
    pub field: &'a [u8; 16],
    /// The lease the look-up was granted.
    pub lease: &'a [u8; 16],
    /// How long nobody is held for this URL, milliseconds, at most [`MAX_PASS_MS`]. 0: the next one fills
    /// it.
    pub ttl_ms: u64,
}

/// `CACHE.STORE url field vary lease asked at_us age_ms fresh_ms ttl_ms record tag*`: stores while the lease lives.
/// Reply: `+stored` or `+refused`. Filters of protocol 4 and before say `CACHE.PUT`, without `at_us`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePut<'a> {
    /// As in [`CacheGet`].
    pub url: &'a [u8],
    /// As in [`CacheGet`], for the answer's own Vary.
    pub field: &'a [u8; 16],
    /// The answer's Vary list.
    pub vary: &'a [u8],
    /// The lease the look-up was granted.
    pub lease: &'a [u8; 16],
    /// The field that was looked up: the lease is that one's.
    pub asked: &'a [u8; 16],
    /// When the three times below were so, by the clock of the Redis that granted the lease, microseconds since the
    /// epoch, > 0: a store may be on its way for as long as a bridge is frozen, and what it stores ages meanwhile
    /// (invariant C8). `None`: when it reaches Redis.
    pub at_us: Option<u64>,
    /// Corrected initial age (RFC 9111, 4.2.3) plus the time since, milliseconds.
    pub age_ms: u64,
    /// How long it is fresh yet, milliseconds; 0: it is kept to be validated.
    pub fresh_ms: u64,
    /// How long it is kept, milliseconds, > 0.
    pub ttl_ms: u64,
    /// The stored answer, [`crate::cache`]'s record.
    pub record: &'a [u8],
    /// Tags it can be purged by.
    pub tags: Vec<&'a [u8]>,
}

/// One limit of a `LIMIT.TAKE`:
/// `algorithm subject id limit window_us burst cost` and the options that are set, in the order of
/// [`TakeOptions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take<'a> {
    /// `fixed_window`, `token_bucket`, ...
    pub algorithm: &'a [u8],
    /// Hash of whom it counts: the Redis Cluster hash tag.
    pub subject: &'a [u8; 16],
    /// Hash of the limit and its parameters.
    pub id: &'a [u8; 8],
    /// Units per window, or slots; > 0.
    pub limit: u64,
    /// Window, or life of a slot, microseconds, > 0; the TTL follows from it. Of a calendar window its
    /// longest one.
    pub window_us: u64,
    /// `token_bucket`: its capacity, units, > 0. `leaky_bucket`: the longest wait, microseconds. Of the
    /// others: `limit`.
    pub burst: u64,
    /// Units to charge; 0 looks.
    pub cost: u64,
    /// What most takes do without.
    pub options: TakeOptions<'a>,
}

/// What a take may ask for beside its cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakeOptions<'a> {
    /// `CALENDAR unit@zone`: the window is this calendar unit in this time zone (IANA name).
    pub calendar: Option<&'a [u8]>,
    /// `FORCE`: charged whatever is available, and never a reason to deny the others: it pays for what
    /// has been done already.
    pub force: bool,
    /// `LEASE n`: up to so many units more, > 0, charged with the rest, that the caller will spend
    /// itself. Fewer are granted when fewer are left.
    pub lease: Option<u64>,
    /// `NEED n`: units that must be available; without it, as many as the cost.
    pub need: Option<u64>,
    /// `OVERRIDE name`: the key may have a limit of its own, stored under this limit's name.
    pub overridable: Option<&'a [u8]>,
    /// `SLOT id`: names the slot (`concurrency`), so that taking it twice takes it once.
    pub slot: Option<&'a [u8; 16]>,
}

/// What a `LIMIT.RETURN` gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitReturn<'a> {
    /// 16 random bytes: the same return again does nothing.
    pub id: &'a [u8; 16],
    /// What each limit gets back.
    pub gives: Vec<Give<'a>>,
}

/// Units, or a slot, given back to one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Give<'a> {
    /// What the take's reply said: which charge this is.
    pub mark: u64,
    /// The limit; `cost` is what is given back. A slot is named by its option.
    pub take: Take<'a>,
}

/// Why an operation was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpError {
    /// Wrong number of arguments.
    Arity,
    /// An argument of the wrong type, length or range; its name.
    Argument(&'static str),
    /// Not an array of bulk strings.
    Shape,
    /// A write without a TTL.
    Ttl,
    /// No such verb.
    Verb,
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arity => f.write_str("ARITY wrong number of arguments"),
            Self::Argument(name) => write!(f, "ARGUMENT bad {name}"),
            Self::Shape => f.write_str("SHAPE an operation is an array of bulk strings"),
            Self::Ttl => f.write_str("TTL a write needs a TTL"),
            Self::Verb => f.write_str("VERB unknown verb"),
        }
    }
}

impl core::error::Error for OpError {}

impl<'a> Op<'a> {
    /// Parses one operation.
    pub fn parse(value: &Value<'a>) -> Result<Self, OpError> {
        let items = value.as_array().ok_or(OpError::Shape)?;
        let mut args = Vec::with_capacity(items.len());
        for item in items {
            match *item {
                Value::Bulk(bytes) => args.push(bytes),
                _ => return Err(OpError::Shape),
            }
        }
        let (&verb, args) = args.split_first().ok_or(OpError::Shape)?;
        match verb {
            b"CACHE.GET" => cache_get(args),
            b"CACHE.INVALIDATE" => cache_invalidate(args),
            b"CACHE.PASS" => cache_pass(args),
            b"CACHE.PURGE" => cache_purge(args),
            b"CACHE.PUT" => cache_put(args),
            b"CACHE.STORE" => cache_store(args),
            b"LIMIT.RETURN" => limit_return(args),
            b"LIMIT.TAKE" => limit_take(args),
            b"SESSION.CREATE" => session::create(args),
            b"SESSION.END" => session::end(args),
            b"SESSION.GET" => session::get(args),
            b"SESSION.ROTATE" => session::rotate(args),
            b"SESSION.UPDATE" => session::update(args),
            _ => Err(OpError::Verb),
        }
    }

    /// The verb.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::CacheGet(_) => "CACHE.GET",
            Self::CacheInvalidate { .. } => "CACHE.INVALIDATE",
            Self::CachePass(_) => "CACHE.PASS",
            Self::CachePurge { .. } => "CACHE.PURGE",
            Self::CachePut(CachePut { at_us: None, .. }) => "CACHE.PUT",
            Self::CachePut(_) => "CACHE.STORE",
            Self::LimitReturn(_) => "LIMIT.RETURN",
            Self::LimitTake(_) => "LIMIT.TAKE",
            Self::SessionCreate(_) => "SESSION.CREATE",
            Self::SessionEnd(_) => "SESSION.END",
            Self::SessionGet(_) => "SESSION.GET",
            Self::SessionRotate(_) => "SESSION.ROTATE",
            Self::SessionUpdate(_) => "SESSION.UPDATE",
        }
    }

    /// Appends the operation.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let verb = self.verb().as_bytes();
        match self {
            Self::CacheGet(op) => {
                resp::array(out, 8);
                resp::bulk(out, verb);
                resp::bulk(out, op.url);
                resp::bulk(out, op.field);
                resp::bulk(out, op.vary);
                resp::bulk(out, op.lease);
                resp::bulk_int(out, op.lease_ms);
                resp::bulk_int(out, op.wait_ms);
                resp::bulk(out, op.want.name().as_bytes());
            }
            Self::CacheInvalidate { urls } => {
                resp::array(out, urls.len().saturating_add(1));
                resp::bulk(out, verb);
                for url in urls {
                    resp::bulk(out, url);
                }
            }
            Self::CachePass(op) => {
                resp::array(out, 5);
                resp::bulk(out, verb);
                resp::bulk(out, op.url);
                resp::bulk(out, op.field);
                resp::bulk(out, op.lease);
                resp::bulk_int(out, op.ttl_ms);
            }
            Self::CachePurge { tag } => {
                resp::array(out, 2);
                resp::bulk(out, verb);
                resp::bulk(out, tag);
            }
            Self::CachePut(op) => {
                let timed = usize::from(op.at_us.is_some());
                resp::array(out, op.tags.len().saturating_add(10).saturating_add(timed));
                resp::bulk(out, verb);
                resp::bulk(out, op.url);
                resp::bulk(out, op.field);
                resp::bulk(out, op.vary);
                resp::bulk(out, op.lease);
                resp::bulk(out, op.asked);
                if let Some(at_us) = op.at_us {
                    resp::bulk_int(out, at_us);
                }
                resp::bulk_int(out, op.age_ms);
                resp::bulk_int(out, op.fresh_ms);
                resp::bulk_int(out, op.ttl_ms);
                resp::bulk(out, op.record);
                for tag in &op.tags {
                    resp::bulk(out, tag);
                }
            }
            Self::LimitReturn(op) => {
                let items = op
                    .gives
                    .iter()
                    .map(|give| give.take.items().saturating_add(1));
                resp::array(out, items.fold(3, usize::saturating_add));
                resp::bulk(out, verb);
                resp::bulk(out, op.id);
                resp::bulk_int(out, op.gives.len() as u64);
                for give in &op.gives {
                    resp::bulk_int(out, give.mark);
                    give.take.encode(out);
                }
            }
            Self::LimitTake(takes) => {
                let items = takes.iter().map(Take::items);
                resp::array(out, items.fold(2, usize::saturating_add));
                resp::bulk(out, verb);
                resp::bulk_int(out, takes.len() as u64);
                for take in takes {
                    take.encode(out);
                }
            }
            Self::SessionCreate(op) => op.encode(verb, out),
            Self::SessionEnd(op) => op.encode(verb, out),
            Self::SessionGet(op) => op.encode(verb, out),
            Self::SessionRotate(op) => op.encode(verb, out),
            Self::SessionUpdate(op) => op.encode(verb, out),
        }
    }
}

impl Want {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Read => "read",
            Self::Refresh => "refresh",
            Self::Wait => "wait",
        }
    }

    fn parse(word: &[u8]) -> Result<Self, OpError> {
        [Self::Fill, Self::Read, Self::Refresh, Self::Wait]
            .into_iter()
            .find(|want| want.name().as_bytes() == word)
            .ok_or(OpError::Argument("want"))
    }
}

fn cache_get<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let &[url, field, vary, lease, lease_ms, wait_ms, want] = args else {
        return Err(OpError::Arity);
    };
    Ok(Op::CacheGet(CacheGet {
        url: checked_url(url)?,
        field: fixed(field, "field")?,
        vary: checked_vary(vary)?,
        lease: fixed(lease, "lease")?,
        lease_ms: ttl(lease_ms)?,
        wait_ms: number(wait_ms, 0, MAX_HOLD_MS, "wait_ms")?,
        want: Want::parse(want)?,
    }))
}

fn cache_pass<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let &[url, field, lease, ttl_ms] = args else {
        return Err(OpError::Arity);
    };
    Ok(Op::CachePass(CachePass {
        url: checked_url(url)?,
        field: fixed(field, "field")?,
        lease: fixed(lease, "lease")?,
        ttl_ms: number(ttl_ms, 0, MAX_PASS_MS, "ttl_ms")?,
    }))
}

fn cache_invalidate<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    if args.is_empty() || args.len() > MAX_URLS {
        return Err(OpError::Arity);
    }
    let urls = args
        .iter()
        .map(|url| checked_url(url))
        .collect::<Result<_, _>>()?;
    Ok(Op::CacheInvalidate { urls })
}

fn cache_purge<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let &[tag] = args else {
        return Err(OpError::Arity);
    };
    if tag.is_empty() || tag.len() > MAX_TAG {
        return Err(OpError::Argument("tag"));
    }
    Ok(Op::CachePurge { tag })
}

fn cache_store<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let Some((name, [at_us, what @ ..])) = args.split_first_chunk() else {
        return Err(OpError::Arity);
    };
    let at_us = number(at_us, 1, MAX_EXACT, "at_us")?;
    stored(name, Some(at_us), what)
}

/// As protocols 3 and 4 say it: without its time.
fn cache_put<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let (name, what) = args.split_first_chunk().ok_or(OpError::Arity)?;
    stored(name, None, what)
}

fn stored<'a>(
    &[url, field, vary, lease, asked]: &[&'a [u8]; 5],
    at_us: Option<u64>,
    what: &[&'a [u8]],
) -> Result<Op<'a>, OpError> {
    let [age_ms, fresh_ms, ttl_ms, record, tags @ ..] = what else {
        return Err(OpError::Arity);
    };
    if tags.len() > MAX_TAGS {
        return Err(OpError::Arity);
    }
    if tags.iter().any(|tag| tag.is_empty() || tag.len() > MAX_TAG) {
        return Err(OpError::Argument("tag"));
    }
    Ok(Op::CachePut(CachePut {
        url: checked_url(url)?,
        field: fixed(field, "field")?,
        vary: checked_vary(vary)?,
        lease: fixed(lease, "lease")?,
        asked: fixed(asked, "asked")?,
        at_us,
        age_ms: number(age_ms, 0, MAX_EXACT / 1000, "age_ms")?,
        fresh_ms: number(fresh_ms, 0, MAX_TTL_MS, "fresh_ms")?,
        ttl_ms: ttl(ttl_ms)?,
        record,
        tags: tags.to_vec(),
    }))
}

fn limit_return<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let [id, count, args @ ..] = args else {
        return Err(OpError::Arity);
    };
    let id = fixed(id, "id")?;
    let mut args = args;
    let gives = (0..number(count, 1, MAX_LIMITS as u64, "count")?)
        .map(|_| {
            let mark = next(&mut args)?;
            Ok(Give {
                mark: number(mark, 0, MAX_EXACT, "mark")?,
                take: Take::parse(&mut args)?,
            })
        })
        .collect::<Result<_, _>>()?;
    ended(args)?;
    Ok(Op::LimitReturn(LimitReturn { id, gives }))
}

fn limit_take<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let mut args = args;
    let count = number(next(&mut args)?, 1, MAX_LIMITS as u64, "count")?;
    let takes = (0..count)
        .map(|_| Take::parse(&mut args))
        .collect::<Result<_, _>>()?;
    ended(args)?;
    Ok(Op::LimitTake(takes))
}

fn checked_url(url: &[u8]) -> Result<&[u8], OpError> {
    let printable = url.iter().all(|b| (0x21..=0xff).contains(b) && *b != 0x7f);
    if url.is_empty() || url.len() > MAX_URL || !printable {
        return Err(OpError::Argument("url"));
    }
    Ok(url)
}

fn checked_vary(vary: &[u8]) -> Result<&[u8], OpError> {
    if vary.len() > 1024 {
        Err(OpError::Argument("vary"))
    } else {
        Ok(vary)
    }
}

fn fixed<'a, const N: usize>(bytes: &'a [u8], name: &'static str) -> Result<&'a [u8; N], OpError> {
    bytes.try_into().map_err(|_| OpError::Argument(name))
}

fn number(text: &[u8], min: u64, max: u64, name: &'static str) -> Result<u64, OpError> {
    resp::parse_int(text)
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| (min..=max).contains(n))
        .ok_or(OpError::Argument(name))
}

/// Takes the first argument off.
fn next<'a>(args: &mut &[&'a [u8]]) -> Result<&'a [u8], OpError> {
    let (&first, rest) = args.split_first().ok_or(OpError::Arity)?;
    *args = rest;
    Ok(first)
}

/// Nothing may follow.
fn ended(args: &[&[u8]]) -> Result<(), OpError> {
    if args.is_empty() {
        Ok(())
    } else {
        Err(OpError::Arity)
    }
}

fn ttl(text: &[u8]) -> Result<u64, OpError> {
    number(text, 1, MAX_TTL_MS, "ttl").map_err(|_| OpError::Ttl)
}

#[cfg(test)]
mod tests;
