//! What is asked for: 40 % limited, 30 % with a session, 30 % cached. Or what workers answer from their memory, nine
//! requests of ten: what is over its limit, what is cached and hot.

use crate::history::Asked;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate::exchange::SplitMix64;

/// Keys of the limit that nobody uses up.
pub(super) const WIDE: u64 = 48;
/// Keys of the limit that is used up.
pub(super) const TIGHT: u64 = 12;
/// Cached URLs.
pub const URLS: u64 = 40;

/// The tokens that may be presented, shared with who creates and ends sessions.
#[derive(Debug, Clone, Default)]
pub struct Targets(Arc<Mutex<Vec<String>>>);

impl Targets {
    /// Adds one; its number.
    pub fn add(&self, token: String) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(token);
        u32::try_from(all.len() - 1).unwrap_or(u32::MAX)
    }

    /// One of those that were added last: the living, and some that were ended lately.
    fn draw(&self, random: &mut SplitMix64) -> Option<(u32, String)> {
        const RECENT: usize = 80;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = all.len().saturating_sub(RECENT);
        let span = u64::try_from(all.len() - from).ok()?;
        if span == 0 {
            return None;
        }
        let index = from + usize::try_from(random.below(span)).ok()?;
        Some((u32::try_from(index).ok()?, all.get(index)?.clone()))
    }
}

/// Draws requests.
#[derive(Debug)]
pub struct Mix {
    random: SplitMix64,
    targets: Targets,
    shares: Shares,
}

/// Which of a hundred requests ask for what: below each bound.
#[derive(Debug, Clone, Copy)]
struct Shares {
    wide: u64,
    tight: u64,
    session: u64,
    /// Cached URLs that are asked for.
    urls: u64,
}

const USUAL: Shares = Shares {
    wide: 36,
    tight: 40,
    session: 70,
    urls: URLS,
};
const HOT: Shares = Shares {
    wide: 5,
    tight: 40,
    session: 45,
    urls: 8,
};

impl Mix {
    /// The mix, with this seed; or of what is hot.
    pub fn new(seed: u64, targets: Targets, hot: bool) -> Self {
        Self {
            random: SplitMix64::new(seed),
            targets,
            shares: if hot { HOT } else { USUAL },
        }
    }

    /// The next request.
    pub(super) fn draw(&mut self) -> (Asked, Request<Empty<Bytes>>) {
        let asked = self.choose();
        let request = Request::builder().header("host", "chaos.example");
        let request = match asked {
            (Asked::Wide(key), _) => request.uri("/wide").header("x-key", format!("wide-{key}")),
            (Asked::Tight(key), _) => request
                .uri("/tight")
                .header("x-key", format!("tight-{key}")),
            (Asked::Session(_), ref token) => {
                request.uri("/me").header("cookie", format!("sid={token}"))
            }
            (Asked::Cached(url), _) => request.uri(target(url)),
        };
        // Every part of it is a constant or a number, so it is a request.
        let request = request.body(Empty::new()).unwrap_or_default();
        (asked.0, request)
    }

    fn choose(&mut self) -> (Asked, String) {
        let number = |n: u64| u32::try_from(n).unwrap_or(0);
        let (shares, of) = (self.shares, self.random.below(100));
        if of < shares.wide {
            (Asked::Wide(number(self.random.below(WIDE))), String::new())
        } else if of < shares.tight {
            (
                Asked::Tight(number(self.random.below(TIGHT))),
                String::new(),
            )
        } else if of < shares.session {
            match self.targets.draw(&mut self.random) {
                Some((session, token)) => (Asked::Session(session), token),
                None => (Asked::Wide(0), String::new()),
            }
        } else {
            let url = self.random.below(shares.urls);
            (Asked::Cached(number(url)), String::new())
        }
    }
}

/// The target of a cached URL.
pub fn target(url: u32) -> String {
    format!("/fill/{url}?control=max-age%3D600")
}
