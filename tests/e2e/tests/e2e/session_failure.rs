//! Sessions while Redis answers, but not with what was asked for; and requests whose fields are no text.

use crate::kit::{SOON, Shared, eventually, with_cookie};
use crate::redis_liar::RedisLiar;
use std::fs;
use tidegate_e2e::{Lab, Reply, Request, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 500ms }
sessions:
  web: { cookie: sid }
  app: { header: authorization }
policies:
  web:   { session: web }
  maybe: { session: { use: web, required: false } }
  app:   { session: app }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /maybe }, policy: maybe }
  - { match: { path_prefix: /app }, policy: app }
";

/// Answers to a look-up that are none, of servers in every state there is, and of none at all.
const LIES: [&str; 24] = [
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    "-NOPERM this user has no permissions to run the 'hmget' command\r\n",
    "-OOM command not allowed when used memory > 'maxmemory'\r\n",
    "-READONLY You can't write against a read only replica.\r\n",
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-MOVED 3999 127.0.0.1:1\r\n",
    "-ASK 3999 127.0.0.1:1\r\n",
    "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "-CLUSTERDOWN The cluster is down\r\n",
    "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    "-MISCONF Redis is configured to save RDB snapshots\r\n",
    "-BUSY Redis is busy running a script.\r\n",
    "-NOSCRIPT No matching script.\r\n",
    "-SHAPE not a session\r\n",
    "+OK\r\n",
    ":1\r\n",
    "$-1\r\n",
    "*0\r\n",
    "*2\r\n+valid\r\n:1\r\n",
    "*2\r\n+absent\r\n$1\r\nx\r\n",
    "*2\r\n$6\r\nabsent\r\n:1\r\n",
    "*4\r\n+valid\r\n$6\r\nforged\r\n:9000000000000000\r\n:1\r\n",
    "*4\r\n+valid\r\n$-1\r\n:9000000000000000\r\n:1\r\n",
    "*2147483647\r\n",
];

#[test]
fn whatever_redis_answers_instead_nobody_is_logged_out_or_let_in() {
    let mut lab = Lab::new(POLICY);
    let liar = RedisLiar::before(&format!("127.0.0.1:{}", lab.spec().state_port(0)));
    for bridge in ["bridge-0", "bridge-1"] {
        let url = format!("redis://127.0.0.1:{}", liar.port);
        let to_liar = |args: &mut Vec<String>| {
            let at = args.iter().position(|arg| arg == "--redis").unwrap();
            args[at + 1] = url;
        };
        lab.alter(bridge, |launch| to_liar(&mut launch.args))
            .unwrap();
        lab.restart(bridge).unwrap();
    }
    let token = lab.login("web", "ada", &[]).unwrap();
    let (web, maybe) = (
        with_cookie("/web", "sid", &token),
        with_cookie("/maybe/echo", "sid", &token),
    );
    let mut client = lab.client(0);
    let mut status = |request: &Request| client.send(request).unwrap().status;
    for lie in LIES {
        eventually("the session", 200, || status(&web));
        let before = liar.told();
        liar.tell(Some(lie.as_bytes()));
        for _ in 0..3 {
            let answer = lab.client(0).send(&web).unwrap();
            assert_eq!(answer.status, 503, "{lie:?}: {}", answer.text());
            assert!(answer.get("set-cookie").is_none(), "{lie:?}");
            assert!(answer.get("retry-after").is_some(), "{lie:?}");
            assert_eq!(
                answer.json().unwrap()["reason"],
                "session-unavailable",
                "{lie:?}"
            );
        }
        let answer = lab.client(0).send(&maybe).unwrap();
        assert_eq!(answer.status, 200, "{lie:?}");
        assert_eq!(
            crate::kit::seen(&answer, "x-session-state"),
            ["unknown"],
            "{lie:?}"
        );
        assert!(
            crate::kit::seen(&answer, "x-session-user").is_empty(),
            "{lie:?}"
        );
        assert!(liar.told() > before, "{lie:?} was not told");
        liar.tell(None);
    }
    eventually("the same session", 200, || status(&web));
    // What was asked for is in no log, whatever went wrong with it.
    for part in ["bridge-0", "bridge-1", "envoy-0"] {
        let log = String::from_utf8_lossy(&fs::read(lab.files().log(part)).unwrap()).into_owned();
        for secret in [&token, &token[31..55], "tg:s:", "forged"] {
            assert!(!log.contains(secret), "{secret} is in the log of {part}");
        }
    }
}

#[test]
fn a_bridge_that_may_not_run_the_script_knows_nothing_and_says_so() {
    let lab = Lab::new(POLICY);
    let token = lab.login("web", "ada", &[]).unwrap();
    let web = with_cookie("/web", "sid", &token);
    assert_eq!(lab.client(0).send(&web).unwrap().status, 200);
    let acl = |rule: &str| {
        let reply = lab
            .redis()
            .call(&["ACL", "SETUSER", "tidegate-bridge", rule]);
        assert_eq!(reply.unwrap(), Reply::Text(b"OK".into()), "{rule}");
    };
    for (denied, allowed) in [
        ("-hmget", "+hmget"),
        ("-evalsha", "+evalsha"),
        ("-time", "+time"),
    ] {
        acl(denied);
        for _ in 0..3 {
            let answer = lab.client(0).send(&web).unwrap();
            assert_eq!(answer.status, 503, "{denied}");
            assert!(answer.get("set-cookie").is_none(), "{denied}");
        }
        acl(allowed);
        wait::until("the same session", SOON, || {
            match lab.client(0).send(&web).unwrap().status {
                200 => Ok(()),
                other => Err(format!("{allowed}: {other}")),
            }
        })
        .unwrap();
    }
}

/// Method, target, a field with its odd value, and the statuses with a session and without.
type Row<'a> = (&'a str, &'a str, &'a str, Vec<u8>, [u16; 2]);

static LAB: Shared = Shared::new(|| Lab::new(POLICY));

/// Any field, with bytes that are no UTF-8: whoever has a session passes with it, nobody else passes because of
/// them. Health is asked when the stack ends: no trap.
#[test]
fn fields_that_are_no_text_open_nothing_and_break_nothing() {
    let lab = LAB.turn();
    let sid = format!("sid={}", lab.login("web", "ada", &[]).unwrap());
    let bearer = format!("Bearer {}", lab.login("app", "ada", &[]).unwrap());
    const ODD: [&[u8]; 5] = [
        b"\xff",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"a\x80\x80",
        b"\xf0\x9f\x98",
    ];
    let joined = |parts: &[&[u8]]| parts.concat();
    let mut client = lab.client(0);
    for odd in ODD {
        let own = [sid.as_bytes(), bearer.as_bytes()];
        let rows: [Row<'_>; 14] = [
            (
                "GET",
                "/web",
                "cookie",
                joined(&[odd, b"=", odd]),
                [200, 401],
            ),
            ("GET", "/web", "x-any", odd.into(), [200, 401]),
            ("GET", "/web", "x-session-user", odd.into(), [200, 401]),
            ("GET", "/web", "x-forwarded-for", odd.into(), [200, 401]),
            ("GET", "/web", "user-agent", odd.into(), [200, 401]),
            (
                "GET",
                "/web",
                "authorization",
                joined(&[b"Bearer ", odd]),
                [200, 401],
            ),
            ("GET", "/web", "cookie", joined(&[b"sid=", odd]), [400, 401]),
            (
                "GET",
                "/web",
                "cookie",
                joined(&[b"sid=", &sid.as_bytes()[4..70], odd]),
                [400, 401],
            ),
            // Envoy joins two of them into one value.
            (
                "GET",
                "/app",
                "authorization",
                joined(&[b"Bearer ", odd]),
                [400, 401],
            ),
            ("GET", "/app", "cookie", odd.into(), [200, 401]),
            ("POST", "/web", "origin", odd.into(), [403, 401]),
            ("POST", "/web", "referer", odd.into(), [403, 401]),
            ("POST", "/web", "sec-fetch-site", odd.into(), [403, 401]),
            ("POST", "/app", "sec-fetch-site", odd.into(), [200, 401]),
        ];
        for (method, target, name, value, wanted) in rows {
            let credential = if target == "/web" {
                ("cookie", own[0])
            } else {
                ("authorization", own[1])
            };
            let request = Request::new(method, target).field(name, &value);
            let with = request.clone().field(credential.0, credential.1);
            let got = [with, request].map(|request| client.send(&request).unwrap().status);
            assert_eq!(got, wanted, "{method} {target} {name} {odd:?}");
        }
        for target in [joined(&[b"/web/", odd]), joined(&[b"/web?", odd])] {
            let request = Request::get(&target);
            let with = request.clone().field("cookie", &sid);
            let got = [with, request].map(|request| client.send(&request).unwrap().status);
            assert!(
                [[200, 401], [400, 400]].contains(&got),
                "{target:?}: {got:?}"
            );
        }
    }
    assert_eq!(lab.complaints(), [""; 0]);
}
