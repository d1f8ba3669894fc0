//! What a worker remembers of limits: denials and leases. And what that spares.

use crate::kit::{early_in_the_window, eventually};
use std::time::Duration;
use tidegate_e2e::{Client, Lab, Load, Request, Tally, wait};

const DAY: i64 = 86_400;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
limits:
  small: { algorithm: fixed_window, limit: 10, window: 1d, key: ['header:x-key'], on_error: deny }
  tick:  { algorithm: token_bucket, limit: 1, window: 2s, burst: 1, key: ['header:x-key'], on_error: deny }
  watch: { algorithm: fixed_window, limit: 10, window: 1d, key: ['header:x-key'], shadow: true }
  hot:   { algorithm: fixed_window, limit: 30000, window: 1d, key: [client.ip], on_error: deny, lease: { max: 5% } }
policies:
  small: { limits: [small] }
  tick:  { limits: [tick] }
  watch: { limits: [watch] }
  hot:   { limits: [hot] }
routes:
  - { match: { path: /small }, policy: small }
  - { match: { path: /tick }, policy: tick }
  - { match: { path: /watch }, policy: watch }
  - { match: { path: /hot }, policy: hot }
";

/// Exchanges, whoever waits for them.
fn exchanges(lab: &Lab) -> u64 {
    let of = |name: &str| lab.stat(&format!("tidegate.exchange.{name}")).unwrap();
    of("sent") + of("background")
}

fn proxies(lab: &Lab) -> Vec<String> {
    lab.endpoints().unwrap().envoys
}

fn load_for(lab: &Lab, clients: usize, path: &'static str, time: Duration) -> Tally {
    let load = Load::start(&proxies(lab), clients, move |_, _| {
        Request::get(path).field("x-key", "load")
    });
    std::thread::sleep(time);
    load.stop()
}

#[test]
fn after_its_first_denial_a_key_costs_no_exchange_until_its_reset() {
    let lab = Lab::with(POLICY, |spec| spec.workers = 1);
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/small").field("x-key", "denied");
    let mut client = lab.client(0);
    for _ in 0..10 {
        assert_eq!(client.send(&request).unwrap().status, 200);
    }
    let first = client.send(&request).unwrap();
    assert_eq!(first.status, 429);
    eventually("eleven exchanges", 11, || exchanges(&lab));
    for _ in 0..200 {
        let again = client.send(&request).unwrap();
        assert_eq!(again.status, 429);
        assert_eq!(again.json().unwrap(), first.json().unwrap());
        let seconds = |field: Option<String>| field.unwrap().parse::<i64>().unwrap();
        let (then, now) = (
            seconds(first.get("retry-after")),
            seconds(again.get("retry-after")),
        );
        assert!((then - 10..=then).contains(&now), "{then} then, {now} now");
    }
    eventually("denials from memory are counted", 200, || {
        lab.stat("tidegate.limit.small.denied_local").unwrap()
    });
    assert_eq!(exchanges(&lab), 11);
    // Another key is not denied for it.
    let other = Request::get("/small").field("x-key", "other");
    assert_eq!(client.send(&other).unwrap().status, 200);
}

#[test]
fn r12_a_remembered_denial_ends_when_the_limit_says() {
    let lab = Lab::with(POLICY, |spec| spec.workers = 1);
    let request = Request::get("/tick").field("x-key", "again");
    let mut client = lab.client(0);
    assert_eq!(client.send(&request).unwrap().status, 200);
    let start = wait::now();
    let mut denied = 0;
    while client.send(&request).unwrap().status == 429 {
        denied += 1;
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = start.elapsed();
    assert!(denied > 20, "{denied}");
    assert!(
        (Duration::from_millis(1_900)..Duration::from_millis(3_000)).contains(&took),
        "{took:?}"
    );
    eventually("most of them from memory", true, || {
        let local = lab.stat("tidegate.limit.tick.denied_local").unwrap();
        local + 3 >= denied
    });
}

#[test]
fn a_shadow_limit_is_never_answered_from_memory() {
    let lab = Lab::with(POLICY, |spec| spec.workers = 1);
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/watch").field("x-key", "shadow");
    let mut client = lab.client(0);
    for _ in 0..30 {
        assert_eq!(client.send(&request).unwrap().status, 200);
    }
    eventually("each was evaluated", 20, || {
        lab.stat("tidegate.limit.watch.shadow_denied").unwrap()
    });
    assert_eq!(exchanges(&lab), 30);
}

#[test]
fn a_reset_through_the_admin_api_reaches_what_workers_remember() {
    let lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/small").field("x-key", "pardon");
    // Every worker learns of the denial.
    let deny = || {
        let mut statuses = Vec::new();
        for n in 0..80_u16 {
            statuses.push(lab.client(n % 2).send(&request).unwrap().status);
        }
        statuses
    };
    let statuses = deny();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10);
    let reset = lab.admin_of(1).delete("/v1/limits/small?key=pardon");
    assert_eq!(reset.unwrap().status, 200);
    // The message is on its way to every worker; soon nobody denies what Redis would admit.
    let mut passed = 0;
    eventually("all ten are there again", 10, || {
        let statuses = [0, 1].map(|i| lab.client(i).send(&request).unwrap().status);
        passed += statuses.iter().filter(|status| **status == 200).count();
        passed
    });
    assert!(deny().iter().all(|status| *status == 429));
}

#[test]
fn a_lease_spares_exchanges_and_admits_nearly_all_and_never_more() {
    let lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    early_in_the_window(&lab.redis(), DAY);
    let start = wait::now();
    let load = Load::start(&proxies(&lab), 32, |_, _| Request::get("/hot"));
    wait::until("the limit is used up", Duration::from_secs(120), || {
        let denied = lab.stat("tidegate.limit.hot.denied").unwrap();
        if denied > 0 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .unwrap();
    let spared = exchanges(&lab);
    let elapsed = start.elapsed().as_secs();
    std::thread::sleep(Duration::from_secs(2));
    let tally = load.stop();
    assert!(tally.errors.is_empty(), "{tally:?}");
    let passed = tally.of(200);
    assert!((29_700..=30_000).contains(&passed), "{tally:?}");
    assert_eq!(passed + tally.of(429), tally.total, "{tally:?}");
    // Until the limit was used up: one in a hundred of some 30,000 requests, the small leases of the end, and one a
    // second for each of the four workers, whose leases live no longer. Where that takes long, grants take long too,
    // and requests ask for themselves meanwhile: how often is the machine's (`make bench` measures it), not more than
    // one in twenty.
    let most = match elapsed {
        0..8 => 300 + 200 + 4 * (elapsed + 1),
        _ => passed / 20,
    };
    assert!(
        spared < most,
        "{spared} exchanges for {passed} in {elapsed} s"
    );
    let leased = lab.stat("tidegate.limit.hot.leased").unwrap();
    assert!(leased > 25_000, "{leased} of {passed} from leases");
}

#[test]
fn leases_are_given_back_when_idle_and_when_the_policy_is_swapped_and_when_envoy_drains() {
    let mut lab = Lab::new(POLICY);
    let available = |lab: &Lab| {
        let answer = lab.admin().get("/v1/limits/hot?key=127.0.0.1").unwrap();
        answer.json().unwrap()["available"].as_u64().unwrap()
    };
    // Each part begins with the whole limit: a quick machine uses half of it up in a second.
    let anew = |lab: &Lab| {
        let reset = lab.admin().delete("/v1/limits/hot?key=127.0.0.1").unwrap();
        assert_eq!(reset.status, 200);
        eventually("reset", 30_000, || available(lab));
    };
    // Idle.
    let used = load_for(&lab, 8, "/hot", Duration::from_millis(1_000)).of(200);
    assert!(lab.stat("tidegate.limit.hot.leased").unwrap() > 0);
    eventually("idle workers hold nothing", 30_000 - used, || {
        available(&lab)
    });
    // A swap under load: the old policy's leases come back, the counter is the same (R16).
    anew(&lab);
    let load = Load::start(&proxies(&lab), 8, |_, _| Request::get("/hot"));
    std::thread::sleep(Duration::from_millis(600));
    lab.swap(&POLICY.replace("5%", "4%")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let tally = load.stop();
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
    let used = tally.of(200);
    eventually("the swap lost nothing", 30_000 - used, || available(&lab));
    // An Envoy that is taken out of service drains before it ends.
    anew(&lab);
    let load = Load::start(&proxies(&lab), 8, |_, _| Request::get("/hot"));
    std::thread::sleep(Duration::from_millis(600));
    let admin = lab.endpoints().unwrap().envoy_admin[0].clone();
    let drain = Request::new("POST", "/drain_listeners?graceful&skip_exit");
    assert_eq!(Client::new(&admin).send(&drain).unwrap().status, 200);
    let tally = load.stop();
    let used = tally.of(200);
    eventually("a drained Envoy holds nothing", 30_000 - used, || {
        available(&lab)
    });
}
