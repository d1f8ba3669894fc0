//! What is known of a request between its phases.

use super::cache_phase::{Kept, Lease};
use super::{LocalReply, Output, Property, Verdict};
use crate::cache::control::RequestControl;
use crate::cache::l1::Remembered;
use crate::cache::request::Bypass;
use crate::cache::{Url, Vary};
use crate::exchange::Terms;
use crate::http::Headers;
use crate::http::problem::{Problem, Rendered};
use crate::policy::{Config, Realm, SessionUse};
use crate::session::{Identity, Token, Told};
use crate::wire::TraceParent;
use crate::wire::op::Want;
use crate::wire::reply::Taken;

/// A request under a policy.
#[derive(Debug)]
pub(super) struct Request {
    /// As the upstream will see them.
    pub(super) headers: Headers,
    /// They differ from what came in.
    pub(super) edited: bool,
    /// Index of the policy.
    pub(super) policy: usize,
    /// The session.
    pub(super) session: Session,
    /// Limits that apply, in the order of the operations.
    pub(super) claims: Vec<Claim>,
    /// The limits were decided.
    pub(super) limited: bool,
    /// When the limits were asked.
    pub(super) sent: core::time::Duration,
    /// Fields that tell the client about its limits.
    pub(super) limit_fields: Vec<(&'static str, String)>,
    /// The cache.
    pub(super) cache: Cached,
    /// What was asked, in order.
    pub(super) asked: Vec<Asked>,
    /// The token it showed, once its MAC was found good.
    pub(super) token: Option<Token>,
    /// The session's data and their version, when the policy wants them.
    pub(super) data: Option<(u64, Vec<u8>)>,
    /// What an answer that changes a session has to repeat; empty where none may.
    pub(super) nonce: String,
    /// It is a POST.
    pub(super) post: bool,
    /// The trace it is part of, for the bridge to tell what it did; the upstream sees its field as it came.
    pub(super) trace: Option<TraceParent>,
}

/// One limit that applies.
#[derive(Debug)]
pub(super) struct Claim {
    /// Index of the limit.
    pub(super) limit: usize,
    /// Whom it counts.
    pub(super) subject: [u8; 16],
    /// Its denial refuses the request; else it is only counted.
    pub(super) enforced: bool,
    /// Units charged before the request goes upstream.
    pub(super) charge: u64,
    /// Units that must be available for that.
    pub(super) need: u64,
    /// What the request itself is known to cost; differs from `charge` when it is charged afterwards.
    pub(super) units: u64,
    /// What it costs is known only when it is answered.
    pub(super) settles: bool,
    /// Names the slot it takes, of a limit on what is in flight.
    pub(super) slot: Option<[u8; 16]>,
    /// Where it is counted.
    pub(super) source: Source,
    /// It is in an exchange already, or need not be: asked a second time it might be charged twice.
    pub(super) asked: bool,
    /// It was charged, with all that are charged together.
    pub(super) admitted: bool,
    /// What it said.
    pub(super) taken: Option<Taken>,
}

/// Where a claim is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// In units this worker holds: the number of the grant they are of.
    Lease(u64),
    /// In this worker's memory: Redis could not be asked, or its denial is remembered.
    Memory,
    /// At Redis.
    Redis,
}

/// Which operation an answer's value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// `CACHE.GET`.
    Cache,
    /// `LIMIT.TAKE` of all enforced claims.
    Limits,
    /// `SESSION.GET`.
    Session,
    /// `LIMIT.TAKE` of one shadow claim.
    Shadow(usize),
}

/// What is known of the session.
#[derive(Debug)]
pub(super) enum Session {
    /// None was presented, or none that lives.
    None,
    /// A good token, not looked up yet.
    Presented(Token),
    /// Nobody can tell.
    Unknown,
    /// The policy has no session.
    Unused,
    /// It lives.
    Valid {
        /// Whose it is.
        identity: Identity,
        /// Its public name.
        handle: String,
    },
}

/// What is known of the cache.
#[derive(Debug)]
pub(super) enum Cached {
    /// Not looked up, and why.
    Bypassed(Bypass),
    /// To be looked up, or looked up and not found.
    Lookup(Box<Lookup>),
    /// The policy has no cache.
    Unused,
    /// An unsafe method: what it changes is invalidated.
    Unsafe(Box<Url>),
}

/// A look-up.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Canonical URL.
    pub(super) url: Url,
    /// The Vary list asked with.
    pub(super) vary: Vary,
    /// Values of the policy's own key.
    pub(super) extras: Vec<Option<Vec<u8>>>,
    /// Its answer could be stored.
    pub(super) fill: bool,
    /// When it was asked first: what it may still wait follows from it.
    pub(super) since: core::time::Duration,
    /// The variant asked for.
    pub(super) field: [u8; 16],
    /// What it is asked for.
    pub(super) want: Want,
    /// The request's own directives, where they are honoured.
    pub(super) asked: Option<RequestControl>,
    /// What this worker remembers of it, to be judged with the rest.
    pub(super) memory: Option<Remembered>,
    /// What is remembered was no good: Redis is asked.
    pub(super) past_memory: bool,
    /// What is found may be remembered if nothing was invalidated since then.
    pub(super) told: Option<u64>,
    /// The bridge named another list already: it is not asked a third time.
    pub(super) asked_again: bool,
    /// It asked to refresh, ahead of time, what it may use.
    pub(super) early: bool,
    /// Why it goes to the origin, if it does.
    pub(super) why: Why,
    /// Proposed as the fill's lease.
    pub(super) proposed: [u8; 16],
    /// Granted; without one nothing is stored.
    pub(super) lease: Option<Lease>,
    /// The request's fields, as the origin sees them but for our own conditions: Vary selects by these.
    pub(super) selecting: Option<Headers>,
    /// What is stored and not fresh enough.
    pub(super) kept: Option<Kept>,
    /// The origin was asked whether that is still good.
    pub(super) conditional: bool,
    /// When the request went to the origin, for the response's age.
    pub(super) sent: core::time::Duration,
}

/// Why a request that could use the cache goes to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Redis could not be asked, or answered nonsense.
    Failed,
    /// Nothing is stored.
    Miss,
    /// The client wants it fresher.
    Request,
    /// What is stored is no longer fresh.
    Stale,
}

impl Request {
    /// Its answer may be stored.
    pub(super) fn fills(&self) -> bool {
        matches!(&self.cache, Cached::Lookup(lookup) if lookup.lease.is_some())
    }

    /// How it asks where nothing is held back.
    pub(super) fn terms(&self) -> Terms {
        Terms {
            trace: self.trace,
            ..Terms::default()
        }
    }

    /// There is something in memory that may answer it.
    pub(super) fn remembers(&self) -> bool {
        matches!(&self.cache, Cached::Lookup(lookup) if lookup.memory.is_some())
    }

    /// How its policy uses a session, and which realm's; `None`: it uses none.
    pub(super) fn session_use<'c>(
        &self,
        config: &'c Config,
    ) -> Option<(&'c SessionUse, &'c Realm)> {
        let used = config.policies.get(self.policy)?.session.as_ref()?;
        Some((used, config.sessions.get(used.realm)?))
    }

    /// What the upstream is told about the session.
    pub(super) fn told(&self) -> Option<Told<'_>> {
        match &self.session {
            Session::Unused => None,
            Session::None | Session::Presented(_) => Some(Told::None),
            Session::Unknown => Some(Told::Unknown),
            Session::Valid { identity, handle } => Some(Told::Valid { identity, handle }),
        }
    }

    /// Refuses the request.
    pub(super) fn refuse(&self, problem: Problem<'_>, config: &Config, output: &mut Output) {
        let mut problem = problem;
        problem.policy = config
            .policies
            .get(self.policy)
            .map(|policy| policy.name.as_str());
        refuse(&problem, &self.limit_fields, output);
        if let Session::Valid { handle, .. } = &self.session {
            output
                .properties
                .push((Property::Session, handle.clone().into_bytes()));
        }
    }
}

/// Answers with a problem.
pub(super) fn refuse(
    problem: &Problem<'_>,
    fields: &[(&'static str, String)],
    output: &mut Output,
) {
    let Rendered {
        status,
        headers,
        body,
    } = problem.render();
    if let Some(policy) = problem.policy {
        output
            .properties
            .push((Property::Policy, policy.as_bytes().to_vec()));
    }
    output
        .properties
        .push((Property::Verdict, problem.reason.name().as_bytes().to_vec()));
    if let Some(limit) = problem.violated.first() {
        output
            .properties
            .push((Property::Limit, limit.as_bytes().to_vec()));
    }
    let headers = headers.into_iter().chain(fields.iter().cloned());
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.into_bytes()))
        .collect();
    output.verdict = Verdict::Reply(LocalReply {
        status,
        headers,
        body,
    });
}
