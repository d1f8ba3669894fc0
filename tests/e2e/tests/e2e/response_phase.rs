//! E9: exchanges that begin once the upstream has answered, when there is nobody to have them with.
//!
//! Envoy has ended the call before it is made then, in the callback of response headers and in `on_log`
//! (the shape of CVE-2026-26330). The answer is the upstream's all the same, byte for byte (C11).

use crate::kit::{SOON, eventually};
use crate::origin::{Act, Origin, text, wait_for_leave};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_e2e::{Lab, Request, Response, crowd, wait};
use tidegate_stack::http::Client;

/// What is charged, given back and stored afterwards; and the same answer with nothing of that.
const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 1s }
limits:
  tokens:  { algorithm: fixed_window, limit: 100000, window: 1d, key: [client.ip], on_error: allow, cost: { response_header: x-tokens, max: 1000, default: 7 } }
  reserve: { algorithm: token_bucket, limit: 100000, window: 300d, key: [client.ip], on_error: allow, cost: { response_header: x-tokens, max: 100, default: 7, reserve: 20 } }
  logins:  { algorithm: fixed_window, limit: 100000, window: 1d, key: [client.ip], on_error: allow, apply: { response_status: [200] } }
  slots:   { algorithm: concurrency, limit: 1000, window: 1m, key: [client.ip], on_error: allow }
caches:
  pages: { ttl: 1m }
policies:
  after: { limits: [tokens, reserve, logins, slots] }
  pages: { cache: pages }
routes:
  - { match: { path_prefix: /after }, policy: after }
  - { match: { path_prefix: /pages }, policy: pages }
";

/// Clients that are waiting for the upstream when the bridges go.
const CLIENTS: usize = 24;

/// An upstream that answers while this says so, and its stack.
struct Rig {
    origin: Origin,
    answering: Arc<AtomicBool>,
    lab: Lab,
}

fn start() -> Rig {
    let (origin, answering) = (Origin::start(), Arc::new(AtomicBool::new(true)));
    let may = Arc::clone(&answering);
    origin.does(move |_| {
        wait_for_leave(&may, SOON);
        let whole = text(200, &["x-tokens: 5"], "the page");
        let (begin, end) = whole.split_at(whole.len() - 3);
        Act::SayInTwo(begin.into(), Duration::from_millis(50), end.into())
    });
    let upstream = origin.address.clone();
    let lab = Lab::with(POLICY, |spec| spec.upstream = Some(upstream));
    Rig {
        origin,
        answering,
        lab,
    }
}

/// One in three is stored; all of them are different pages.
fn target(i: usize) -> String {
    match i % 3 {
        0 => format!("/pages/{i}"),
        _ => format!("/after/{i}"),
    }
}

/// Status, fields, body.
type Content = (u16, BTreeSet<(String, Vec<u8>)>, Vec<u8>);

/// What a client has of an answer, but for what the proxy says of itself and when.
fn content(answer: &Response) -> Content {
    let own = |name: &str| {
        matches!(
            name,
            "cache-status" | "age" | "date" | "x-envoy-upstream-service-time"
        ) || name.starts_with("ratelimit")
    };
    let fields = answer.fields.iter();
    let fields = fields.filter(|(name, _)| !own(name)).cloned().collect();
    (answer.status, fields, answer.body.clone())
}

impl Rig {
    /// What clients got who all asked at once, `before` that was done while the upstream worked for all of them.
    fn answers(&mut self, before: impl FnOnce(&mut Lab)) -> Vec<Response> {
        let address = format!("127.0.0.1:{}", self.lab.spec().proxy_port(0));
        self.origin.take();
        self.answering.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                crowd(CLIENTS, |i| {
                    Client::new(&address).send(&Request::get(target(i)))
                })
            });
            let mut working = 0;
            eventually("requests the upstream has", CLIENTS, || {
                working += self.origin.take().len();
                working
            });
            before(&mut self.lab);
            self.answering.store(true, Ordering::Relaxed);
            let answers = asked.join().unwrap();
            answers.into_iter().map(Result::unwrap).collect()
        })
    }
}

#[test]
fn e9_an_answer_is_unharmed_when_what_follows_it_finds_no_bridge() {
    let mut rig = start();
    let plain = content(&rig.lab.client(0).get("/plain").unwrap());
    assert_eq!((plain.0, plain.2.as_slice()), (200, b"the page".as_slice()));
    let undecided = |lab: &Lab| lab.stat("tidegate.limit.tokens.error").unwrap();
    let unharmed = |answers: Vec<Response>, when: &str| {
        for (i, answer) in answers.iter().enumerate() {
            assert_eq!(content(answer), plain, "{when}: {}", target(i));
        }
    };

    let got = rig.answers(|lab| {
        lab.kill("bridge-0").unwrap();
        lab.kill("bridge-1").unwrap();
    });
    unharmed(got, "bridges that go while the upstream works");
    eventually("what is owed is counted", (16, 8), || {
        (
            rig.lab.stat("tidegate.limit.tokens.unsettled").unwrap(),
            rig.lab.stat("tidegate.cache.pages.error").unwrap(),
        )
    });

    let got = rig.answers(|_| ());
    unharmed(got, "no bridge at all");

    rig.lab
        .swap(&POLICY.replace("timeout: 1s", "cluster: nowhere, timeout: 1s"))
        .unwrap();
    let before = undecided(&rig.lab);
    let got = rig.answers(|_| ());
    unharmed(got, "a cluster that does not exist");
    eventually("it is counted", true, || undecided(&rig.lab) > before);

    rig.lab.revive("bridge-0").unwrap();
    rig.lab.revive("bridge-1").unwrap();
    rig.lab.swap(POLICY).unwrap();
    eventually("pages are stored again", true, || {
        let answer = rig.lab.client(0).get("/pages/again").unwrap();
        answer.get("cache-status").unwrap().contains("; hit")
    });
}

/// faults.md, M11: an outage makes a line of the log a second, not one for each request that fails.
#[test]
fn m11_what_fails_for_each_request_is_logged_once_a_second() {
    let mut lab = Lab::with(POLICY, |spec| spec.envoys = 1);
    for bridge in ["bridge-0", "bridge-1"] {
        lab.kill(bridge).unwrap();
    }
    let began = wait::now();
    let mut client = lab.client(0);
    let requests = 300;
    for n in 0..requests {
        let change = Request::new("DELETE", format!("/pages/{n}"));
        assert_eq!(client.send(&change).unwrap().status, 200);
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    eventually("each is counted", true, || {
        lab.stat("tidegate.cache.pages.error").unwrap() >= requests
    });
    let log = fs::read_to_string(lab.files().log("envoy-0")).unwrap();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("an invalidation "))
        .collect();
    let workers = usize::from(lab.spec().workers);
    let most = 2 * workers * (seconds + 1);
    assert!(
        (1..=most).contains(&lines.len()),
        "{} lines in {seconds} s: {lines:?}",
        lines.len()
    );
}
