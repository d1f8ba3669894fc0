//! Stored answers that are not fresh: validated, used all the same, or refreshed behind the client's back.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{EPOCH_US, Rig, token};
use super::run::{Fate, Req, Seen, field, get, lines, req, text};
use crate::cache::Record;
use crate::cache::record::Usage;
use crate::http::Headers;
use crate::stream::{Input, LocalReply, Output, Verdict};
use crate::wire::op::Want;

/// Ten seconds past its freshness of a minute.
const BORN_US: u64 = EPOCH_US - 70_000_000;

fn record(path: &'static [u8], policy: &'static str) -> Record<'static> {
    Record {
        url: path,
        policy,
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 60_000,
        usage: Usage {
            direct: true,
            ..Usage::default()
        },
        status: 200,
        headers: vec![
            ("content-type", b"text/plain"),
            ("etag", b"\"v1\""),
            ("cache-control", b"max-age=60"),
            ("x-old", b"1"),
        ],
        body: b"stored",
    }
}

/// A bridge that has this stored, stale.
fn stale(usage: Usage, claimed: bool) -> Rig {
    let record = record(b"https://shop.example/plain-cached/a", "plain-cached");
    stale_one(&Record { usage, ..record }, claimed)
}

/// The same of another record.
fn stale_one(record: &Record<'_>, claimed: bool) -> Rig {
    let bytes = record.encode().unwrap();
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(move |op| {
        op.is_get()
            .then(|| bridge::stale(&bytes, BORN_US, EPOCH_US, claimed))
    });
    rig
}

fn page() -> Req {
    get("/plain-cached/a")
}

/// What becomes of the upstream's answer.
fn answered(rig: &mut Rig, seen: &Seen, fields: &[(&str, &str)], end: bool) -> Output {
    let headers = Headers::from_pairs(fields.iter().map(|(n, v)| (*n, v.as_bytes())));
    rig.response(seen.id, headers, end)
}

#[track_caller]
fn replaced(output: Output) -> LocalReply {
    match output.verdict {
        Verdict::Reply(reply) => reply,
        other => panic!("not replaced: {other:?}"),
    }
}

fn stored(rig: &Rig) -> Option<Record<'_>> {
    rig.all_ops().find_map(|op| match op {
        Asked::Put { record, .. } => Some(Record::decode(record).unwrap()),
        _ => None,
    })
}

const NOT_MODIFIED: [(&str, &str); 3] = [
    (":status", "304"),
    ("cache-control", "max-age=30"),
    ("x-new", "2"),
];

#[test]
fn rfc9111_4_3_3_a_304_freshens_what_is_stored_and_answers() {
    let mut rig = stale(Usage::default(), true);
    let seen = rig.run(&page().line("range", "bytes=0-1"));
    let sent = seen.forwarded();
    assert_eq!(sent.only("if-none-match"), Some(&b"\"v1\""[..]));
    assert!(
        !sent.contains("range"),
        "the answer must be about all of it"
    );
    let reply = replaced(answered(&mut rig, &seen, &NOT_MODIFIED, true));
    // The part the client asked for, from the store.
    assert_eq!((reply.status, text(&reply).as_str()), (206, "st"));
    assert_eq!(field(&reply, "x-new"), ["2"]);
    assert_eq!(field(&reply, "x-old"), ["1"]);
    assert_eq!(field(&reply, "cache-control"), ["max-age=30"]);
    assert_eq!(
        field(&reply, "cache-status"),
        ["tidegate; fwd=stale; fwd-status=304; ttl=30; stored"]
    );
    let record = stored(&rig).expect("stored again");
    assert_eq!((record.body, record.lifetime_ms), (&b"stored"[..], 30_000));
    assert_eq!(record.only("x-new"), Some(&b"2"[..]));
    assert_eq!(rig.counted()["tidegate.cache.catalog.validated"], 1);
}

#[test]
fn rfc9111_4_3_4_the_clients_own_condition_is_answered_from_the_store() {
    for (tag, status) in [("\"v1\"", 304), ("\"v0\"", 200)] {
        let mut rig = stale(Usage::default(), true);
        let seen = rig.run(&page().line("if-none-match", tag));
        assert_eq!(seen.forwarded().only("if-none-match"), Some(&b"\"v1\""[..]));
        let reply = replaced(answered(&mut rig, &seen, &NOT_MODIFIED, true));
        assert_eq!(reply.status, status, "{tag}");
    }
}

#[test]
fn rfc9111_4_3_4_a_304_about_another_representation_stores_nothing() {
    let mut rig = stale(Usage::default(), true);
    let seen = rig.run(&page());
    let other = [(":status", "304"), ("etag", "\"v2\""), ("x-new", "2")];
    let reply = replaced(answered(&mut rig, &seen, &other, true));
    assert_eq!((reply.status, text(&reply).as_str()), (200, "stored"));
    assert!(field(&reply, "x-new").is_empty());
    assert!(stored(&rig).is_none());
}

#[test]
fn a_304_that_forbids_storing_is_for_this_client_alone() {
    let mut rig = stale(Usage::default(), true);
    let seen = rig.run(&page());
    let private = [(":status", "304"), ("cache-control", "private, max-age=9")];
    let reply = replaced(answered(&mut rig, &seen, &private, true));
    assert_eq!(text(&reply), "stored");
    assert!(stored(&rig).is_none());
    let removed = rig.all_ops().any(|op| matches!(op, Asked::Invalidate(_)));
    assert!(removed, "what is stored is no longer to be shared");
}

#[test]
fn rfc9111_4_3_3_another_answer_takes_its_place() {
    let mut rig = stale(Usage::default(), true);
    let seen = rig.run(&page());
    let fields = [
        (":status", "200"),
        ("cache-control", "max-age=9"),
        ("content-length", "3"),
    ];
    let answer = rig.upstream(seen.id, &fields, b"new");
    assert_eq!(
        lines(&answer, "cache-status"),
        ["tidegate; fwd=stale; stored"]
    );
    assert_eq!(stored(&rig).expect("stored").body, b"new");
}

fn for_errors() -> Usage {
    Usage {
        stale_error_ms: 30_000,
        ..Usage::default()
    }
}

#[test]
fn rfc5861_4_a_failure_is_stood_in_for() {
    for status in ["500", "502", "503", "504"] {
        let mut rig = stale(for_errors(), true);
        let seen = rig.run(&page());
        let reply = replaced(answered(&mut rig, &seen, &[(":status", status)], false));
        assert_eq!((reply.status, text(&reply).as_str()), (200, "stored"));
        let said =
            format!("tidegate; fwd=stale; fwd-status={status}; ttl=-10; detail=stale-if-error");
        assert_eq!(field(&reply, "cache-status"), [said]);
        assert_eq!(field(&reply, "age"), ["70"]);
    }
}

#[test]
fn rfc5861_4_what_is_no_failure_or_too_old_is_not_stood_in_for() {
    let passes = |usage, status| {
        let mut rig = stale(usage, true);
        let seen = rig.run(&page());
        let output = answered(&mut rig, &seen, &[(":status", status)], true);
        matches!(output.verdict, Verdict::Continue)
    };
    for status in ["404", "501", "403", "599"] {
        assert!(passes(for_errors(), status), "{status}");
    }
    let short = Usage {
        stale_error_ms: 10_000,
        ..Usage::default()
    };
    assert!(passes(short, "503"), "stale for exactly as long as it may");
    let validate = Usage {
        validate: true,
        ..for_errors()
    };
    assert!(passes(validate, "503"), "no-cache");
}

fn while_revalidating() -> Usage {
    Usage {
        stale_while_ms: 30_000,
        direct: true,
        ..Usage::default()
    }
}

#[test]
fn rfc5861_3_stale_at_once_and_one_refreshes() {
    let mut rig = stale(while_revalidating(), false);
    let seen = rig.run(&page());
    assert_eq!(text(seen.replied()), "stored");
    assert_eq!(
        field(seen.replied(), "cache-status"),
        ["tidegate; hit; ttl=-10"]
    );
    assert_eq!(rig.counted()["tidegate.cache.catalog.stale"], 1);

    let mut rig = stale(while_revalidating(), true);
    let id = rig.stream();
    rig.headers(id, &page().line("range", "bytes=0-1"));
    let (_, output) = rig.answer().expect("decided");
    let refresh = output.refresh.expect("to be refreshed");
    assert!(matches!(output.verdict, Verdict::Reply(_)));
    assert_eq!(refresh.headers.only(":path"), Some(&b"/plain-cached/a"[..]));
    assert_eq!(refresh.headers.only("if-none-match"), Some(&b"\"v1\""[..]));
    assert!(!refresh.headers.contains("range"), "others want all of it");
    rig.feed(id, Input::Done);
    // Not modified.
    let headers = Headers::from_pairs(NOT_MODIFIED);
    let now = rig.now;
    rig.vm.refreshed(&refresh, &headers, b"", now);
    rig.pass(super::rig::TICK);
    let record = stored(&rig).expect("stored");
    assert_eq!((record.body, record.lifetime_ms), (&b"stored"[..], 30_000));
    assert!(record.usage.direct, "it may be refreshed so again");
}

#[test]
fn s12_a_refresh_is_introduced_as_the_request_would_have_been() {
    let record = Record {
        usage: while_revalidating(),
        headers: vec![("cache-control", b"public, max-age=60")],
        ..record(b"https://shop.example/open-cached/a", "open-cached")
    };
    let mut rig = stale_one(&record, true);
    let spoofed = get("/open-cached/a").line("x-session-user", "root");
    for (request, user) in [
        (spoofed.cookie(&token("web")), Some(&b"42"[..])),
        (get("/open-cached/a"), None),
    ] {
        let id = rig.stream();
        rig.headers(id, &request);
        let (_, output) = rig.answer().expect("decided");
        assert!(matches!(output.verdict, Verdict::Reply(_)));
        let refresh = output.refresh.expect("to be refreshed");
        assert_eq!(refresh.headers.only("x-session-user"), user);
        let state: &[u8] = if user.is_some() { b"valid" } else { b"none" };
        assert_eq!(refresh.headers.only("x-session-state"), Some(state));
        assert!(!refresh.headers.contains("x-session-nonce"));
        assert!(!refresh.headers.contains("cookie"), "the token is not told");
        rig.feed(id, Input::Done);
    }
}

#[test]
fn rfc5861_3_a_refresh_that_fails_changes_nothing() {
    let mut rig = stale(while_revalidating(), true);
    let id = rig.stream();
    rig.headers(id, &page());
    let (_, output) = rig.answer().expect("decided");
    let refresh = output.refresh.expect("to be refreshed");
    let now = rig.now;
    let private = [(":status", "200"), ("cache-control", "private")];
    for fields in [&[][..], &[(":status", "503")], &private] {
        let headers = Headers::from_pairs(fields.iter().copied());
        rig.vm.refreshed(&refresh, &headers, b"x", now);
    }
    rig.pass(super::rig::TICK);
    assert!(stored(&rig).is_none());
}

#[test]
fn what_the_route_changes_on_its_way_is_refreshed_in_the_foreground() {
    let rerouted = Usage {
        direct: false,
        ..while_revalidating()
    };
    let mut rig = stale(rerouted, true);
    assert!(matches!(rig.run(&page()).fate, Fate::Forwarded(_)));
    let mut rig = stale(while_revalidating(), true);
    rig.vm.refreshes = false;
    assert!(matches!(rig.run(&page()).fate, Fate::Forwarded(_)));
    // A fill notes it.
    for (host, path, direct) in [
        ("shop.example", "/plain-cached/a", true),
        ("shop.example", "/elsewhere", false),
        ("inside.example", "/plain-cached/a", false),
    ] {
        let mut rig = Rig::new(POLICY);
        let seen = rig.run(&page());
        let said = format!("{host} {path}");
        let headers = Headers::from_pairs([
            (crate::cache::sent::FIELD, said.as_str()),
            (":status", "200"),
            ("cache-control", "max-age=9"),
            ("content-length", "0"),
        ]);
        let end = true;
        rig.feed(seen.id, Input::ResponseHeaders { headers, end });
        assert_eq!(
            stored(&rig).expect("stored").usage.direct,
            direct,
            "{host}{path}"
        );
    }
}

#[test]
fn rfc9111_4_3_5_a_head_freshens_a_stored_get() {
    let mut rig = stale(Usage::default(), false);
    let seen = rig.run(&req("HEAD", "/plain-cached/a"));
    let get = rig.all_ops().next().cloned();
    assert!(
        matches!(
            get,
            Some(Asked::Get {
                want: Want::Read,
                ..
            })
        ),
        "{get:?}"
    );
    assert!(!seen.forwarded().contains("if-none-match"));
    let fields = [
        (":status", "200"),
        ("etag", "\"v1\""),
        ("content-length", "6"),
        ("cache-control", "max-age=30"),
    ];
    answered(&mut rig, &seen, &fields, true);
    let record = stored(&rig).expect("stored");
    assert_eq!((record.body, record.lifetime_ms), (&b"stored"[..], 30_000));

    let mut rig = stale(Usage::default(), false);
    let seen = rig.run(&req("HEAD", "/plain-cached/a"));
    let other = [(":status", "200"), ("content-length", "7")];
    answered(&mut rig, &seen, &other, true);
    assert!(stored(&rig).is_none());
    assert!(rig.all_ops().any(|op| matches!(op, Asked::Invalidate(_))));
}

/// The usual policy with the caches' other fields.
fn with_cache(fields: &str) -> String {
    let plain = r#""catalog": { "ttl": "60s","#;
    assert!(POLICY.contains(plain));
    POLICY.replace(plain, &format!(r#""catalog": {{ {fields}, "ttl": "60s","#))
}

fn honouring(fresh: bool) -> Rig {
    let record = record(b"https://shop.example/plain-cached/a", "plain-cached");
    let bytes = record.encode().unwrap();
    let mut rig = Rig::new(&with_cache(r#""honor_request_directives": true"#));
    rig.hook = Box::new(move |op| match op {
        Asked::Get { want, .. } if fresh && *want != Want::Refresh => {
            Some(bridge::hit(&bytes, EPOCH_US - 10_000_000, EPOCH_US))
        }
        Asked::Get { .. } => Some(bridge::stale(&bytes, BORN_US, EPOCH_US, true)),
        _ => None,
    });
    rig
}

#[test]
fn rfc9111_5_2_1_directives_of_requests_where_they_are_honoured() {
    let asks = |fresh, said: &str| {
        let mut rig = honouring(fresh);
        rig.run(&page().line("cache-control", said)).status()
    };
    for said in [
        "max-age=10",
        "min-fresh=50",
        "max-stale",
        "only-if-cached",
        "x",
    ] {
        assert_eq!(asks(true, said), 200, "{said}");
    }
    for said in ["no-cache", "max-age=9", "min-fresh=51"] {
        assert_eq!(asks(true, said), 0, "{said}");
    }
    for said in ["max-stale", "max-stale=10"] {
        assert_eq!(asks(false, said), 200, "{said}");
    }
    for said in ["max-stale=9", "max-stale, max-age=1", "x"] {
        assert_eq!(asks(false, said), 0, "{said}");
    }
    assert_eq!(asks(false, "only-if-cached"), 504);
    let mut rig = honouring(true);
    assert_eq!(rig.run(&page().line("pragma", "no-cache")).status(), 0);
}

#[test]
fn directives_of_requests_are_ignored_by_default() {
    let record = record(b"https://shop.example/plain-cached/a", "plain-cached");
    let bytes = record.encode().unwrap();
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(move |op| {
        op.is_get()
            .then(|| bridge::hit(&bytes, EPOCH_US - 10_000_000, EPOCH_US))
    });
    for said in ["no-cache", "max-age=0", "min-fresh=99", "only-if-cached"] {
        assert_eq!(
            rig.run(&page().line("cache-control", said)).status(),
            200,
            "{said}"
        );
    }
}

#[test]
fn the_query_that_is_looked_up_is_the_one_that_is_forwarded() {
    let policy = with_cache(r#""query": { "ignore": ["utm_*"], "sort": true }"#);
    let mut rig = Rig::new(&policy);
    let seen = rig.run(&get("/plain-cached/a?b=1&utm_x=2&a=0"));
    let path = b"/plain-cached/a?a=0&b=1";
    assert_eq!(seen.forwarded().only(":path"), Some(&path[..]));
    let Some(Asked::Get { url, .. }) = rig.all_ops().next() else {
        panic!("not asked");
    };
    assert!(url.ends_with(path));
    // What changes the resource is forwarded as it came, and invalidates what is looked up.
    let seen = rig.run(&req("PUT", "/plain-cached/a?b=1&utm_x=2&a=0"));
    assert!(!seen.edited);
    rig.upstream(seen.id, &[(":status", "204")], b"");
    let removed = rig.all_ops().find_map(|op| match op {
        Asked::Invalidate(urls) => Some(urls.clone()),
        _ => None,
    });
    assert!(removed.expect("invalidated")[0].ends_with(path));
}

#[test]
fn the_policys_own_key_keeps_answers_apart() {
    let policy = with_cache(r#""key": ["header:x-tenant", "cookie:theme"]"#);
    let mut rig = Rig::new(&policy);
    let mut fields = Vec::new();
    for request in [
        page(),
        page().line("x-tenant", "a"),
        page().line("x-tenant", "b"),
        page()
            .line("x-tenant", "a")
            .line("cookie", "theme=dark; x=1"),
    ] {
        rig.run(&request);
        let asked: Vec<_> = rig.all_ops().filter(|op| op.is_get()).collect();
        let Some(Asked::Get { field, .. }) = asked.last() else {
            panic!("not asked");
        };
        assert!(!fields.contains(field));
        fields.push(*field);
    }
    rig.run(&page().line("x-tenant", "a").line("x-other", "1"));
    let last = rig.all_ops().filter(|op| op.is_get()).last();
    assert!(matches!(last, Some(Asked::Get { field, .. }) if *field == fields[1]));
}
