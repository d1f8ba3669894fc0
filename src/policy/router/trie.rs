//! Paths and path prefixes by segment.

use super::Bucket;
use hashbrown::HashMap;

/// Paths and prefixes by segment: finding all that a path is or begins with costs one look-up per segment, and
/// stops at the first segment nothing has. The root stands for the empty text before the first `/`.
#[derive(Debug, Default)]
pub(super) struct Trie {
    children: HashMap<Box<[u8]>, Trie>,
    /// Routes whose path ends with this segment.
    exact: Bucket,
    /// Routes whose prefix ends with this segment.
    whole: Bucket,
    /// Routes whose prefix ends with this segment and a `/`.
    slash: Bucket,
}

impl Trie {
    /// The bucket of exactly `path`, which starts with `/`.
    pub(super) fn exact(&mut self, path: &[u8]) -> &mut Bucket {
        &mut self.node(path).exact
    }

    /// The bucket of `prefix`, which starts with `/`.
    pub(super) fn prefix(&mut self, prefix: &[u8]) -> &mut Bucket {
        let (text, slash) = match prefix.strip_suffix(b"/") {
            Some(text) => (text, true),
            None => (prefix, false),
        };
        let node = self.node(text);
        if slash {
            &mut node.slash
        } else {
            &mut node.whole
        }
    }

    /// Calls `visit` with the bucket of every prefix of `path`, shortest first, and with its own.
    pub(super) fn walk<'a>(&'a self, path: &[u8], mut visit: impl FnMut(&'a Bucket)) {
        if path.first() != Some(&b'/') {
            return;
        }
        let mut node = self;
        for segment in segments(path) {
            visit(&node.slash);
            match node.children.get(segment) {
                Some(child) => node = child,
                None => return,
            }
            visit(&node.whole);
        }
        visit(&node.exact);
    }

    fn node(&mut self, path: &[u8]) -> &mut Self {
        let mut node = self;
        for segment in segments(path) {
            node = node.children.entry(segment.into()).or_default();
        }
        node
    }
}

/// What stands between the slashes of a path that begins with one.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').skip(1)
}
