//! What is under way when a session ends, or when whoever asked leaves: Redis is stopped, so that it all arrives
//! at once when it goes on.

use crate::kit::{eventually, keys, with_cookie};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;
use tidegate_e2e::{Lab, crowd};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid, touch: always }
policies:
  web: { session: web }
default_policy: web
";

/// How long Redis stands still: both the look-ups and the revocation have reached it by then.
const STILL: Duration = Duration::from_millis(400);

fn status(lab: &Lab, token: &str) -> u16 {
    let answer = lab.client(0).send(&with_cookie("/", "sid", token));
    answer.unwrap().status
}

fn sessions(lab: &Lab) -> usize {
    let keys = keys(&lab.redis());
    keys.iter().filter(|key| key.starts_with(b"tg:s:")).count()
}

#[test]
fn s3_a_touch_that_is_under_way_brings_no_revoked_session_back() {
    let lab = Lab::new(POLICY);
    for round in 0..6 {
        let token = lab.login("web", "ada", &[]).unwrap();
        assert_eq!(status(&lab, &token), 200);
        let revoke = "/v1/users/ada/sessions?realm=web";
        lab.pause("redis-state-0").unwrap();
        // Half of the touches come before the revocation, half after it.
        let seen = std::thread::scope(|scope| {
            let touches = |wait: Duration| {
                let (lab, token) = (&lab, &token);
                scope.spawn(move || {
                    std::thread::sleep(wait);
                    crowd(4, |_| status(lab, token))
                })
            };
            let before = touches(Duration::ZERO);
            let after = touches(STILL / 2);
            let revoked = scope.spawn(|| {
                std::thread::sleep(STILL / 4);
                lab.admin_of(round % 2).delete(revoke).unwrap().status
            });
            std::thread::sleep(STILL);
            lab.resume("redis-state-0").unwrap();
            assert_eq!(revoked.join().unwrap(), 200);
            [before.join().unwrap(), after.join().unwrap()].concat()
        });
        // Whoever asked while it was revoked may get either answer, and nobody an error.
        assert!(
            seen.iter().all(|status| [200, 401].contains(status)),
            "{seen:?}"
        );
        assert_eq!(status(&lab, &token), 401);
        assert_eq!(sessions(&lab), 0, "nothing came back");
    }
}

#[test]
fn a_client_that_hangs_up_during_the_look_up_leaves_its_session_intact() {
    let lab = Lab::new(POLICY);
    let token = lab.login("web", "ada", &[]).unwrap();
    assert_eq!(status(&lab, &token), 200);
    lab.pause("redis-state-0").unwrap();
    let address = format!("127.0.0.1:{}", lab.spec().proxy_port(0));
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: sid={token}\r\n\r\n");
    for _ in 0..8 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        std::thread::sleep(STILL / 8);
        // Envoy sees the connection close while the look-up is under way.
        drop(stream);
    }
    lab.resume("redis-state-0").unwrap();
    eventually("it lives", 200, || status(&lab, &token));
    assert_eq!(sessions(&lab), 1);
    assert_eq!(lab.complaints(), [""; 0]);
}
