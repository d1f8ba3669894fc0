//! What the route made of a request on its way to the upstream.
//!
//! Envoy 1.40 shows a filter neither the rewritten path nor the rewritten host once the request has gone on. The
//! router can say both in the answer, where it is configured to: `envoy/envoy.yaml` has a `header_mutation` among its
//! `upstream_http_filters` that sets a field to `%REQ(:AUTHORITY)% %REQ(:PATH)%`, which Envoy formats when the upstream
//! has answered, from the request as it was sent. Where it has not, nothing is known. An upstream that says it itself
//! can only have its own answers refreshed as they were asked for.

use crate::http::Headers;

/// The field; no client sees it.
pub const FIELD: &str = "x-tidegate-sent";

/// Takes the field away: what it said; nothing when it was there more than once.
pub fn take(answer: &mut Headers) -> Option<Vec<u8>> {
    if !answer.contains(FIELD) {
        return None;
    }
    let said = answer.only(FIELD).unwrap_or_default().to_vec();
    answer.remove(FIELD);
    Some(said)
}

/// Whether that is the path and the host of `request`.
pub fn is_as_seen(said: &[u8], request: &Headers) -> bool {
    let (Some(host), Some(path)) = (request.only(":authority"), request.only(":path")) else {
        return false;
    };
    said.strip_prefix(host)
        .and_then(|rest| rest.strip_prefix(b" "))
        == Some(path)
}

#[cfg(test)]
mod tests {
    use super::{is_as_seen, take};
    use crate::http::Headers;

    #[test]
    fn what_was_sent_is_told_once_and_taken_away() {
        let mut answer = Headers::from_pairs([("x-tidegate-sent", "a /b"), ("age", "1")]);
        assert_eq!(take(&mut answer), Some(b"a /b".to_vec()));
        assert_eq!(answer, Headers::from_pairs([("age", "1")]));
        assert_eq!(take(&mut answer), None);
        let mut twice = Headers::from_pairs([("x-tidegate-sent", "a /b"); 2]);
        assert_eq!(take(&mut twice), Some(Vec::new()));
        assert!(twice.is_empty());
    }

    #[test]
    fn only_the_same_host_and_path_are_as_seen() {
        let request = Headers::from_pairs([(":authority", "a.example"), (":path", "/b?c= d")]);
        assert!(is_as_seen(b"a.example /b?c= d", &request));
        for other in [
            "",
            "a.example",
            "a.example ",
            "a.example /b",
            "a.example  /b?c= d",
            "a.example/b?c= d",
            "b.example /b?c= d",
            "a.exampl e/b?c= d",
            "a.example /b?c= d ",
            "- /b?c= d",
        ] {
            assert!(!is_as_seen(other.as_bytes(), &request), "{other}");
        }
        assert!(!is_as_seen(b" ", &Headers::new()));
    }
}
