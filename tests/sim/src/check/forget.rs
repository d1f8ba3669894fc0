//! Resets of limits: what Redis publishes, who has heard of it, and hence what R12 lets a worker
//! believe still: what was true before a reset, until the word of it arrives, which is soon.

use crate::check::denied::Applied;
use crate::check::end::RECOVERY;
use crate::check::lease::PROMPT;
use crate::queue::{Event, VmId};
use crate::world::World;
use redis_bridge::core::{Command, ConnId};
use redis_bridge::model::Entry;
use std::collections::{BTreeMap, VecDeque};
use tidegate::wire::FromBridge;

/// A subject's limit was reset.
#[derive(Debug, Clone)]
pub struct Word {
    /// Whom it counts.
    pub subject: [u8; 16],
    /// When.
    pub at: u64,
}

/// One reset: when, and what it removed.
type Reset = (u64, Option<Entry>);

/// All resets, and on which streams the word of them is.
#[derive(Debug, Default)]
pub struct Forgets {
    resets: BTreeMap<Vec<u8>, Vec<Reset>>,
    /// The one a bridge is passing on.
    telling: Option<u64>,
    on_the_way: BTreeMap<(ConnId, [u8; 16]), VecDeque<u64>>,
    heard: BTreeMap<(VmId, [u8; 16]), u64>,
}

impl World {
    /// A reset is about to run.
    pub fn resets(&mut self, command: &Command) {
        let key = &command.keys[0];
        let before = self.redis.model.store.entries.get(key).cloned();
        if before.is_some() {
            self.marks.hit("reset_of_counted");
        }
        let resets = self.forgets.resets.entry(key.clone()).or_default();
        resets.push((self.now, before));
    }

    /// It ran: every bridge that lives is told, in order.
    pub fn publish(&mut self, command: &Command) {
        let channel = command
            .args
            .first()
            .map_or("", |c| std::str::from_utf8(c).unwrap_or(""));
        let subject = channel.rsplit(':').next().unwrap_or("");
        let Ok(subject) = u128::from_str_radix(subject, 16) else {
            return self.violated(format!("a reset is told on {channel:?}"));
        };
        let word = Word {
            subject: subject.to_be_bytes(),
            at: self.now,
        };
        for bridge in 0..self.bridges.len() {
            let latency = self.hop();
            let at = &mut self.bridges[bridge];
            at.told_last = (self.now + latency).max(at.told_last + 1);
            let event = Event::Forget(bridge, at.incarnation, word.clone());
            self.queue.at(at.told_last, event);
        }
    }

    /// The word reaches a bridge, which passes it on.
    pub fn forget_at_bridge(&mut self, bridge: usize, incarnation: u64, word: Word) {
        if self.bridges[bridge].up && self.bridges[bridge].incarnation == incarnation {
            self.forgets.telling = Some(word.at);
            self.bridge(bridge, |core, _| core.handle_forget(&word.subject));
            self.forgets.telling = None;
        }
    }

    /// A bridge sends it on a stream.
    pub fn forget_sent(&mut self, conn: ConnId, subject: [u8; 16]) {
        match self.forgets.telling {
            Some(at) => {
                let words = self.forgets.on_the_way.entry((conn, subject)).or_default();
                words.push_back(at);
            }
            None => self.violated("R12: a bridge tells of a reset that was none".to_owned()),
        }
    }

    /// A message reaches a worker.
    pub fn forget_heard(&mut self, vm: VmId, conn: ConnId, message: &[u8]) {
        let any = (conn, [0; 16])..=(conn, [u8::MAX; 16]);
        if self.forgets.on_the_way.range(any).next().is_none() {
            return;
        }
        for frame in FromBridge::decode_all(message).unwrap_or_default() {
            let FromBridge::Forget { subject } = frame else {
                continue;
            };
            let words = self.forgets.on_the_way.get_mut(&(conn, *subject));
            let Some(at) = words.and_then(VecDeque::pop_front) else {
                continue;
            };
            self.marks.hit("forgotten");
            let heard = self.forgets.heard.entry((vm, *subject)).or_default();
            *heard = at.max(*heard);
            self.lease_forgotten(vm, *subject);
        }
    }

    /// Whether a VM that cannot know better yet may believe what was true before a reset.
    pub fn may_believe(&self, vm: VmId, applied: &Applied) -> bool {
        let heard = self.forgets.heard.get(&(vm, applied.subject)).copied();
        let resets = self.forgets.resets.get(&applied.key);
        let mended = self.healed.map(|healed| healed + RECOVERY);
        let (now, now_us) = (self.now, self.redis_us());
        resets.into_iter().flatten().any(|(at, before)| {
            let unheard = heard.is_none_or(|heard| heard < *at);
            // Streams that are stalled or lost may be so for as long as a denial is believed.
            let prompt = match mended {
                Some(mended) if *at > mended => now - at <= PROMPT,
                _ => true,
            };
            unheard && prompt && applied.would_be_denied(now_us, before.as_ref())
        })
    }
}
