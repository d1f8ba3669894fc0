//! Bridges and their workers' streams, told by hand in one order.

use super::super::tests::rig::*;
use super::*;
use crate::core::{AdminOp, AdminReply, ConnId, Core, CoreConfig, RequestId, Transmit};
use crate::model::ModelRedis;
use crate::vault::Vault;
use tidegate::cache::l1::name;
use tidegate::wire::op::Op;
use tidegate::wire::{FromBridge, PROTOCOL, ToBridge};

const MS: Duration = Duration::from_millis(1);

/// Bridges that share a Redis; what they tell waits until a test lets it be heard.
struct Bridges {
    cores: Vec<Core>,
    redis: ModelRedis,
    now: Duration,
    told: Vec<Vec<u8>>,
    requests: u64,
}

impl Bridges {
    fn new(n: usize) -> Self {
        let core = |n| {
            let config = CoreConfig::new("tg", format!("bridge-{n}"));
            let mut core = Core::new(config, Vault::new(&[7; 32]));
            core.fleet.hears_from(0);
            core
        };
        Self {
            cores: (0..n).map(core).collect(),
            redis: ModelRedis::default(),
            now: Duration::from_secs(10),
            told: Vec::new(),
            requests: 0,
        }
    }

    /// Redis does what is asked; nobody hears yet what it is told.
    fn redis(&mut self) {
        for core in &mut self.cores {
            while let Some(batch) = core.poll_batch(self.now) {
                let now_us = u64::try_from(self.now.as_micros()).unwrap();
                let call = |command| self.redis.call(now_us, command);
                let replies: Vec<_> = batch.commands.iter().map(call).collect();
                self.told
                    .extend(batch.commands.iter().zip(&replies).filter_map(told));
                core.handle_replies(batch.id, Ok(replies), self.now);
            }
        }
    }

    /// Everybody but `deaf` hears what was told, and what follows from it.
    fn hear(&mut self, deaf: &[usize]) {
        self.redis();
        while !self.told.is_empty() {
            for message in std::mem::take(&mut self.told) {
                for (n, core) in self.cores.iter_mut().enumerate() {
                    if !deaf.contains(&n) {
                        core.handle_told(&message, self.now);
                    }
                }
            }
            self.redis();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for core in &mut self.cores {
            core.handle_timeout(self.now);
        }
    }

    /// Opens a stream and lets its worker ask once.
    fn worker(&mut self, bridge: usize, conn: u64) -> ConnId {
        let conn = ConnId(conn);
        let core = &mut self.cores[bridge];
        core.handle_open(conn);
        core.handle_message(conn, &hello(b"tg", PROTOCOL), self.now);
        self.say(
            bridge,
            conn,
            &ToBridge::Sync {
                seq: 1,
                window_ms: 200,
            },
        );
        conn
    }

    fn say(&mut self, bridge: usize, conn: ConnId, frame: &ToBridge<'_>) {
        let mut message = Vec::new();
        frame.encode(&mut message);
        self.cores[bridge].handle_message(conn, &message, self.now);
    }

    /// What a bridge has said since; answers to the admin API apart.
    fn said(&mut self, bridge: usize) -> (Vec<(ConnId, String)>, Vec<AdminReply>) {
        let (mut frames, mut admin) = (Vec::new(), Vec::new());
        while let Some(transmit) = self.cores[bridge].poll_transmit() {
            match transmit {
                Transmit::Stream { conn, message } => {
                    for frame in FromBridge::decode_all(&message).unwrap() {
                        let text = match frame {
                            FromBridge::Synced { seq } => format!("synced {seq}"),
                            FromBridge::Invalidate { seq, urls } => {
                                format!("invalidate {seq} {}", urls.len())
                            }
                            FromBridge::Held { ms, .. } => format!("held {ms}"),
                            FromBridge::Reply { .. } => "reply".to_owned(),
                            _ => continue,
                        };
                        frames.push((conn, text));
                    }
                }
                Transmit::Admin { result, .. } => admin.push(result),
                other => panic!("{other:?}"),
            }
        }
        (frames, admin)
    }

    fn frames(&mut self, bridge: usize) -> Vec<String> {
        let (frames, _) = self.said(bridge);
        frames.into_iter().map(|(_, text)| text).collect()
    }

    fn purge(&mut self, bridge: usize) {
        self.requests += 1;
        let op = AdminOp::PurgeUrl { url: URL.to_vec() };
        let request = RequestId(self.requests);
        self.cores[bridge].handle_admin(request, &op, self.now);
    }

    /// Whether the last purge is answered by now.
    fn purged(&mut self, bridge: usize) -> bool {
        let (_, admin) = self.said(bridge);
        assert!(
            admin
                .iter()
                .all(|reply| matches!(reply, AdminReply::Count(_))),
            "{admin:?}"
        );
        !admin.is_empty()
    }
}

#[test]
fn a_worker_is_confirmed_by_its_bridge_hearing_itself() {
    let mut all = Bridges::new(2);
    let conn = all.worker(0, 1);
    all.redis();
    assert!(all.frames(0).is_empty(), "not before it is heard");
    all.hear(&[1]);
    assert_eq!(all.said(0).0, [(conn, "synced 1".to_owned())]);
    assert_eq!(all.cores[0].remembering(all.now), 1);
    // What comes while a beat is under way is confirmed by the next one, together.
    all.say(
        0,
        conn,
        &ToBridge::Sync {
            seq: 2,
            window_ms: 200,
        },
    );
    all.say(
        0,
        conn,
        &ToBridge::Sync {
            seq: 3,
            window_ms: 200,
        },
    );
    all.hear(&[]);
    assert!(all.frames(0).is_empty(), "beats are apart");
    all.pass(BEAT_EVERY);
    all.hear(&[]);
    assert_eq!(all.frames(0), ["synced 3"]);
    all.pass(200 * MS);
    assert_eq!(all.cores[0].remembering(all.now), 0);
}

#[test]
fn c1_a_purge_is_answered_when_all_workers_of_all_bridges_have_acknowledged() {
    let mut all = Bridges::new(2);
    let (near, far) = (all.worker(0, 1), all.worker(1, 2));
    all.hear(&[]);
    all.frames(0);
    all.frames(1);
    all.purge(0);
    all.hear(&[]);
    assert_eq!(all.said(0).0, [(near, "invalidate 1 1".to_owned())]);
    assert_eq!(all.frames(1), ["invalidate 1 1"]);
    all.say(0, near, &ToBridge::Ack { seq: 1 });
    all.hear(&[]);
    assert!(!all.purged(0));
    all.say(1, far, &ToBridge::Ack { seq: 1 });
    all.hear(&[]);
    assert!(all.purged(0));
    assert!(all.cores.iter().all(|core| core.is_idle()));
    assert_eq!(all.cores[0].counters().drops_late, 0);
}

#[test]
fn c1_a_silent_worker_costs_its_window_and_no_more() {
    let mut all = Bridges::new(2);
    all.worker(1, 2);
    all.hear(&[]);
    all.pass(50 * MS);
    all.purge(0);
    all.hear(&[]);
    assert!(!all.purged(0));
    all.pass(149 * MS);
    all.hear(&[]);
    assert!(!all.purged(0), "it may use its memory until now");
    all.pass(1 * MS);
    all.hear(&[]);
    assert!(all.purged(0), "its bridge says that it may not");
    assert_eq!(all.cores[1].counters().drops_unacked, 1);
}

#[test]
fn c1_a_silent_bridge_costs_a_window_too() {
    let mut all = Bridges::new(2);
    all.worker(1, 2);
    all.hear(&[]);
    all.purge(0);
    all.hear(&[1]);
    assert!(!all.purged(0));
    all.pass(209 * MS);
    assert!(!all.purged(0));
    all.pass(11 * MS);
    assert!(all.purged(0));
    assert_eq!(all.cores[0].counters().drops_late, 1);
}

#[test]
fn c1_a_stream_that_is_lost_is_waited_for_like_a_silent_one() {
    let mut all = Bridges::new(1);
    let conn = all.worker(0, 1);
    all.hear(&[]);
    all.purge(0);
    all.hear(&[]);
    all.cores[0].handle_close(conn);
    all.hear(&[]);
    assert!(!all.purged(0), "its worker may not know");
    all.pass(200 * MS);
    assert!(all.purged(0));
}

#[test]
fn nobody_is_waited_for_where_nobody_keeps_anything() {
    let mut all = Bridges::new(3);
    all.purge(0);
    all.hear(&[]);
    assert!(all.purged(0));
    // A bridge that had a worker once is none that is waited for.
    all.worker(1, 2);
    all.hear(&[]);
    all.pass(220 * MS);
    all.purge(0);
    all.hear(&[1]);
    assert!(all.purged(0));
}

#[test]
fn c1_a_beat_told_before_a_purge_is_known_by_when_the_purge_comes_back() {
    let mut all = Bridges::new(2);
    all.worker(1, 2);
    all.redis();
    all.purge(0);
    all.hear(&[]);
    assert!(!all.purged(0), "bridge 1 confirmed its worker just before");
    assert_eq!(all.frames(1), ["synced 1", "invalidate 1 1"]);
}

#[test]
fn c2_a_worker_is_told_everything_before_it_is_confirmed() {
    let mut all = Bridges::new(2);
    all.worker(1, 2);
    all.purge(0);
    all.hear(&[]);
    let said = all.frames(1);
    let at = |what: &str| said.iter().position(|frame| frame == what).unwrap();
    // Whichever Redis took first, no confirmation came before what it confirms.
    assert!(
        said.contains(&"synced 1".to_owned()) && at("invalidate 1 1") < 2,
        "{said:?}"
    );
}

#[test]
fn c2_what_was_missed_makes_workers_forget_everything_and_time_decide() {
    let mut all = Bridges::new(2);
    let conn = all.worker(1, 2);
    all.hear(&[]);
    all.frames(1);
    // Bridge 1 misses a purge; the next thing it hears is its own beat.
    all.purge(0);
    all.hear(&[1]);
    all.pass(60 * MS);
    all.say(
        1,
        conn,
        &ToBridge::Sync {
            seq: 2,
            window_ms: 200,
        },
    );
    all.hear(&[]);
    assert_eq!(all.frames(1), ["invalidate 1 0", "synced 2"]);
    assert_eq!(all.cores[1].counters().fleet_gaps, 1);
    // It may have missed beats too.
    all.purge(1);
    all.hear(&[]);
    all.say(1, conn, &ToBridge::Ack { seq: 9 });
    all.hear(&[]);
    assert!(!all.purged(1));
    all.pass(LONGEST);
    assert!(!all.purged(1));
    all.pass(2 * SLACK);
    assert!(all.purged(1));
}

#[test]
fn a_purge_that_nobody_hears_is_final_after_the_longest_window() {
    let mut all = Bridges::new(1);
    all.purge(0);
    all.redis();
    all.told.clear();
    assert!(!all.purged(0));
    all.pass(LONGEST + SLACK);
    assert!(all.purged(0));
}

#[test]
fn a_lost_beat_is_told_again() {
    let mut all = Bridges::new(1);
    let conn = all.worker(0, 1);
    all.redis();
    all.told.clear();
    all.pass(BEAT_LOST);
    all.hear(&[]);
    assert!(all.frames(0).is_empty(), "what it covered is lost with it");
    all.say(
        0,
        conn,
        &ToBridge::Sync {
            seq: 2,
            window_ms: 200,
        },
    );
    all.pass(BEAT_EVERY);
    all.hear(&[]);
    // The lost one left a gap.
    assert_eq!(all.frames(0), ["invalidate 1 0", "synced 2"]);
}

#[test]
fn a_stream_whose_answer_waits_is_told_so() {
    let mut all = Bridges::new(2);
    all.worker(1, 2);
    all.hear(&[]);
    let conn = all.worker(0, 1);
    all.hear(&[]);
    all.frames(0);
    let mut ops = Vec::new();
    Op::CacheInvalidate { urls: vec![URL] }.encode(&mut ops);
    let mut message = Vec::new();
    tidegate::wire::frame::exchange(&mut message, 5, 100, None, 1, &ops);
    all.cores[0].handle_message(conn, &message, all.now);
    all.hear(&[1]);
    all.say(0, conn, &ToBridge::Ack { seq: 1 });
    let said = all.frames(0);
    assert_eq!(
        said,
        ["held 510", "invalidate 1 1"],
        "before it is heard, at most"
    );
    all.pass(150 * MS);
    assert!(all.frames(0).is_empty(), "longer than its own deadline");
    all.pass(80 * MS);
    assert_eq!(all.frames(0), ["reply"]);
    assert!(all.cores[0].is_idle());
}

#[test]
fn many_urls_are_everything() {
    let urls: Vec<Vec<u8>> = (0..=128)
        .map(|n| format!("http://a/{n}").into_bytes())
        .collect();
    let names = |urls: &[Vec<u8>]| Names::of(urls.iter().map(|url| name(url)).collect());
    assert_eq!(names(&urls), Names::All);
    assert!(matches!(names(&urls[1..]), Names::These(names) if names.len() == 128));
}

#[test]
fn x4_what_a_worker_never_acknowledges_is_bounded() {
    let mut all = Bridges::new(1);
    all.worker(0, 1);
    all.hear(&[]);
    for _ in 0..5_000 {
        all.purge(0);
        all.hear(&[]);
    }
    all.pass(LONGEST);
    all.hear(&[]);
    assert!(all.cores[0].is_idle());
}

#[test]
fn what_is_no_message_is_counted() {
    let mut all = Bridges::new(1);
    all.cores[0].handle_told(b"hello", all.now);
    assert_eq!(all.cores[0].counters().fleet_malformed, 1);
}
