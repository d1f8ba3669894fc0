use super::*;

#[test]
fn rfc9211_2_members() {
    let cases = [
        (Status::Hit { ttl_s: 59 }, "tidegate; hit; ttl=59"),
        (Status::Miss(Ok(())), "tidegate; fwd=miss; stored"),
        (
            Status::Miss(Err(NotStored::SetCookie)),
            "tidegate; fwd=miss; detail=set-cookie",
        ),
        (Status::Stale(Ok(())), "tidegate; fwd=stale; stored"),
        (
            Status::Stale(Err(NotStored::Private)),
            "tidegate; fwd=stale; detail=private",
        ),
        (
            Status::Bypass(Bypass::Body),
            "tidegate; fwd=bypass; detail=request-body",
        ),
        (Status::Method, "tidegate; fwd=method"),
        (
            Status::Unavailable,
            "tidegate; fwd=bypass; detail=unavailable",
        ),
    ];
    for (status, text) in cases {
        assert_eq!(status.to_string(), text);
    }
}

#[test]
fn rfc9211_2_the_member_follows_those_of_caches_nearer_to_the_origin() {
    let mut headers =
        Headers::from_pairs([("cache-status", "OriginCache; hit; ttl=1100"), ("x", "y")]);
    Status::Hit { ttl_s: 5 }.append_to(&mut headers);
    let lines: Vec<_> = headers.all("cache-status").collect();
    assert_eq!(
        lines,
        [&b"OriginCache; hit; ttl=1100"[..], b"tidegate; hit; ttl=5"]
    );
}
