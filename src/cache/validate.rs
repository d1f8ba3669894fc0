//! Validation towards the origin (RFC 9111, 4.3).

use super::fields;
use super::list;
use super::record::Record;
use super::targeted::Directives;
use crate::http::{Headers, date};

/// Fields of a request that are replaced or taken away when the cache asks for itself: the answer must be
/// about what is stored.
const CONDITIONS: [&str; 4] = ["if-modified-since", "if-none-match", "if-range", "range"];

/// Fields that describe the stored body, which a 304 does not bring: changing them would make the record
/// lie (RFC 9111, 3.2).
const OF_THE_BODY: [&str; 4] = [
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
];

/// Whether what has these fields can be validated.
pub(super) fn has_validator(headers: &Headers) -> bool {
    headers.only("etag").is_some_and(is_entity_tag)
        || headers.only("last-modified").is_some_and(is_date)
}

/// Makes the request ask whether the stored answer is still good (RFC 9111, 4.3.1). False: it has no
/// validator, or it is no success, which no precondition applies to (RFC 9110, 13.2.1); then nothing was
/// changed.
pub fn make_conditional(record: &Record<'_>, request: &mut Headers) -> bool {
    let etag = record.only("etag").filter(|tag| is_entity_tag(tag));
    let modified = record.only("last-modified").filter(|text| is_date(text));
    if !(200..300).contains(&record.status) || etag.is_none() && modified.is_none() {
        return false;
    }
    request.remove_if(|name, _| CONDITIONS.contains(&name));
    if let Some(etag) = etag {
        request.append("if-none-match", etag);
    }
    if let Some(modified) = modified {
        request.append("if-modified-since", modified);
    }
    true
}

/// The stored fields with those of a 304 in their place (RFC 9111, 3.2 and 4.3.4). `None`: it speaks of
/// another representation than the stored one, so it may not change it.
pub fn freshened(record: &Record<'_>, update: &Headers) -> Option<Headers> {
    if let (Some(stored), Some(said)) = (record.only("etag"), update.only("etag"))
        && is_strong(said)
        && stored != said
    {
        return None;
    }
    Some(merged(record, update))
}

/// What a HEAD says of a stored GET (RFC 9111, 4.3.5): the stored fields with the new ones in their place;
/// `None` when they are not about the stored body.
pub fn freshened_by_head(record: &Record<'_>, update: &Headers) -> Option<Headers> {
    let same = |name: &str| match (update.only(name), record.only(name)) {
        (Some(said), Some(stored)) => said == stored,
        (None, _) => true,
        (Some(_), None) => false,
    };
    let length = update
        .only("content-length")
        .is_none_or(|said| said == record.body.len().to_string().as_bytes());
    (same("etag") && same("last-modified") && length).then(|| merged(record, update))
}

fn merged(record: &Record<'_>, update: &Headers) -> Headers {
    let mut update = fields::kept(update, &Directives::of(update).control);
    update.remove_if(|name, _| OF_THE_BODY.contains(&name));
    let stored = record.headers.iter().copied();
    let kept = stored.filter(|(name, _)| !update.contains(name));
    Headers::from_pairs(kept.chain(update.iter()))
}

fn is_date(text: &[u8]) -> bool {
    date::parse(text, None).is_some()
}

/// RFC 9110, 8.8.3.
fn is_entity_tag(tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = opaque
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    inner.is_some_and(|inner| {
        inner
            .iter()
            .all(|b| matches!(b, 0x21 | 0x23..=0x7e | 0x80..=0xff))
    })
}

pub(super) fn is_strong(tag: &[u8]) -> bool {
    tag.starts_with(b"\"")
}

/// Whether the client has what is stored already (RFC 9110, 13.1.2, 13.1.3 and 13.2.2): If-None-Match
/// decides alone when it is there.
pub(super) fn client_has_it(record: &Record<'_>, request: &Headers) -> bool {
    if request.contains("if-none-match") {
        let etag = record.only("etag");
        return request
            .all("if-none-match")
            .flat_map(list::entity_tags)
            .any(|candidate| {
                candidate == b"*"
                    || etag.is_some_and(|etag| opaque(candidate) == opaque(etag.trim_ascii()))
            });
    }
    let Some(since) = request
        .only("if-modified-since")
        .and_then(|text| date::parse(text, None))
    else {
        return false;
    };
    // RFC 9111, 4.3.2: Date stands in for a missing Last-Modified.
    let modified = record.only("last-modified").or_else(|| record.only("date"));
    modified
        .and_then(|text| date::parse(text, None))
        .is_some_and(|modified| modified <= since)
}

/// An entity tag without its weakness: weak comparison (RFC 9110, 8.8.3.2).
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests;
