//! Keys are replaced while people use the site: first every process learns the new one beside the old, then the
//! new one signs and seals, then the old one goes.

use crate::kit::{eventually, with_cookie};
use crate::session_kit::{FREE, cost, decoded};
use tidegate::session::token::mint;
use tidegate::session::{Keys, RealmTag};
use tidegate_e2e::{Lab, Load};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
policies:
  web: { session: web }
default_policy: web
";

/// The processes, in the order they are restarted: one after the other, so that one of each kind is always up.
const ALL: [&str; 4] = ["bridge-0", "bridge-1", "envoy-0", "envoy-1"];
const NEW_MAC: &str = "2:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
const NEW_MASTER: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";

/// Restarts everything with these keys.
fn roll(lab: &mut Lab, mac: &str, master: &str) {
    for part in ALL {
        let set = |env: &mut Vec<(String, String)>| {
            for (name, value) in env {
                match name.as_str() {
                    "TIDEGATE_SESSION_KEYS" => mac.clone_into(value),
                    "TIDEGATE_MASTER_KEY" => master.clone_into(value),
                    _ => {}
                }
            }
        };
        lab.alter(part, |launch| set(&mut launch.env)).unwrap();
        lab.restart(part).unwrap();
        let (live, all) = lab.live_workers().unwrap();
        assert_eq!(live, all);
    }
}

fn logins(lab: &Lab, name: &str) -> Vec<String> {
    let login = |n| lab.login("web", &format!("{name}-{n}"), &[]).unwrap();
    (0..4).map(login).collect()
}

/// People who use their sessions at both Envoys until told to stop.
fn used(lab: &Lab, tokens: &[String]) -> Load {
    let tokens = tokens.to_vec();
    let envoys = lab.endpoints().unwrap().envoys;
    Load::start(&envoys, 4, move |i, n| {
        let turn = usize::try_from(n).unwrap() + i;
        with_cookie("/", "sid", &tokens[turn % tokens.len()])
    })
}

/// Nobody was logged out. While a proxy restarts it refuses connections, and 503 keeps the cookie.
fn kept(load: Load) {
    load.goes_on(501);
    let tally = load.stop();
    assert!(tally.of(200) > 500, "{tally:?}");
    let others = tally
        .statuses
        .keys()
        .find(|status| ![200, 503].contains(*status));
    assert_eq!(others, None, "{tally:?}");
}

fn status(lab: &Lab, envoy: u16, token: &str) -> u16 {
    let answer = lab.client(envoy).send(&with_cookie("/", "sid", token));
    answer.unwrap().status
}

#[test]
fn keys_are_replaced_under_traffic_and_nobody_is_logged_out() {
    let mut lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let (mac, master) = (
        lab.secrets().session_keys.clone(),
        lab.secrets().master_key.clone(),
    );
    let before = logins(&lab, "before");
    let load = used(&lab, &before);
    roll(
        &mut lab,
        &format!("{mac},{NEW_MAC}"),
        &format!("{master},{NEW_MASTER}"),
    );
    let between = logins(&lab, "between");
    roll(
        &mut lab,
        &format!("{NEW_MAC},{mac}"),
        &format!("{NEW_MASTER},{master}"),
    );
    kept(load);
    let after = logins(&lab, "after");
    for (tokens, kid) in [(&before, 1), (&between, 1), (&after, 2)] {
        for token in tokens {
            assert_eq!(decoded(token)[1], kid);
            eventually("at both", [200; 2], || {
                [0, 1].map(|i| status(&lab, i, token))
            });
        }
    }

    // The longest session of the old keys has ended: they go.
    let load = used(&lab, &after);
    roll(&mut lab, NEW_MAC, NEW_MASTER);
    kept(load);
    for token in &after {
        eventually("at both", [200; 2], || {
            [0, 1].map(|i| status(&lab, i, token))
        });
    }
    let spent = cost(&lab, || {
        for token in before.iter().chain(&between) {
            assert_eq!(status(&lab, 0, token), 401);
        }
    });
    assert_eq!(spent, FREE);

    // Whoever stole the old keys and a token: signed anew, it still opens nothing, and no user of it is told.
    let stolen = decoded(&before[0]);
    let (user, secret) = (
        stolen[11..23].try_into().unwrap(),
        stolen[23..41].try_into().unwrap(),
    );
    let time = lab.redis().call(&["TIME"]).unwrap();
    let now = u64::try_from(time.items()[0].int().unwrap()).unwrap();
    let keys = Keys::parse(NEW_MAC).unwrap();
    let forged = mint(&keys, RealmTag::of("web"), user, now + 3_600, secret);
    assert_eq!(status(&lab, 0, &forged), 503);
}
