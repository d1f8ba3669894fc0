//! Path prefixes by segment.

use super::Bucket;
use hashbrown::HashMap;

/// Prefixes by segment: finding all that a path begins with costs one look-up per segment, and stops at
/// the first segment no prefix has. The root stands for the empty text before the first `/`.
#[derive(Debug, Default)]
pub(super) struct Trie {
    children: HashMap<Box<[u8]>, Trie>,
    /// Routes whose prefix ends with this segment.
    whole: Bucket,
    /// Routes whose prefix ends with this segment and a `/`.
    slash: Bucket,
}

impl Trie {
    /// The bucket of `prefix`, which starts with `/`.
    pub(super) fn bucket(&mut self, prefix: &[u8]) -> &mut Bucket {
        let (text, slash) = match prefix.strip_suffix(b"/") {
            Some(text) => (text, true),
            None => (prefix, false),
        };
        let mut node = self;
        for segment in segments(text) {
            node = node.children.entry(segment.into()).or_default();
        }
        if slash {
            &mut node.slash
        } else {
            &mut node.whole
        }
    }

    /// Calls `visit` with the bucket of every prefix of `path`, shortest first.
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
    }
}

/// What stands between the slashes of a path that begins with one.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').skip(1)
}
