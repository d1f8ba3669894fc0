//! Whether a body is what its URL's extension promises (`content_type_check`).
//!
//! Cache deception: a link to `/account/x.css` makes an origin that ignores the rest of the path answer with
//! the account, in HTML. Nothing is stored *because* of an extension; this refuses what contradicts one.

use crate::http::Headers;

/// Extensions, and what their media type starts with or contains.
const TYPES: [(&[&str], &[&str]); 10] = [
    (&["css"], &["text/css"]),
    (&["js", "mjs"], &["javascript", "ecmascript"]),
    (
        &[
            "avif", "bmp", "gif", "ico", "jpeg", "jpg", "png", "svg", "tif", "tiff", "webp",
        ],
        &["image/"],
    ),
    (&["eot", "otf", "ttf", "woff", "woff2"], &["font"]),
    (
        &["flac", "mp3", "ogg", "wav"],
        &["audio/", "video/", "application/ogg"],
    ),
    (&["mp4", "mov", "ogv", "webm"], &["video/", "audio/"]),
    (&["json", "map"], &["json"]),
    (&["pdf"], &["application/pdf"]),
    (&["7z", "bz2", "gz", "tar", "zip", "zst"], &["application/"]),
    (&["csv", "txt"], &["text/plain", "text/csv"]),
];

/// Whether Content-Type is another type than the path's extension stands for. An unknown extension, no
/// Content-Type, and `application/octet-stream` contradict nothing.
pub(super) fn contradicts(path: &[u8], headers: &Headers) -> bool {
    let Some(said) = headers.only("content-type") else {
        return headers.contains("content-type");
    };
    let said = said.split(|b| *b == b';').next().unwrap_or_default();
    let said = String::from_utf8_lossy(said.trim_ascii()).to_ascii_lowercase();
    let extension = extension(path);
    let known = TYPES
        .iter()
        .find(|(names, _)| names.iter().any(|name| name.as_bytes() == extension));
    known.is_some_and(|(_, types)| {
        said != "application/octet-stream" && !types.iter().any(|part| said.contains(part))
    })
}

/// What follows the last dot of the last segment, lower-case. An origin may have cut the path off anywhere
/// before, so what is encoded counts too.
fn extension(path: &[u8]) -> Vec<u8> {
    let end = path.iter().position(|b| *b == b'?').unwrap_or(path.len());
    let path = path.get(..end).unwrap_or_default();
    let segment = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let segment = segment.to_ascii_lowercase();
    let mut parts = segment.rsplit(|b| *b == b'.');
    let last = parts.next().unwrap_or_default();
    match parts.next() {
        Some(_) => last.to_vec(),
        None => segment
            .windows(3)
            .rposition(|bytes| bytes == b"%2e")
            .and_then(|at| segment.get(at.saturating_add(3)..))
            .unwrap_or_default()
            .to_vec(),
    }
}

#[cfg(test)]
mod tests;
