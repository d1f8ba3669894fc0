//! What bridges tell each other through Redis, in one order; a bridge that loses its connection misses some.

use crate::options::Mutant;
use crate::queue::Event;
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::{Command, Value};
use tidegate::wire::FromBridge;

impl World {
    /// Redis publishes what it was told: every bridge that listens hears it, in order.
    pub fn publish_told(&mut self, command: &Command, reply: &Value) {
        let (Some(number), Some(text)) = (reply.as_u64(), command.args.get(1)) else {
            return;
        };
        let message = [number.to_string().as_bytes(), b" ", text].concat();
        for bridge in 0..self.bridges.len() {
            let latency = self.hop();
            let at = &mut self.bridges[bridge];
            if self.now < at.deaf_until {
                continue;
            }
            at.told_last = (self.now + latency).max(at.told_last + 1);
            let event = Event::Told(bridge, at.incarnation, at.subscription, message.clone());
            self.queue.at(at.told_last, event);
        }
    }

    /// A bridge hears nothing for a while; what was on its way is lost.
    pub fn unsubscribe(&mut self, bridge: usize) {
        let deaf = self.rng.between(MS, 300 * MS);
        let at = &mut self.bridges[bridge];
        at.subscription += 1;
        at.deaf_until = self.now + deaf;
        let event = Event::Subscribed(bridge, at.incarnation, at.subscription);
        self.queue.at(at.deaf_until, event);
    }

    /// It hears again.
    pub fn subscribed(&mut self, bridge: usize, incarnation: u64, subscription: u64) {
        if self.listens(bridge, incarnation, subscription) {
            self.bridge(bridge, |core, now| core.handle_subscribed(now));
        }
    }

    /// A message reaches a bridge.
    pub fn told(&mut self, bridge: usize, incarnation: u64, subscription: u64, message: &[u8]) {
        if !self.listens(bridge, incarnation, subscription) {
            return;
        }
        let mut message = message.to_vec();
        if self.options.mutant == Some(Mutant::GapsUnseen) {
            if message.windows(6).any(|w| w == b" drop ") && self.rng.chance(300) {
                return;
            }
            let at = &mut self.bridges[bridge];
            at.heard += 1;
            let text = message.iter().position(|b| *b == b' ').unwrap_or(0);
            message.splice(..text, at.heard.to_string().into_bytes());
        }
        self.bridge(bridge, |core, now| core.handle_told(&message, now));
    }

    fn listens(&self, bridge: usize, incarnation: u64, subscription: u64) -> bool {
        let at = &self.bridges[bridge];
        at.up && at.incarnation == incarnation && at.subscription == subscription
    }

    /// Whether a mutant takes this frame off the wire.
    pub fn unsaid(&self, frame: &FromBridge<'_>) -> bool {
        self.options.mutant == Some(Mutant::InvalidationsUnsaid)
            && matches!(frame, FromBridge::Invalidate { .. })
    }
}
