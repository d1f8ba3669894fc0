use super::*;

fn forwarded(why: Forward, result: Result<(), NotStored>) -> Status {
    Status::Forwarded(Forwarded::new(why).storing(result))
}

#[test]
fn rfc9211_2_members() {
    let cases = [
        (Status::Hit { ttl_s: 59 }, "tidegate; hit; ttl=59"),
        (
            Status::Remembered { ttl_s: 59 },
            "tidegate; hit; ttl=59; detail=l1",
        ),
        (
            forwarded(Forward::Miss, Ok(())),
            "tidegate; fwd=miss; stored",
        ),
        (
            forwarded(Forward::Miss, Err(NotStored::SetCookie)),
            "tidegate; fwd=miss; detail=set-cookie",
        ),
        (
            forwarded(Forward::Stale, Ok(())),
            "tidegate; fwd=stale; stored",
        ),
        (
            forwarded(Forward::Stale, Err(NotStored::Private)),
            "tidegate; fwd=stale; detail=private",
        ),
        (
            Status::Forwarded(Forwarded {
                status: Some(304),
                ttl_s: Some(-3),
                stored: true,
                ..Forwarded::new(Forward::Request)
            }),
            "tidegate; fwd=request; fwd-status=304; ttl=-3; stored",
        ),
        (Status::Hit { ttl_s: -12 }, "tidegate; hit; ttl=-12"),
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
