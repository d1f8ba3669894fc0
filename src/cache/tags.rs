//! Tags an answer can be purged by: `surrogate-key` (separated by space) or `cache-tag` (by comma).

use crate::http::Headers;
pub(super) use crate::wire::op::MAX_TAG;
use crate::wire::op::MAX_TAGS;

/// The tags in the field `name`, each once; `None` when there are more than [`MAX_TAGS`] or one is
/// longer than [`MAX_TAG`]: stored without it, a purge by that tag would miss the answer.
pub(super) fn of_response(headers: &Headers, name: Option<&str>) -> Option<Vec<Vec<u8>>> {
    let mut tags: Vec<Vec<u8>> = Vec::new();
    let Some(name) = name else { return Some(tags) };
    let separator = |b: &u8| *b == b',' || b.is_ascii_whitespace();
    for tag in headers
        .all(name)
        .flat_map(|line| line.split(separator))
        .filter(|tag| !tag.is_empty())
    {
        if tag.len() > MAX_TAG {
            return None;
        }
        if !tags.iter().any(|other| other == tag) {
            if tags.len() == MAX_TAGS {
                return None;
            }
            tags.push(tag.to_vec());
        }
    }
    Some(tags)
}

#[cfg(test)]
mod tests;
