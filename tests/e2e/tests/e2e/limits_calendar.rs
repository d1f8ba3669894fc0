//! A day in Berlin is 23, 24 or 25 hours long, by Redis' clock.

use crate::kit::eventually;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_e2e::{Clock, Lab, Request};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 2s }
limits:
  daily: { algorithm: fixed_window, limit: 2, window: day, timezone: Europe/Berlin, key: ['header:x-key'], on_error: deny }
policies:
  daily: { limits: [daily] }
routes:
  - { match: { path: /daily }, policy: daily }
";

const HOUR: i64 = 3_600;
/// 2026-03-28 23:00 UTC: midnight in Berlin, before the day that has no hour from 2 to 3.
const SPRING: i64 = 1_774_738_800;
/// 2026-10-24 22:00 UTC: midnight in Berlin, before the day that has that hour twice.
const AUTUMN: i64 = 1_792_879_200;

/// How far ahead a clock is that shows `wanted` now.
#[expect(
    clippy::disallowed_methods,
    reason = "what a clock is put ahead of is this machine's"
)]
fn ahead(wanted: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    wanted - i64::try_from(now.as_secs()).unwrap()
}

fn until_reset(lab: &Lab, key: &str) -> (u16, i64) {
    let request = Request::get("/daily").field("x-key", key);
    let answer = lab.client(0).send(&request).unwrap();
    let told = answer.get("ratelimit").unwrap();
    let reset = told.split(";t=").nth(1).unwrap();
    (answer.status, reset.parse().unwrap())
}

#[test]
fn f5_a_day_in_berlin_across_both_changes_of_the_clock() {
    // Nobody is asked but Redis: Envoy and bridges keep the time of the machine.
    let lab = Lab::with(POLICY, |spec| {
        spec.clocks = vec![Clock::new("redis-state-0", ahead(SPRING - 40))];
    });
    for (midnight, hours) in [(SPRING, 23), (AUTUMN, 25)] {
        let key = format!("day of {hours} hours");
        lab.step_clock("redis-state-0", ahead(midnight - 4))
            .unwrap();
        // The bridge learns Redis' time with its next look at it.
        std::thread::sleep(Duration::from_millis(1_200));
        let (status, reset) = until_reset(&lab, &key);
        assert_eq!(status, 200);
        assert!((1..=4).contains(&reset), "{reset} s to midnight");
        assert_eq!(until_reset(&lab, &key).0, 200);
        assert_eq!(until_reset(&lab, &key).0, 429, "the day is used up");
        // Midnight: a new day, as long as it is.
        eventually("the next day", 200, || until_reset(&lab, &key).0);
        let (status, reset) = until_reset(&lab, &key);
        assert_eq!(status, 200);
        let day = hours * HOUR;
        assert!((day - 60..=day).contains(&reset), "{reset} of {day}");
        let (status, reset) = until_reset(&lab, &key);
        assert_eq!(status, 429);
        assert!((day - 60..=day).contains(&reset), "{reset} of {day}");
        // 24 hours after midnight: the short day is over for an hour, the long one is not.
        lab.step_clock("redis-state-0", ahead(midnight + 24 * HOUR - 1_800))
            .unwrap();
        std::thread::sleep(Duration::from_millis(1_200));
        let other = format!("{key}, half an hour before 24 hours");
        let (_, reset) = until_reset(&lab, &other);
        // After the short day the next one has begun half an hour ago.
        let expected = match hours {
            23 => 24 * HOUR - 1_800,
            _ => HOUR + 1_800,
        };
        assert!(
            (expected - 60..=expected).contains(&reset),
            "{reset}, {expected}"
        );
    }
}
