//! What is known of URLs whose answers nobody may share: who asks for one is not held.
//!
//! Redis remembers it of a URL for a while. A bridge remembers it for longer, and of URLs it has never seen
//! by those that are like them: the same path with another query, or another name in the same folder. One
//! answer that was stored takes it back. To be wrong costs the origin requests, or the waiters one answer's
//! time: nothing else.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// What is said for a shorter time is said of an error, not of a URL.
const LASTING: Duration = Duration::from_secs(10);
/// Answers in a folder that nobody could share, until the same is believed of its other names.
const FOLDER: u32 = 8;
/// Paths and folders remembered, at most.
const CAPACITY: usize = 8192;

/// Paths and folders, by hash.
#[derive(Debug, Default)]
pub(super) struct Unshared(BTreeMap<u64, Entry>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Answers since one was stored.
    passed: u32,
    until: Duration,
}

impl Unshared {
    /// An answer that nobody may share.
    pub(super) fn passed(&mut self, url: &[u8], lasting: Duration, now: Duration) {
        if lasting < LASTING {
            return;
        }
        self.make_room(now);
        for name in names(url) {
            let entry = self.0.entry(name).or_insert(Entry {
                passed: 0,
                until: now,
            });
            entry.passed = match entry.until < now {
                true => 1,
                false => entry.passed.saturating_add(1),
            };
            entry.until = now + REMEMBERED;
        }
    }

    /// Redis knows it of this URL, by an answer that went through another bridge.
    pub(super) fn heard(&mut self, url: &[u8], lasting: Duration, now: Duration) {
        let [path, _] = names(url);
        if self.0.get(&path).is_none_or(|entry| entry.until <= now) {
            self.passed(url, lasting, now);
        }
    }

    /// An answer that was stored.
    pub(super) fn stored(&mut self, url: &[u8], now: Duration) {
        self.make_room(now);
        for name in names(url) {
            let until = now + REMEMBERED;
            self.0.insert(name, Entry { passed: 0, until });
        }
    }

    /// Whether the answer is most likely one that nobody may share.
    pub(super) fn knows(&self, url: &[u8], now: Duration) -> bool {
        let [path, folder] = names(url).map(|name| self.0.get(&name).filter(|e| now < e.until));
        match path {
            Some(path) => path.passed > 0,
            None => folder.is_some_and(|folder| folder.passed >= FOLDER),
        }
    }

    fn make_room(&mut self, now: Duration) {
        if self.0.len() + 2 > CAPACITY {
            self.0.retain(|_, entry| now < entry.until);
        }
        if self.0.len() + 2 > CAPACITY {
            self.0.clear();
        }
    }
}

/// Of a URL without its query, and of its folder.
fn names(url: &[u8]) -> [u64; 2] {
    let end = url.iter().position(|b| *b == b'?').unwrap_or(url.len());
    let (path, _) = url.split_at(end);
    let slash = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
    let (folder, _) = path.split_at(slash);
    [(0, path), (1, folder)].map(|(kind, text): (u8, &[u8])| {
        let mut hasher = DefaultHasher::new();
        (kind, text).hash(&mut hasher);
        hasher.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const LONG: Duration = Duration::from_secs(120);

    #[test]
    fn a_path_is_known_by_one_answer_and_a_folder_by_several() {
        let mut known = Unshared::default();
        known.passed(b"http://a/cart/1?x=1", LONG, NOW);
        assert!(known.knows(b"http://a/cart/1?x=2", NOW));
        assert!(known.knows(b"http://a/cart/1", NOW));
        assert!(!known.knows(b"http://a/cart/2", NOW));
        for n in 2..=FOLDER {
            known.passed(format!("http://a/cart/{n}").as_bytes(), LONG, NOW);
        }
        assert!(known.knows(b"http://a/cart/99", NOW));
        assert!(!known.knows(b"http://a/cart/99/x", NOW));
        assert!(!known.knows(b"http://b/cart/99", NOW));
        assert!(!known.knows(b"http://a/cart/99", NOW + REMEMBERED));
    }

    #[test]
    fn one_that_was_stored_takes_it_back() {
        let mut known = Unshared::default();
        for n in 0..=FOLDER {
            known.passed(format!("http://a/x/{n}").as_bytes(), LONG, NOW);
        }
        known.stored(b"http://a/x/1", NOW);
        assert!(!known.knows(b"http://a/x/1", NOW));
        assert!(!known.knows(b"http://a/x/new", NOW));
        assert!(known.knows(b"http://a/x/2", NOW), "of itself it is known");
    }

    #[test]
    fn what_another_bridge_learnt_counts_once() {
        let mut known = Unshared::default();
        for _ in 0..2 * FOLDER {
            known.heard(b"http://a/cart/1?x=1", LONG, NOW);
        }
        assert!(known.knows(b"http://a/cart/1?x=2", NOW));
        assert!(!known.knows(b"http://a/cart/2", NOW));
        known.stored(b"http://a/cart/1", NOW);
        known.heard(b"http://a/cart/1", LONG, NOW);
        assert!(!known.knows(b"http://a/cart/1", NOW), "seen stored here");
    }

    #[test]
    fn an_error_says_nothing_about_the_url() {
        let mut known = Unshared::default();
        known.passed(b"http://a/1", Duration::from_secs(1), NOW);
        known.passed(b"http://a/1", Duration::ZERO, NOW);
        assert!(!known.knows(b"http://a/1", NOW));
    }

    #[test]
    fn x4_it_is_bounded() {
        let mut known = Unshared::default();
        for n in 0..3 * CAPACITY {
            known.passed(format!("http://a/{n}/{n}").as_bytes(), LONG, NOW);
            assert!(known.0.len() <= CAPACITY);
        }
    }
}
