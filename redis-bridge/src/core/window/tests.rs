use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn ms(n: u64) -> Duration {
    MS * u32::try_from(n).unwrap()
}

/// A Redis that does one command after the other, so many a second, so far away.
struct Redis {
    per_s: u32,
    away: Duration,
    /// When it has done all it was given.
    free: Duration,
    /// When a batch is back, when it was sent, and its commands.
    out: VecDeque<(Duration, Duration, usize)>,
}

/// What came of a span of time.
#[derive(Debug, Default)]
struct Span {
    done: usize,
    longest: Duration,
    most_out: usize,
}

impl Redis {
    fn new(per_s: u32, away_ms: u64) -> Self {
        Self {
            per_s,
            away: ms(away_ms),
            free: Duration::ZERO,
            out: VecDeque::new(),
        }
    }

    fn give(&mut self, commands: usize, now: Duration) {
        let work = Duration::from_secs(1) / self.per_s * u32::try_from(commands).unwrap();
        self.free = self.free.max(now) + work;
        self.out.push_back((self.free + self.away, now, commands));
    }

    /// Offers it `offered` commands each millisecond; what does not fit is nobody's any more.
    fn run(&mut self, window: &mut Window, from: u64, to: u64, offered: usize) -> Span {
        let mut span = Span::default();
        for now in (from..to).map(ms) {
            while let Some((at, since, commands)) = self.out.front().copied()
                && at <= now
            {
                self.out.pop_front();
                window.back(since, commands, true, now);
                span.done += commands;
                span.longest = span.longest.max(now - since);
            }
            let room = window.room(now).min(offered);
            if room > 0 {
                window.sent(room, now);
                self.give(room, now);
            }
            let out = self.out.iter().map(|(_, _, commands)| commands).sum();
            span.most_out = span.most_out.max(out);
        }
        span
    }
}

#[test]
fn a_redis_that_is_not_busy_is_not_held_back() {
    let (mut window, mut redis) = (Window::default(), Redis::new(50_000, 0));
    let span = redis.run(&mut window, 0, 5_000, 20);
    assert!(span.done >= 99_900, "{span:?}");
    assert_eq!(window.most, usize::MAX);
}

#[test]
fn one_that_is_overloaded_does_all_it_can_and_answers_in_time() {
    for (per_s, away) in [(500, 0), (5_000, 0), (50_000, 0), (500, 40), (50_000, 40)] {
        let (mut window, mut redis) = (Window::default(), Redis::new(per_s, away));
        // Well first, so that it is known what it takes alone.
        let tenth = usize::try_from(per_s / 10_000).unwrap().max(1);
        redis.run(&mut window, 0, if per_s == 500 { 5 } else { 1_000 }, tenth);
        let offered = usize::try_from(per_s / 250).unwrap();
        redis.run(&mut window, 1_000, 3_000, offered);
        let span = redis.run(&mut window, 3_000, 13_000, offered);
        let all = usize::try_from(per_s).unwrap() * 10;
        // Half of what keeps a Redis busy that is far away is less than what is on its way there and back.
        let least = if away > 0 { 80 } else { 90 };
        assert!(
            span.done * 100 >= all * least,
            "{per_s} {away}: {span:?} of {all}"
        );
        assert!(
            span.longest <= ms(2 * away + 100),
            "{per_s} {away}: {span:?}"
        );
    }
}

#[test]
fn a_stall_meets_little_and_what_came_is_not_done_after_it() {
    let (mut window, mut redis) = (Window::default(), Redis::new(5_000, 0));
    redis.run(&mut window, 0, 1_000, 2);
    redis.free = ms(1_300);
    let span = redis.run(&mut window, 1_000, 1_300, 2);
    // What comes in the 50 ms until it is noticed.
    assert!(span.most_out <= 110, "{span:?}");
    redis.run(&mut window, 1_300, 1_400, 2);
    let span = redis.run(&mut window, 1_400, 2_400, 2);
    assert!(span.done >= 1_990, "{span:?}");
    assert!(span.longest <= ms(5), "{span:?}");
}

#[test]
fn a_redis_that_is_farther_away_from_now_on_is_learned() {
    let (mut window, mut redis) = (Window::default(), Redis::new(50_000, 0));
    redis.run(&mut window, 0, 1_000, 5);
    redis.away = ms(80);
    redis.run(&mut window, 1_000, 3_000, 5);
    let span = redis.run(&mut window, 3_000, 4_000, 5);
    assert!(span.done >= 4_900, "{span:?}");
}

/// D2, D17: a batch whose reply was lost on its way shut the lane, though Redis answered everybody else.
#[test]
fn what_a_connection_holds_up_is_in_front_of_nobody() {
    let (mut window, mut redis) = (Window::default(), Redis::new(5_000, 0));
    redis.run(&mut window, 0, 1_000, 2);
    window.sent(500, ms(1_000));
    let span = redis.run(&mut window, 1_001, 2_000, 2);
    assert!(span.done >= 1_950, "{span:?}");
    let before = window.most;
    window.back(ms(1_000), 500, true, ms(2_000));
    assert_eq!(window.most, before, "it says nothing of Redis");
    assert_eq!(window.batches(), redis.out.len());
}

#[test]
fn what_fails_at_once_opens_nothing_and_closes_nothing() {
    let (mut window, mut redis) = (Window::default(), Redis::new(5_000, 0));
    redis.run(&mut window, 0, 1_000, 2);
    redis.free = ms(1_300);
    redis.run(&mut window, 1_000, 1_100, 2);
    let before = window.most;
    assert!(before < 100);
    for now in (2_000..2_100).map(ms) {
        window.sent(2, now);
        window.back(now, 2, false, now);
    }
    assert_eq!(window.most, before);
}

proptest! {
    /// A lane is never shut for good: with nothing out there is room.
    #[test]
    fn with_nothing_out_there_is_room(
        steps in prop::collection::vec((0..4_u8, 1..2_000_usize, 0..400_u64, any::<bool>()), 1..200),
    ) {
        let (mut window, mut out, mut now) = (Window::default(), Vec::new(), Duration::ZERO);
        for (step, commands, wait, answered) in steps {
            now += ms(wait);
            let room = window.room(now);
            if step > 0 && room > 0 {
                window.sent(commands.min(room), now);
                out.push((now, commands.min(room)));
            } else if !out.is_empty() {
                let (since, commands) = out.swap_remove(commands % out.len());
                window.back(since, commands, answered, now);
            }
            prop_assert_eq!(window.batches(), out.len());
        }
        for (since, commands) in out {
            window.back(since, commands, false, now);
        }
        prop_assert_eq!(window.commands(), 0);
        prop_assert!(window.room(now) >= LEAST);
    }
}
