//! Answers that create, end, replace and change sessions.

use super::bridge::{Asked, encoded};
use super::policy::POLICY;
use super::rig::{Rig, TICK, TIMEOUT, keys, token};
use super::run::{Req, field, get, lines, req, text};
use crate::http::Headers;
use crate::session::RealmTag;
use crate::session::token::verify;
use crate::stream::{Input, Output, Verdict};
use crate::wire::op::{Op, Scope};
use crate::wire::reply::{SessionData, SessionReply, SessionWritten};
use crate::wire::resp;

const CLEARED: &str = "__Host-sid=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";
const NOW: u64 = 1_800_000_000_000_000;

/// The session lives, at version 3, and a change is answered like this.
fn rig(written: Option<SessionWritten>) -> Rig {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(move |asked| match asked {
        Asked::Session { .. } => Some(encoded(|out| {
            let data = SessionData {
                version: 3,
                json: b"{\"cart\":[1]}",
            };
            SessionReply::Valid {
                uid: b"42",
                roles: b"user",
                deadline_us: NOW + 1,
                data: Some(data),
            }
            .encode(NOW, out);
        })),
        Asked::Change(_) => Some(match &written {
            Some(written) => encoded(|out| written.encode(NOW, out)),
            None => b"-DOWN redis is not reachable\r\n".to_vec(),
        }),
        _ => None,
    });
    rig
}

/// A forwarded request, and the nonce the upstream saw.
fn forwarded(rig: &mut Rig, req: &Req) -> (u32, String) {
    let seen = rig.run(req);
    let nonces = lines(seen.forwarded(), "x-session-nonce");
    assert!(nonces.len() <= 1);
    (seen.id, nonces.concat())
}

fn answer(lines: &[(&str, &str)]) -> Headers {
    Headers::from_pairs(lines.iter().map(|(n, v)| (*n, v.as_bytes())))
}

/// What the client sees once Redis has answered.
fn answered(rig: &mut Rig, id: u32, fields: &[(&str, &str)]) -> Output {
    let headers = answer(fields);
    let output = rig.response(id, headers.clone(), false);
    assert!(
        matches!(output.verdict, Verdict::Pause),
        "nobody sees it yet"
    );
    assert!(output.response.is_none());
    let (of, output) = rig.answer().expect("asked");
    assert_eq!(of, id);
    output
}

/// The operation that changed a session, as it went out.
fn change<T>(rig: &Rig, read: impl FnOnce(&Op<'_>) -> T) -> T {
    let mut changes = rig.all_ops().filter_map(|asked| match asked {
        Asked::Change(bytes) => Some(bytes),
        _ => None,
    });
    let bytes = changes.next().expect("a change");
    assert!(changes.next().is_none(), "one change");
    let values = resp::decode_all(bytes).unwrap();
    read(&Op::parse(&values[0]).unwrap())
}

fn login() -> Req {
    req("POST", "/login")
}

fn set(nonce: &str) -> String {
    format!("{{\"n\":\"{nonce}\",\"uid\":\"42\",\"roles\":[\"user\"],\"data\":{{\"a\":1}}}}")
}

const CREATED: SessionWritten = SessionWritten::Created {
    user: [7; 12],
    deadline_us: NOW + 3_600_000_000,
};

#[test]
fn a_login_makes_a_session_before_the_client_sees_its_cookie() {
    let mut rig = rig(Some(CREATED));
    let (id, nonce) = forwarded(&mut rig, &login());
    assert_eq!(nonce.len(), 22);
    let output = answered(
        &mut rig,
        id,
        &[
            (":status", "303"),
            ("location", "/account"),
            ("x-session-set", &set(&nonce)),
            ("set-cookie", "__Host-sid=theirs"),
            ("set-cookie", "theme=dark"),
        ],
    );
    let client = output.response.expect("edited");
    assert_eq!(lines(&client, "cache-control"), ["no-store"]);
    assert!(!client.iter().any(|(name, _)| name.starts_with("x-session")));
    let cookies = lines(&client, "set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert_eq!(cookies[0], "theme=dark");
    let ours = cookies[1].strip_prefix("__Host-sid=").unwrap();
    let ours = ours
        .strip_suffix("; Path=/; Secure; HttpOnly; SameSite=Lax")
        .unwrap();
    let minted = verify(&keys(), RealmTag::of("web"), ours.as_bytes()).unwrap();
    assert_eq!(
        (minted.user, minted.deadline_s),
        ([7; 12], NOW / 1_000_000 + 3_600)
    );
    change(&rig, |op| {
        let Op::SessionCreate(new) = op else {
            panic!("{op:?}")
        };
        assert_eq!(new.secret, &minted.secret);
        assert_eq!(
            (new.uid, new.roles, new.data),
            (&b"42"[..], &b"user"[..], &b"{\"a\":1}"[..])
        );
        assert_eq!((new.idle_ms, new.absolute_ms), (1_800_000, 43_200_000));
        assert_eq!(new.old, None);
        assert!(!new.readable, "sealed unless the realm says otherwise");
    });
    assert_eq!(rig.counted()["tidegate.session.web.created"], 1);
}

#[test]
fn a_session_shown_with_the_login_ends_with_it_and_one_that_is_gone_is_not_adopted() {
    for lives in [true, false] {
        let mut rig = rig(Some(CREATED));
        if !lives {
            let gone = encoded(|out| SessionReply::Absent.encode(NOW, out));
            let made = encoded(|out| CREATED.encode(NOW, out));
            rig.hook = Box::new(move |asked| match asked {
                Asked::Session { .. } => Some(gone.clone()),
                Asked::Change(_) => Some(made.clone()),
                _ => None,
            });
        }
        let same = login()
            .cookie(&token("web"))
            .line("sec-fetch-site", "same-origin");
        let (id, nonce) = forwarded(&mut rig, &same);
        answered(
            &mut rig,
            id,
            &[(":status", "200"), ("x-session-set", &set(&nonce))],
        );
        change(&rig, |op| {
            let Op::SessionCreate(new) = op else {
                panic!("{op:?}")
            };
            assert_eq!(new.old, lives.then_some((&[7; 12], &[9; 18])));
            assert_ne!(new.secret, &[9; 18], "a token of ours, not the client's");
        });
    }
}

#[test]
fn nonces_differ_and_only_routes_that_change_sessions_have_one() {
    let mut rig = rig(None);
    let mut nonces: Vec<_> = (0..50).map(|_| forwarded(&mut rig, &login()).1).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 50);
    let (_, nonce) = forwarded(&mut rig, &get("/web").cookie(&token("web")));
    assert_eq!(nonce, "");
    let spoofed = login().line("x-session-nonce", "AAAAAAAAAAAAAAAAAAAAAA");
    assert_ne!(forwarded(&mut rig, &spoofed).1, "AAAAAAAAAAAAAAAAAAAAAA");
}

#[test]
fn s3_what_is_no_login_makes_no_session_and_is_counted() {
    let good = set("{}");
    for (req, fields) in [
        (login(), vec![(":status", "200"), ("x-session-set", "{}")]),
        (
            login(),
            vec![(":status", "200"), ("x-session-set", good.as_str())],
        ),
        (
            login(),
            vec![(":status", "403"), ("x-session-set", "NONCE")],
        ),
        (
            login(),
            vec![
                (":status", "200"),
                ("x-session-set", "NONCE"),
                ("x-session-set", "NONCE"),
            ],
        ),
        (
            login(),
            vec![
                (":status", "200"),
                ("x-session-set", "NONCE"),
                ("x-session-end", "this"),
            ],
        ),
        (
            get("/web").cookie(&token("web")),
            vec![(":status", "200"), ("x-session-set", "NONCE")],
        ),
        (
            get("/web").cookie(&token("web")),
            vec![(":status", "200"), ("x-session-end", "this")],
        ),
    ] {
        let mut rig = rig(Some(CREATED));
        let (id, nonce) = forwarded(&mut rig, &req);
        let whole = set(&nonce);
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(name, value)| (name, if value == "NONCE" { &whole } else { value }))
            .collect();
        let output = rig.response(id, answer(&fields), true);
        assert!(matches!(output.verdict, Verdict::Continue), "{fields:?}");
        let client = output.response.expect("edited");
        assert!(!client.iter().any(|(name, _)| name.starts_with("x-session")));
        assert!(lines(&client, "set-cookie").is_empty());
        assert!(!rig.all_ops().any(|asked| matches!(asked, Asked::Change(_))));
        assert_eq!(
            rig.counted()["tidegate.session.web.unheeded"],
            1,
            "{fields:?}"
        );
    }
}

#[test]
fn a_login_that_is_not_written_is_503_without_cookie() {
    let shape = Some(SessionWritten::Updated { version: 1 });
    for written in [None, shape, Some(SessionWritten::Absent)] {
        let mut rig = rig(written);
        let (id, nonce) = forwarded(&mut rig, &login());
        let output = answered(
            &mut rig,
            id,
            &[(":status", "200"), ("x-session-set", &set(&nonce))],
        );
        let Verdict::Reply(reply) = output.verdict else {
            panic!("{output:?}")
        };
        assert_eq!(reply.status, 503);
        assert!(text(&reply).contains("session-unavailable"));
        assert!(field(&reply, "set-cookie").is_empty());
        assert_eq!(field(&reply, "retry-after").len(), 1);
        assert_eq!(rig.counted()["tidegate.session.web.error"], 1);
    }
    // Nobody answers at all.
    let mut rig = rig(Some(CREATED));
    let (id, nonce) = forwarded(&mut rig, &login());
    rig.response(
        id,
        answer(&[(":status", "200"), ("x-session-set", &set(&nonce))]),
        true,
    );
    let outputs = rig.pass(TIMEOUT + TICK);
    assert!(matches!(&outputs[0].1.verdict, Verdict::Reply(reply) if reply.status == 503));
}

#[test]
fn without_randomness_there_is_no_login() {
    let mut rig = rig(Some(CREATED));
    let (id, nonce) = forwarded(&mut rig, &login());
    rig.starved = true;
    while rig.vm.entropy.take::<1>().is_some() {}
    let headers = answer(&[(":status", "200"), ("x-session-set", &set(&nonce))]);
    let output = rig.response(id, headers, true);
    assert!(matches!(output.verdict, Verdict::Reply(reply) if reply.status == 503));
    assert_eq!(forwarded(&mut rig, &login()).1, "");
}

#[test]
fn a_logout_is_written_before_it_is_said() {
    for (scope, clears) in [("this", true), ("others", false), ("all", true)] {
        for written in [
            SessionWritten::Ended { sessions: 1 },
            SessionWritten::Absent,
        ] {
            let mut rig = rig(Some(written));
            let out = req("POST", "/web")
                .cookie(&token("web"))
                .line("sec-fetch-site", "same-origin");
            let (id, _) = forwarded(&mut rig, &out);
            let output = answered(
                &mut rig,
                id,
                &[(":status", "303"), ("x-session-end", scope)],
            );
            let client = output.response.expect("edited");
            let cookies = lines(&client, "set-cookie");
            assert_eq!(cookies, if clears { vec![CLEARED] } else { vec![] });
            change(&rig, |op| {
                let Op::SessionEnd(end) = op else {
                    panic!("{op:?}")
                };
                assert_eq!(end.secret, &[9; 18]);
                assert_eq!(Scope::from_name(scope.as_bytes()), Some(end.scope));
            });
            assert_eq!(rig.counted()["tidegate.session.web.ended"], 1);
        }
    }
    let mut rig = rig(None);
    let out = req("POST", "/web")
        .cookie(&token("web"))
        .line("sec-fetch-site", "same-origin");
    let (id, _) = forwarded(&mut rig, &out);
    let output = answered(
        &mut rig,
        id,
        &[(":status", "200"), ("x-session-end", "this")],
    );
    assert!(matches!(output.verdict, Verdict::Reply(reply) if reply.status == 503));
}

#[test]
fn a_new_token_replaces_the_old_one_or_the_answer_goes_on_without() {
    let rotated = SessionWritten::Rotated {
        secret: [8; 18],
        deadline_us: NOW + 60_000_000,
    };
    for (written, minted, metric) in [
        (Some(rotated), true, "rotated"),
        (Some(SessionWritten::Absent), false, "lost"),
        (None, false, "error"),
    ] {
        let mut rig = rig(written);
        let (id, _) = forwarded(&mut rig, &get("/web").cookie(&token("web")));
        let output = answered(
            &mut rig,
            id,
            &[(":status", "200"), ("x-session-rotate", "?1")],
        );
        assert!(matches!(output.verdict, Verdict::Continue));
        let client = output.response.unwrap_or_default();
        let cookies = lines(&client, "set-cookie");
        assert_eq!(cookies.len(), usize::from(minted));
        if let Some(cookie) = cookies.first() {
            let value = cookie.strip_prefix("__Host-sid=").unwrap();
            let value = value.split(';').next().unwrap();
            let token = verify(&keys(), RealmTag::of("web"), value.as_bytes()).unwrap();
            assert_eq!((token.secret, token.user), ([8; 18], [7; 12]));
        }
        change(&rig, |op| {
            let Op::SessionRotate(rotate) = op else {
                panic!("{op:?}")
            };
            assert_eq!((rotate.grace_ms, rotate.change), (10_000, None));
        });
        let name = format!("tidegate.session.web.{metric}");
        assert_eq!(rig.counted()[&name], 1, "{name}");
    }
}

#[test]
fn s8_data_and_roles_change_from_the_version_the_upstream_saw() {
    let mut told = rig(None);
    let seen = told.run(&get("/profile").cookie(&token("web")));
    assert_eq!(lines(seen.forwarded(), "x-session-version"), ["3"]);
    assert_eq!(
        lines(seen.forwarded(), "x-session-data"),
        ["eyJjYXJ0IjpbMV19"]
    );

    let updated = SessionWritten::Updated { version: 4 };
    let rotated = SessionWritten::Rotated {
        secret: [8; 18],
        deadline_us: NOW + 60_000_000,
    };
    for (fields, written, status, metric) in [
        (r#""data":{}"#, Some(updated), 0, "updated"),
        (
            r#""data":{}"#,
            Some(SessionWritten::Conflict { version: 9 }),
            409,
            "conflict",
        ),
        (r#""data":{}"#, Some(SessionWritten::Absent), 0, "lost"),
        (r#""data":{}"#, None, 503, "error"),
        (r#""roles":["admin"]"#, Some(rotated), 0, "rotated"),
        (
            r#""roles":["admin"]"#,
            Some(SessionWritten::Conflict { version: 9 }),
            409,
            "conflict",
        ),
        (
            r#""roles":["admin"]"#,
            Some(SessionWritten::Absent),
            0,
            "lost",
        ),
        (r#""roles":["admin"],"data":1"#, None, 503, "error"),
    ] {
        let mut rig = rig(written);
        let (id, nonce) = forwarded(&mut rig, &get("/profile").cookie(&token("web")));
        let update = format!("{{\"n\":\"{nonce}\",\"v\":3,{fields}}}");
        let output = answered(
            &mut rig,
            id,
            &[
                (":status", "200"),
                ("cache-control", "max-age=60"),
                ("x-session-update", &update),
            ],
        );
        match (output.verdict, output.response) {
            (Verdict::Reply(reply), _) => assert_eq!(reply.status, status, "{fields}"),
            (_, client) => {
                assert_eq!(status, 0, "{fields}");
                let client = client.expect("edited");
                let cookies = lines(&client, "set-cookie");
                assert_eq!(cookies.len(), usize::from(metric == "rotated"));
                assert_eq!(lines(&client, "cache-control"), ["no-store"]);
            }
        }
        change(&rig, |op| match op {
            Op::SessionUpdate(update) => {
                assert_eq!((update.version, update.data), (3, &b"{}"[..]));
            }
            Op::SessionRotate(rotate) => {
                let change = rotate.change.expect("a change");
                assert_eq!((rotate.grace_ms, change.version), (0, 3));
                assert_eq!(change.roles, b"admin");
                let data: &[u8] = if fields.contains("data") { b"1" } else { b"" };
                assert_eq!(change.data, data);
            }
            other => panic!("{other:?}"),
        });
        assert!(!rig.all_ops().any(Asked::is_put), "nobody else gets it");
        let name = format!("tidegate.session.web.{metric}");
        assert_eq!(rig.counted()[&name], 1, "{name}");
    }
}

#[test]
fn a_bearer_token_cannot_be_replaced_by_an_answer() {
    for roles in [true, false] {
        let mut rig = rig(Some(SessionWritten::Updated { version: 4 }));
        let bearer = get("/bearer").line("authorization", format!("Bearer {}", token("api")));
        let (id, nonce) = forwarded(&mut rig, &bearer);
        let field = if roles { "roles" } else { "data" };
        let update = format!("{{\"n\":\"{nonce}\",\"v\":3,\"{field}\":[]}}");
        let headers = answer(&[(":status", "200"), ("x-session-update", &update)]);
        let output = rig.response(id, headers, true);
        assert_eq!(matches!(output.verdict, Verdict::Pause), !roles);
    }
}

#[test]
fn x9_a_client_that_leaves_meanwhile_is_not_answered() {
    let mut rig = rig(Some(CREATED));
    let (id, nonce) = forwarded(&mut rig, &login());
    rig.response(
        id,
        answer(&[(":status", "200"), ("x-session-set", &set(&nonce))]),
        true,
    );
    rig.feed(id, Input::Done);
    let (_, output) = rig.answer().expect("asked before");
    assert!(matches!(output.verdict, Verdict::Continue));
    assert!(output.resume.is_none() && output.response.is_none());
    assert_eq!(rig.counted().get("tidegate.bug"), None);
}
