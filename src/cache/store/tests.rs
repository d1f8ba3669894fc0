use super::*;
use crate::cache::key::Url;
use crate::cache::vary::VaryError;
use crate::policy::Credential;
use proptest::prelude::*;

mod directives;

/// Age and freshness left.
fn left(storing: &Storing, elapsed_ms: u64) -> Result<(u64, u64), NotStored> {
    storing
        .times(elapsed_ms)
        .map(|times| (times.age_ms, times.fresh_ms))
}

/// One exchange, changed by each test where it matters.
struct Case {
    method: &'static str,
    request: Vec<(&'static str, String)>,
    session: bool,
    credential: Option<Credential>,
    status: u16,
    response: Vec<(&'static str, String)>,
    end_of_stream: bool,
    self_framed: bool,
    timing: Timing,
    cache: policy::Cache,
}

/// A 200 of five bytes with this Cache-Control.
fn case(cache_control: &str) -> Case {
    let mut response = vec![("content-length", "5".to_owned())];
    if !cache_control.is_empty() {
        response.push(("cache-control", cache_control.to_owned()));
    }
    Case {
        method: "GET",
        request: Vec::new(),
        session: false,
        credential: Some(Credential::Cookie("__Host-sid".to_owned())),
        status: 200,
        response,
        end_of_stream: false,
        self_framed: false,
        timing: Timing::default(),
        cache: policy::Cache {
            name: "c".to_owned(),
            ttl_ms: None,
            ttl_max_ms: 3_600_000,
            max_body: 1024,
            tags_header: Some("surrogate-key".to_owned()),
            ..policy::Cache::default()
        },
    }
}

impl Case {
    fn request(mut self, name: &'static str, value: &str) -> Self {
        self.request.push((name, value.to_owned()));
        self
    }

    fn response(mut self, name: &'static str, value: &str) -> Self {
        self.response.push((name, value.to_owned()));
        self
    }

    fn without_length(mut self) -> Self {
        self.response.retain(|(name, _)| *name != "content-length");
        self
    }

    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn session(mut self) -> Self {
        self.session = true;
        self
    }

    fn policy(mut self, change: fn(&mut policy::Cache)) -> Self {
        change(&mut self.cache);
        self
    }

    fn decide(&self) -> Result<Storing, NotStored> {
        let url = Url::parse(b"http://a/b").expect("valid");
        let request = RequestMeta {
            method: self.method.as_bytes(),
            url: &url,
            policy: "api",
            headers: &Headers::from_pairs(self.request.iter().cloned()),
            session: self.session,
            extras: &[],
            credential: self.credential.as_ref(),
        };
        let response = ResponseMeta {
            status: self.status,
            headers: &Headers::from_pairs(self.response.iter().cloned()),
            end_of_stream: self.end_of_stream,
            self_framed: self.self_framed,
        };
        storable(&request, &response, &self.timing, &self.cache)
    }

    fn refused(&self) -> Option<NotStored> {
        self.decide().err()
    }
}

#[test]
fn rfc9111_3_a_fresh_get_is_stored_with_all_its_put_needs() {
    let case = case("max-age=60")
        .request("accept", "x")
        .response("vary", "Accept")
        .response("surrogate-key", "p7 all");
    let mut case = case.response("age", "10");
    case.timing.response_delay_ms = 250;
    let storing = case.decide().expect("stored");
    assert_eq!(storing.url, b"http://a/b");
    assert_eq!(storing.vary.to_wire(), "accept");
    assert_eq!((storing.age_ms, storing.lifetime_ms), (10_250, 60_000));
    assert_eq!(left(&storing, 0), Ok((10_250, 49_750)));
    assert_eq!(left(&storing, 49_749), Ok((59_999, 1)));
    assert_eq!(left(&storing, 49_750), Err(NotStored::Stale));
    assert_eq!(storing.tags, [b"p7".to_vec(), b"all".to_vec()]);
    assert_eq!(storing.content_length, Some(5));
    let bytes = storing.encode(b"hello").expect("record");
    let record = Record::decode(&bytes).expect("record");
    assert_eq!(
        (record.url, record.policy, record.status),
        (&b"http://a/b"[..], "api", 200)
    );
    assert_eq!(record.vary, [("accept", Some(&b"x"[..]))]);
    assert_eq!((record.lifetime_ms, record.body), (60_000, &b"hello"[..]));
}

#[test]
fn rfc9111_3_only_get_is_stored() {
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get"] {
        let case = Case {
            method,
            ..case("max-age=60")
        };
        assert_eq!(case.refused(), Some(NotStored::Method), "{method}");
    }
}

#[test]
fn rfc9111_3_any_final_status_with_explicit_freshness() {
    for status in [
        200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451, 499,
    ] {
        assert_eq!(
            case("max-age=60").status(status).refused(),
            None,
            "{status}"
        );
    }
    for status in [
        100, 101, 103, 199, 206, 304, 400, 413, 414, 431, 500, 501, 502, 503, 504, 599, 600, 999, 0,
    ] {
        assert_eq!(
            case("max-age=60").status(status).refused(),
            Some(NotStored::Status),
            "{status}"
        );
    }
}

#[test]
fn rfc9110_15_1_the_policys_ttl_is_for_heuristically_cacheable_statuses() {
    let with_ttl = |status| case("").status(status).policy(|c| c.ttl_ms = Some(60_000));
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410] {
        assert_eq!(
            with_ttl(status).decide().map(|s| s.lifetime_ms),
            Ok(60_000),
            "{status}"
        );
    }
    for status in [201, 302, 303, 307, 401, 403, 499] {
        assert_eq!(
            with_ttl(status).refused(),
            Some(NotStored::NoFreshness),
            "{status}"
        );
    }
    assert_eq!(case("").refused(), Some(NotStored::NoFreshness), "no ttl");
    let explicit = case("max-age=0").policy(|c| c.ttl_ms = Some(60_000));
    assert_eq!(
        explicit.refused(),
        Some(NotStored::Stale),
        "the origin's word decides"
    );
}

#[test]
fn ttl_max_caps_what_is_left() {
    assert_eq!(
        case("max-age=99999999").decide().and_then(|s| left(&s, 0)),
        Ok((0, 3_600_000))
    );
    let aged = case("max-age=99999999")
        .response("age", "86400")
        .decide()
        .expect("stored");
    assert_eq!(left(&aged, 0), Ok((86_400_000, 3_600_000)));
    let old = case("max-age=60").response("age", "60");
    assert_eq!(old.refused(), Some(NotStored::Stale));
    let endless = case("max-age=2147483648").policy(|c| c.ttl_max_ms = u64::MAX);
    let times = endless.decide().and_then(|s| s.times(0)).expect("fresh");
    assert!(times.ttl_ms <= MAX_TTL_MS);
}

#[test]
fn rfc9111_5_2_2_5_no_store_and_5_2_2_7_private() {
    assert_eq!(
        case("max-age=60, no-store").refused(),
        Some(NotStored::NoStore)
    );
    assert_eq!(
        case("max-age=60, No-StOrE").refused(),
        Some(NotStored::NoStore)
    );
    assert_eq!(
        case("max-age=60, private").refused(),
        Some(NotStored::Private)
    );
    assert_eq!(case("max-age=60, x=\"").refused(), Some(NotStored::NoStore));
    assert_eq!(
        case("max-age=60")
            .request("cache-control", "no-store")
            .refused(),
        Some(NotStored::RequestNoStore)
    );
    assert_eq!(
        case("max-age=60")
            .request("cache-control", "no-cache, max-age=0")
            .refused(),
        None
    );
}

#[test]
fn rfc9111_5_2_2_3_must_understand() {
    assert_eq!(
        case("max-age=60, no-store, must-understand").refused(),
        None
    );
    assert_eq!(
        case("max-age=60, no-store, must-understand")
            .status(299)
            .refused(),
        Some(NotStored::NoStore)
    );
    assert_eq!(
        case("max-age=60, must-understand").status(299).refused(),
        Some(NotStored::NoStore)
    );
}

#[test]
fn rfc9111_5_2_2_4_no_cache_is_not_stored_without_validation() {
    assert_eq!(
        case("max-age=60, no-cache").refused(),
        Some(NotStored::NoCache)
    );
    let storing = case("max-age=60, no-cache=\"a\"")
        .response("a", "1")
        .response("b", "2")
        .decide()
        .expect("stored");
    assert!(!storing.headers.contains("a") && storing.headers.contains("b"));
}

#[test]
fn rfc9111_3_5_authorization_needs_permission() {
    let with = |control| {
        case(control)
            .request("authorization", "Basic eA==")
            .refused()
    };
    assert_eq!(with("max-age=60"), Some(NotStored::Authorization));
    for control in [
        "max-age=60, public",
        "s-maxage=60",
        "max-age=60, must-revalidate",
    ] {
        assert_eq!(with(control), None, "{control}");
    }
    assert_eq!(
        with("max-age=60, proxy-revalidate"),
        Some(NotStored::Authorization)
    );
    let shared = case("max-age=60")
        .request("authorization", "Basic eA==")
        .policy(|c| c.shared = true);
    assert_eq!(
        shared.refused(),
        Some(NotStored::Authorization),
        "shared speaks of sessions only"
    );
}

#[test]
fn a_session_counts_like_authorization_unless_shared() {
    assert_eq!(
        case("max-age=60").session().refused(),
        Some(NotStored::Session)
    );
    assert_eq!(case("max-age=60, public").session().refused(), None);
    assert_eq!(
        case("max-age=60")
            .session()
            .policy(|c| c.shared = true)
            .refused(),
        None
    );
    let ttl = case("").session().policy(|c| c.ttl_ms = Some(1000));
    assert_eq!(
        ttl.refused(),
        Some(NotStored::Session),
        "a policy's ttl is no permission"
    );
}

#[test]
fn what_an_upstream_says_about_a_session_is_never_stored() {
    for name in ["x-session-set", "x-session-end", "x_session-rotate"] {
        let case = case("max-age=60, public")
            .response(name, "x")
            .policy(|c| c.shared = true);
        assert_eq!(case.refused(), Some(NotStored::Session), "{name}");
    }
}

#[test]
fn set_cookie_is_stored_only_when_the_policy_says_so_and_the_realms_own_never() {
    let with = |cookie| case("max-age=60, public").response("set-cookie", cookie);
    let allowed = |cookie| with(cookie).policy(|c| c.store_set_cookie = true);
    assert_eq!(with("a=b").refused(), Some(NotStored::SetCookie));
    assert!(
        allowed("a=b")
            .decide()
            .expect("stored")
            .headers
            .contains("set-cookie")
    );
    for own in [
        "__Host-sid=x; Path=/",
        " __Host-sid =x",
        "__Host-sid",
        "__Host-sid;",
    ] {
        assert_eq!(allowed(own).refused(), Some(NotStored::SetCookie), "{own}");
    }
    assert_eq!(allowed("a=__Host-sid").refused(), None);
    assert_eq!(
        allowed("a=b")
            .response("set-cookie", "__Host-sid=x")
            .refused(),
        Some(NotStored::SetCookie)
    );
    let named = case("max-age=60, private=\"set-cookie\"")
        .response("set-cookie", "a=b")
        .decide()
        .expect("stored");
    assert!(
        !named.headers.contains("set-cookie"),
        "the origin allowed the answer without its cookie"
    );
}

#[test]
fn rfc9111_4_1_vary_star_and_long_lists_are_refused() {
    assert_eq!(
        case("max-age=60").response("vary", "a, *").refused(),
        Some(NotStored::Vary(VaryError::Any))
    );
    let many = (0..17)
        .map(|i| format!("x{i}"))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(
        case("max-age=60").response("vary", &many).refused(),
        Some(NotStored::Vary(VaryError::Long))
    );
}

#[test]
fn c6_only_what_is_complete_by_framing_is_stored() {
    let bare = || case("max-age=60").without_length();
    assert_eq!(
        bare().refused(),
        Some(NotStored::Framing),
        "ends with the connection"
    );
    assert_eq!(
        bare().response("transfer-encoding", "chunked").refused(),
        None
    );
    assert_eq!(
        bare()
            .response("transfer-encoding", "gzip, chunked")
            .refused(),
        Some(NotStored::Framing)
    );
    assert_eq!(
        Case {
            self_framed: true,
            ..bare()
        }
        .refused(),
        None
    );
    assert_eq!(
        Case {
            end_of_stream: true,
            ..bare()
        }
        .decide()
        .map(|s| s.content_length),
        Ok(Some(0))
    );
    assert_eq!(
        case("max-age=60").response("trailer", "x").refused(),
        Some(NotStored::Framing)
    );
    for length in ["", "+5", "-1", "5, 5", "x", "99999999999999999999999"] {
        assert_eq!(
            bare().response("content-length", length).refused(),
            Some(NotStored::Framing),
            "{length}"
        );
    }
    assert_eq!(
        case("max-age=60").response("content-length", "6").refused(),
        Some(NotStored::Framing),
        "twice"
    );
    let storing = case("max-age=60").decide().expect("stored");
    for body in [&b""[..], b"hell", b"hello!"] {
        assert_eq!(storing.encode(body), Err(NotStored::Incomplete));
    }
}

#[test]
fn max_body_is_checked_before_and_after() {
    let sized = |n: u64| {
        case("max-age=60")
            .without_length()
            .response("content-length", &n.to_string())
    };
    assert_eq!(sized(1024).refused(), None);
    assert_eq!(sized(1025).refused(), Some(NotStored::TooLarge));
    let chunked = case("max-age=60")
        .without_length()
        .response("transfer-encoding", "chunked")
        .decide()
        .expect("stored");
    assert!(chunked.encode(&[0; 1024]).is_ok());
    assert_eq!(chunked.encode(&[0; 1025]), Err(NotStored::TooLarge));
}

#[test]
fn rfc9110_14_4_content_range_means_nothing_in_a_200() {
    let with = |status| {
        case("max-age=60")
            .response("content-range", "bytes 0-4/9")
            .status(status)
            .refused()
    };
    assert_eq!(with(200), None);
    assert_eq!(with(206), Some(NotStored::Status), "a part");
    assert_eq!(
        case("max-age=60").request("range", "bytes=0-4").refused(),
        None,
        "a 200 is the whole"
    );
}

#[test]
fn odd_requests_fill_nothing() {
    assert_eq!(
        case("max-age=60").request("content-length", "3").refused(),
        Some(NotStored::RequestBody)
    );
    assert_eq!(
        case("max-age=60")
            .request("transfer-encoding", "chunked")
            .refused(),
        Some(NotStored::RequestBody)
    );
}

#[test]
fn answers_that_no_record_can_carry_are_refused() {
    let mut many = case("max-age=60");
    many.response
        .extend((0..300).map(|_| ("x", "y".to_owned())));
    assert_eq!(many.refused(), Some(NotStored::Headers));
    let long = case("max-age=60").response("surrogate-key", &"x".repeat(300));
    assert_eq!(long.refused(), Some(NotStored::Tags));
    let broken = case("max-age=60")
        .response("x", "a\r\nb")
        .decide()
        .expect("headers alone do not show it");
    assert_eq!(broken.encode(b"hello"), Err(NotStored::Headers));
}

#[test]
fn names_are_tokens() {
    let all = [
        NotStored::Authorization,
        NotStored::TooLarge,
        NotStored::Vary(VaryError::Any),
        NotStored::RequestNoStore,
    ];
    for reason in all {
        assert!(crate::cache::list::is_token(reason.name().as_bytes()));
    }
}
