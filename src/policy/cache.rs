//! Caches, compiled.

use super::{KeyPart, StatusRule};

/// One cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// Its name.
    pub name: String,
    /// Freshness of answers that name none, milliseconds; `None`: those are not stored.
    pub ttl_ms: Option<u64>,
    /// Cap on any freshness, milliseconds.
    pub ttl_max_ms: u64,
    /// Freshness of all answers, whatever they say, milliseconds.
    pub force_ttl_ms: Option<u64>,
    /// Freshness may be guessed from `Last-Modified`.
    pub heuristic: bool,
    /// Share of a lifetime that may be taken off at random, parts of [`Cache::WHOLE`].
    pub jitter: u32,
    /// What is about to expire is refreshed ahead of time, now and then.
    pub early_refresh: bool,
    /// How long what has a validator is kept beyond its freshness, milliseconds.
    pub keep_ms: u64,
    /// Largest body that is stored, bytes.
    pub max_body: usize,
    /// How long answers that do not say so may be used while they are refreshed, milliseconds.
    pub stale_while_revalidate_ms: Option<u64>,
    /// How long they may stand in for an error, milliseconds.
    pub stale_if_error_ms: Option<u64>,
    /// Either of these that is not set, milliseconds.
    pub grace_ms: u64,
    /// Statuses that are stored although the default is not to.
    pub store_status: Vec<StatusRule>,
    /// Response header that lists an object's tags, lower-cased.
    pub tags_header: Option<String>,
    /// What answers are kept apart by beside the URL: headers, cookies, the session's user.
    pub key: Vec<KeyPart>,
    /// What becomes of the query.
    pub query: Query,
    /// Request headers that make origins answer for something else, lower-cased; `None`: the built-in
    /// list.
    pub strip_headers: Option<Vec<String>>,
    /// A Content-Type that contradicts the path's extension keeps an answer from being stored.
    pub content_type_check: bool,
    /// The directives of requests count.
    pub honor_request_directives: bool,
    /// Requests that carry our session may share answers.
    pub shared: bool,
    /// Answers with `Set-Cookie` may be stored (the field itself included).
    pub store_set_cookie: bool,
    /// How long a look-up is held while another one fills the object, milliseconds; 0: never.
    pub collapse_ms: u64,
    /// Bytes of each worker's memory for copies of what is stored; 0: none.
    pub l1_bytes: usize,
}

/// What becomes of a query before it is looked up and forwarded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Names of parameters that are removed; a `*` at the end stands for anything.
    pub ignore: Vec<String>,
    /// The others are sorted by name.
    pub sort: bool,
}

impl Cache {
    /// What [`Cache::jitter`] counts in.
    pub const WHOLE: u128 = 10_000;

    /// Whether the policy names this status.
    pub fn names_status(&self, status: u16) -> bool {
        self.store_status.iter().any(|rule| rule.matches(status))
    }

    /// Whether each user has answers of their own.
    pub fn by_user(&self) -> bool {
        self.key.contains(&KeyPart::SessionUser)
    }
}

impl Query {
    /// Whether a parameter of this name is removed.
    pub fn ignores(&self, name: &[u8]) -> bool {
        self.ignore.iter().any(|rule| match rule.strip_suffix('*') {
            Some(stem) => name.starts_with(stem.as_bytes()),
            None => rule.as_bytes() == name,
        })
    }
}
