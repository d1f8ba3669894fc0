//! A compiled limit.

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: String,
    /// How it counts.
    pub algorithm: Algorithm,
    /// Units per `window_us`; `concurrency`: slots.
    pub limit: u64,
    /// The window, microseconds; `concurrency`: how long a slot lives that nobody gives back. Of a
    /// calendar window its longest one.
    pub window_us: u64,
    /// The window is a calendar unit instead (`fixed_window` only).
    pub calendar: Option<Calendar>,
    /// `token_bucket`: its capacity, units. `leaky_bucket`: the longest wait, microseconds. Of the
    /// others: `limit`.
    pub burst: u64,
    /// Units one request takes.
    pub cost: Cost,
    /// Which requests are charged.
    pub apply: Apply,
    /// What the limit counts by; not empty.
    pub key: Vec<KeyPart>,
    /// A key may have a limit of its own, in Redis.
    pub overridable: bool,
    /// What happens when Redis cannot be asked.
    pub on_error: OnError,
    /// What a denied client gets.
    pub on_denied: OnDenied,
    /// Which response fields are sent.
    pub headers: LimitHeaders,
    /// Up to so many seconds are added to a `Retry-After`, at random, so that those who were denied
    /// together do not come back together.
    pub retry_jitter_s: u64,
    /// Evaluated and counted, never enforced.
    pub shadow: bool,
    /// For how many of 10,000 keys it is enforced, chosen by the key's hash; for the others it is a
    /// shadow. [`ALL_KEYS`] without `enforce`.
    pub enforce: u32,
    /// A worker may take up to so many units of a busy key at once and spend them in memory; 0: never.
    pub lease_max: u64,
    /// Hash of everything that changes the meaning of a counter (name, algorithm, limit, window,
    /// calendar, burst, key parts), so a changed limit starts fresh state (specs/limits.md, invariant
    /// 13).
    pub id: [u8; 8],
}

impl Limit {
    /// A limit on each client's address, with the defaults of everything else.
    pub fn new(name: &str, algorithm: Algorithm, limit: u64, window_us: u64) -> Self {
        Self {
            name: name.to_owned(),
            algorithm,
            limit,
            window_us,
            calendar: None,
            burst: limit,
            cost: Cost::Fixed(1),
            apply: Apply::Request,
            key: vec![KeyPart::ClientIp],
            overridable: false,
            on_error: OnError::Allow,
            on_denied: OnDenied::default(),
            headers: LimitHeaders::Draft11,
            retry_jitter_s: 0,
            shadow: false,
            enforce: ALL_KEYS,
            lease_max: 0,
            id: [0; 8],
        }
    }
}

impl Limit {
    /// Whether the key is among those it is enforced for. The choice is the subject's, so a key stays on
    /// its side, and one that is enforced at 10 % is so at 20 %.
    pub fn enforces(&self, subject: &[u8; 16]) -> bool {
        let [a, b, c, d, ..] = *subject;
        let draw = u64::from(u32::from_be_bytes([a, b, c, d]));
        (draw.saturating_mul(u64::from(ALL_KEYS)) >> 32) < u64::from(self.enforce)
    }
}

/// [`Limit::enforce`] of a limit that is enforced for every key.
pub const ALL_KEYS: u32 = 10_000;

/// How a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// At most `limit` in flight.
    Concurrency,
    /// `limit` per window aligned to the epoch, or to the calendar.
    FixedWindow,
    /// One unit at a time, `limit` per window, evenly; a request waits for its turn.
    LeakyBucket,
    /// The count of the last window, weighted, and of this one.
    SlidingWindow,
    /// Every admitted unit is remembered for a window.
    SlidingWindowLog,
    /// GCRA: `limit` per window of refill, `burst` capacity.
    TokenBucket,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Concurrency,
        Self::FixedWindow,
        Self::LeakyBucket,
        Self::SlidingWindow,
        Self::SlidingWindowLog,
        Self::TokenBucket,
    ];

    /// Its name in configuration and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::FixedWindow => "fixed_window",
            Self::LeakyBucket => "leaky_bucket",
            Self::SlidingWindow => "sliding_window",
            Self::SlidingWindowLog => "sliding_window_log",
            Self::TokenBucket => "token_bucket",
        }
    }

    /// The reverse of [`Algorithm::name`].
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().as_bytes() == name)
    }
}

/// A window of the calendar, in a time zone: it starts at local midnight (of Monday, of the first).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Which.
    pub unit: CalendarUnit,
    /// IANA name: `Europe/Berlin`, `UTC`.
    pub zone: String,
}

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    /// From midnight to midnight: 23, 24 or 25 hours.
    Day,
    /// From Monday to Monday (ISO 8601).
    Week,
    /// From the first to the first.
    Month,
    /// From New Year to New Year.
    Year,
}

impl Calendar {
    /// `unit@zone`, as it travels.
    pub fn to_wire(&self) -> String {
        format!("{}@{}", self.unit.name(), self.zone)
    }
}

impl CalendarUnit {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// Its name in configuration and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The reverse of [`CalendarUnit::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// The longest one there is, microseconds: with an hour more, for the end of summer time.
    pub fn longest_us(self) -> u64 {
        const HOUR_US: u64 = 3_600_000_000;
        let days: u64 = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 31,
            Self::Year => 366,
        };
        let hours = days.saturating_mul(24);
        // What the wire takes at most is 366 days; a year has no hour more.
        let extra = u64::from(self != Self::Year);
        hours.saturating_add(extra).saturating_mul(HOUR_US)
    }
}

/// Units one request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// Always as many; 0 only looks.
    Fixed(u64),
    /// What a request header says. A value that is no whole number in `min..=max` is the client's
    /// mistake: 400.
    RequestHeader {
        /// Lower-cased name.
        name: String,
        /// When the header is missing.
        default: u64,
        /// Least: 1, or a client could ask for nothing.
        min: u64,
        /// Most.
        max: u64,
    },
    /// What a header of the upstream's answer says, known only afterwards: `reserve` is taken before,
    /// the difference is settled after. A value that is no whole number in `0..=max` counts as
    /// `default`.
    ResponseHeader {
        /// Lower-cased name.
        name: String,
        /// When the header is missing or wrong, or there is no answer.
        default: u64,
        /// Most.
        max: u64,
        /// Taken before; 0: one unit must be available, none is taken.
        reserve: u64,
    },
}

/// Which requests are charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Apply {
    /// Each, before it goes upstream.
    Request,
    /// Those whose answer has such a status. Before, enough must be available; afterwards it is charged.
    ResponseStatus(Vec<StatusRule>),
}

/// Statuses of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRule {
    /// All of a class: 4 is 400 to 499.
    Class(u16),
    /// This one.
    Exactly(u16),
}

impl StatusRule {
    /// Whether it speaks of `status`.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Class(class) => status / 100 == class,
            Self::Exactly(exactly) => status == exactly,
        }
    }
}

/// What a denied client gets; `None` is what it gets without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnDenied {
    /// 400 to 599; else 429.
    pub status: Option<u16>,
    /// Instead of the problem+json; its content type is in `headers`.
    pub body: Option<String>,
    /// Added; lower-cased names.
    pub headers: Vec<(String, String)>,
}

/// One part of a limit's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// The client's address, grouped by [`super::ClientIp`].
    ClientIp,
    /// A request cookie.
    Cookie(String),
    /// A request header, lower-cased name.
    Header(String),
    /// The request's host, lower-cased, without port.
    Host,
    /// A fixed text.
    Literal(String),
    /// The request method.
    Method,
    /// The path without its query.
    Path,
    /// A query parameter.
    Query(String),
    /// The matched route.
    Route,
    /// The session itself.
    SessionId,
    /// The session's user.
    SessionUser,
}

/// What a limit does when Redis cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Let the request pass, counted.
    Allow,
    /// Refuse it with 503.
    Deny,
    /// Enforce this worker's fair share, `limit / peers`, in memory.
    Local {
        /// Workers of the whole fleet; >= 1.
        peers: u32,
    },
}

/// Which fields tell a client about its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitHeaders {
    /// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.
    Draft11,
    /// `X-RateLimit-Limit`, `-Remaining`, `-Reset`.
    Legacy,
    /// None.
    None,
}
