//! Every set of directives, against a model written from the RFC.

use super::*;

/// RFC 9111, 3 and 3.5 once more, over sets of directives instead of bytes.
fn model(set: &[&str], authorization: bool, session: bool, shared: bool, status: u16) -> bool {
    let has = |name| set.contains(&name);
    let understood = [200, 302, 404].contains(&status);
    let fresh = has("s-maxage=60") || has("max-age=60");
    let store = if has("must-understand") {
        understood
    } else {
        !has("no-store")
    };
    let permitted = has("public") || has("s-maxage=60") || has("must-revalidate");
    let open = !authorization && (!session || shared);
    fresh && store && !has("private") && !has("no-cache") && (permitted || open)
}

#[test]
fn every_set_of_directives_is_decided_as_the_rfc_does() {
    let directives = [
        "no-store",
        "private",
        "no-cache",
        "public",
        "max-age=60",
        "s-maxage=60",
        "must-revalidate",
        "must-understand",
    ];
    let (mut stored, mut refused) = (0, 0);
    for bits in 0_u32..1 << directives.len() {
        let set: Vec<_> = directives
            .into_iter()
            .enumerate()
            .filter(|(i, _)| bits >> i & 1 == 1)
            .map(|(_, d)| d)
            .collect();
        for flags in 0..8 {
            let (authorization, session, shared) = (flags & 1 > 0, flags & 2 > 0, flags & 4 > 0);
            for status in [200, 302, 404, 499] {
                let mut case = case(&set.join(", ")).status(status);
                case.session = session;
                case.cache.shared = shared;
                if authorization {
                    case = case.request("authorization", "Basic eA==");
                }
                let expected = model(&set, authorization, session, shared, status);
                assert_eq!(
                    case.refused().is_none(),
                    expected,
                    "{set:?} {status} {flags:b} {:?}",
                    case.refused()
                );
                if expected { stored += 1 } else { refused += 1 }
            }
        }
    }
    assert!(stored > 100 && refused > 1000, "{stored} {refused}");
}

proptest! {
    #[test]
    fn any_answer_is_decided_and_what_is_stored_ends(
        status in any::<u16>(),
        pairs in prop::collection::vec((prop::sample::select(vec![
            "age", "date", "expires", "cache-control", "vary", "content-length", "set-cookie", "surrogate-key", "transfer-encoding", "x",
        ]), prop::collection::vec(any::<u8>(), 0..24)), 0..6),
        max_age in 0..100_000_u64,
        elapsed in any::<u64>(),
    ) {
        let mut headers = Headers::from_pairs(pairs);
        headers.append("cache-control", format!("max-age={max_age}"));
        let base = case("");
        let url = Url::parse(b"http://a/b").expect("valid");
        let request = RequestMeta {
            method: b"GET", url: &url, policy: "p", headers: &Headers::new(), session: false, extras: &[], credential: None,
        };
        let response = ResponseMeta { status, headers: &headers, end_of_stream: false, self_framed: true };
        if let Ok(storing) = storable(&request, &response, &base.timing, &base.cache) {
            let (age, ttl) = left(&storing, 0).expect("fresh on arrival");
            prop_assert!(ttl > 0 && ttl <= base.cache.ttl_max_ms && age + ttl <= max_age * 1000);
            if let Ok((_, less)) = left(&storing, elapsed) {
                prop_assert!(less > 0 && less <= ttl - elapsed);
            }
            prop_assert!(!storing.headers.contains("set-cookie"));
        }
    }
}
