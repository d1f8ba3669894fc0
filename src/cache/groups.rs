//! Cache groups (RFC 9875): answers of one origin that are invalidated together.
//!
//! A group is a tag that only this origin can name: `\0`, the origin, `\0`, the group. No tag of a
//! `tags_header` contains a zero byte, so the two never meet.

use super::key::Url;
use super::tags::MAX_TAG;
use crate::http::Headers;
use crate::wire::op::MAX_TAGS;
use sha2::{Digest, Sha256};

/// Groups that one field may name (RFC 9875, 2 asks for 32 at least).
const MAX_GROUPS: usize = 32;

/// The tags of the groups that `Cache-Groups` names, added to `tags`; `None` when there are too many.
pub(super) fn add_tags(url: &Url, headers: &Headers, tags: &mut Vec<Vec<u8>>) -> Option<()> {
    for group in members(headers, "cache-groups") {
        let tag = tag(url, &group)?;
        if !tags.contains(&tag) {
            if tags.len() == MAX_TAGS {
                return None;
            }
            tags.push(tag);
        }
    }
    Some(())
}

/// The tags that an answer to an unsafe request invalidates (RFC 9875, 3). Safe requests cannot: the caller
/// has looked. None for an error.
pub fn invalidated(url: &Url, status: u16, headers: &Headers) -> Vec<Vec<u8>> {
    if !(200..400).contains(&status) {
        return Vec::new();
    }
    let mut tags = Vec::new();
    for group in members(headers, "cache-group-invalidation") {
        if let Some(tag) = tag(url, &group)
            && !tags.contains(&tag)
        {
            tags.push(tag);
        }
    }
    tags
}

/// The members of a List of Strings; all of it is ignored when it is none.
fn members(headers: &Headers, name: &str) -> Vec<Vec<u8>> {
    if !headers.contains(name) {
        return Vec::new();
    }
    let lines: Vec<&[u8]> = headers.all(name).map(<[u8]>::trim_ascii).collect();
    let groups = super::sf::strings(&lines.join(&b","[..])).unwrap_or_default();
    groups.into_iter().take(MAX_GROUPS).collect()
}

/// The tag of a group of the URL's origin; `None`: its name is too long. An origin can be long: its hash stands
/// for it.
pub fn tag(url: &Url, group: &[u8]) -> Option<Vec<u8>> {
    let origin = Sha256::digest(url.origin());
    let origin = origin.get(..16)?;
    let tag = [b"\0", origin, b"\0", group].concat();
    (tag.len() <= MAX_TAG).then_some(tag)
}

#[cfg(test)]
mod tests;
