//! Who did what to which session: what the shell writes to its audit log. No token, no payload, no user
//! name: a handle, or the user's keyed tag.

use super::failure::Failure;
use super::keys::hex;
use std::collections::VecDeque;
use std::fmt;
use tidegate::session::token;

/// Lines that wait to be written, at most: a shell that takes none loses the oldest.
const QUEUE: usize = 4096;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `create`, `end`, `end_all`, `end_others`, `revoke`, `revoke_again`, `revoke_user` or `rotate`.
    pub action: &'static str,
    /// Name of the realm; empty where only a handle was given.
    pub realm: String,
    /// The user's keyed tag.
    pub user: [u8; 12],
    /// Hash of the session's secret; `None` where all of the user are meant.
    pub hash: Option<[u8; 15]>,
    /// One word: what became of it, or the code of a failure.
    pub outcome: &'static str,
}

/// Lines that wait.
#[derive(Debug, Default)]
pub(super) struct Audits(VecDeque<Audit>);

impl Audits {
    pub(super) fn push(&mut self, audit: Audit, outcome: Result<&'static str, &Failure>) {
        if self.0.len() == QUEUE {
            self.0.pop_front();
        }
        let outcome = outcome.unwrap_or_else(Failure::code);
        self.0.push_back(Audit { outcome, ..audit });
    }

    pub(super) fn pop(&mut self) -> Option<Audit> {
        self.0.pop_front()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = String::from_utf8_lossy(&hex(&self.user)).into_owned();
        write!(f, "{}", self.action)?;
        if !self.realm.is_empty() {
            write!(f, " realm={}", self.realm.escape_default())?;
        }
        match &self.hash {
            Some(hash) => write!(f, " handle={}", token::handle(&self.user, hash))?,
            None => write!(f, " user={user}")?,
        }
        write!(f, " outcome={}", self.outcome)
    }
}
