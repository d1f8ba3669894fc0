//! One request, as its client, Envoy and the checkers see it.

use crate::account::{Act, Change};
use crate::queue::VmId;
use std::collections::VecDeque;
use tidegate::http::Headers;
use tidegate::stream::{Direction, LocalReply};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A route whose answer changes sessions.
    Account {
        /// What the upstream asks for.
        act: Act,
        /// The session it carries.
        token: Credential,
    },
    /// A cacheable page.
    Get {
        /// Which resource.
        resource: usize,
        /// `x-lang`.
        lang: usize,
        /// The session it carries.
        token: Credential,
    },
    /// A limited route.
    Limited {
        /// Which one.
        path: &'static str,
        /// `x-key`.
        key: usize,
    },
    /// Changes a page.
    Put {
        /// Which resource.
        resource: usize,
    },
    /// A route that requires a session.
    User {
        /// The session it carries.
        token: Credential,
    },
}

/// The session a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A token nobody minted.
    Forged,
    /// None.
    None,
    /// A minted one, by index.
    Token(usize),
}

/// What the answers delivered to a request said about its session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SessionTold {
    /// It is none.
    Absent,
    /// An error, or nothing at all.
    #[default]
    Nothing,
    /// It lives, and is this user's.
    Valid(String),
}

/// What the answers delivered to a request said about its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitTold {
    /// It may pass.
    Admitted,
    /// It may not.
    Denied,
    /// Nobody was asked: its worker spends what it holds.
    Leased,
    /// An error, or nothing at all.
    #[default]
    Nothing,
    /// Nobody was asked: its worker remembers a denial.
    Remembered,
}

/// What the upstream answers.
#[derive(Debug, Default)]
pub struct Upstream {
    /// Its headers, until they were passed on.
    pub headers: Option<Headers>,
    /// The body's pieces.
    pub chunks: VecDeque<Vec<u8>>,
    /// The body ends before its end.
    pub aborted: bool,
}

/// A request and what became of it.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub kind: Kind,
    /// The VM it is in.
    pub vm: VmId,
    /// When its first byte came.
    pub invoked: u64,
    /// Its headers, as the upstream would see them now.
    pub headers: Headers,
    /// It is over.
    pub done: bool,
    /// Since when it is paused, and which half.
    pub paused: Option<(u64, Direction)>,
    /// When it was forwarded.
    pub forwarded: Option<u64>,
    /// The local reply it got.
    pub reply: Option<LocalReply>,
    /// What it was told of its session.
    pub session: SessionTold,
    /// What it was told of its limits.
    pub limits: LimitTold,
    /// Calls made for it that brought no answer.
    pub failed_calls: u32,
    /// Only what an origin exchange sent after this brought may be served to it from store.
    pub fresh_after: u64,
    /// When the invalidation it caused was sent, and whether it was done.
    pub purge: Option<(u64, bool)>,
    /// What the upstream says it has cost, when that is a number.
    pub cost: Option<u64>,
    /// The key its cost is settled with, until it is.
    pub metered: Option<Vec<u8>>,
    /// What its answer changes of a session.
    pub change: Change,
    /// The upstream's answer.
    pub upstream: Upstream,
}

impl Request {
    /// A request that has just come.
    pub fn new(kind: Kind, vm: VmId, invoked: u64, headers: Headers, fresh_after: u64) -> Self {
        Self {
            kind,
            vm,
            invoked,
            headers,
            done: false,
            paused: None,
            forwarded: None,
            reply: None,
            session: SessionTold::default(),
            limits: LimitTold::default(),
            failed_calls: 0,
            fresh_after,
            purge: None,
            cost: None,
            metered: None,
            change: Change::default(),
            upstream: Upstream::default(),
        }
    }
}
