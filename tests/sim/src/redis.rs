//! The model Redis as a process with connections: it pauses, dies, loads, refuses, forgets nothing.

use crate::options::Mutant;
use crate::queue::Event;
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::{BackendError, Batch, Command, Value};
use redis_bridge::model::ModelRedis;
use redis_bridge::script::Script;

/// Redis' clock at the start of a run, microseconds since the epoch.
const EPOCH_US: u64 = 1_800_000_000_000_000;

/// A Redis process.
#[derive(Debug, Default)]
pub struct Redis {
    /// The data.
    pub model: ModelRedis,
    /// Dead until then.
    pub down_until: u64,
    /// Stopped until then.
    pub paused_until: u64,
    /// Loading until then.
    pub loading_until: u64,
    /// Refuses some commands until then.
    pub errors_until: u64,
}

impl Redis {
    /// Whether it answers at this time.
    pub fn is_up(&self, now: u64) -> bool {
        now >= self.down_until && now >= self.paused_until && now >= self.loading_until
    }
}

impl World {
    /// Redis' clock.
    pub fn redis_us(&self) -> u64 {
        EPOCH_US + self.now / 1000
    }

    /// A batch reaches Redis.
    pub fn redis_batch(&mut self, bridge: usize, conn: u64, batch: Batch) {
        if self.now < self.redis.paused_until {
            let at = self.redis.paused_until | 1;
            return self.queue.at(at, Event::Redis(bridge, conn, batch));
        }
        let incarnation = self.bridges[bridge].incarnation;
        let same = self.bridges[bridge].redis_conn == conn;
        if self.now < self.redis.down_until {
            self.never_ran(&batch);
            if same {
                let down = Err(BackendError::Down);
                let at = self.now + MS;
                self.queue
                    .at(at, Event::Replies(bridge, incarnation, batch.id, down));
            }
            return;
        }
        // The connection is gone; what Redis had read of it may still run.
        if !same && self.rng.chance(500) {
            return self.never_ran(&batch);
        }
        let waits = same && self.bridges[bridge].in_flight.contains(&batch.id);
        if same && !waits {
            self.marks.hit("redis_ran_after_timeout");
        }
        let mut replies = Vec::new();
        for command in &batch.commands {
            let reply = self.execute(bridge, command);
            self.ran(bridge, incarnation, &batch, command, &reply, waits);
            replies.push(self.lie(command, reply));
        }
        if waits {
            let tail = self.tail();
            let latency = self.rng.latency(MS / 5, 600 * MS, tail);
            let at = &mut self.bridges[bridge];
            at.reply_last = (self.now + latency).max(at.reply_last + 2);
            let event = Event::Replies(bridge, incarnation, batch.id, Ok(replies));
            self.queue.at(at.reply_last, event);
        }
    }

    /// Cuts a bridge's connection; its replies are lost.
    pub fn reset_redis(&mut self, bridge: usize) {
        let at = &mut self.bridges[bridge];
        at.redis_conn += 1;
        at.redis_last = 0;
        at.reply_last = 0;
        let incarnation = at.incarnation;
        self.unsubscribe(bridge);
        let at = &mut self.bridges[bridge];
        let lost: Vec<_> = std::mem::take(&mut at.in_flight).into_iter().collect();
        for batch in lost {
            self.bridges[bridge].in_flight.insert(batch);
            self.replies_at_bridge(bridge, incarnation, batch, Err(BackendError::Down));
        }
    }

    fn execute(&mut self, bridge: usize, command: &Command) -> Value {
        if self.now < self.redis.loading_until {
            self.marks.hit("loading");
            return Value::error("LOADING Redis is loading the dataset in memory");
        }
        if self.now < self.redis.errors_until && self.rng.chance(300) {
            self.marks.hit("redis_command_failed");
            let line = [
                "OOM command not allowed",
                "READONLY You can't write",
                "MISCONF Errors",
            ];
            return Value::error(line[self.rng.index(3)]);
        }
        let now_us = match self.options.mutant {
            Some(Mutant::BridgeClock) => self.redis_us() + self.bridges[bridge].origin / 1000,
            _ => self.redis_us(),
        };
        if let Some(reply) = self.spoil(command, now_us) {
            return reply;
        }
        let resets = command.script == Script::LimitReset;
        if resets {
            self.resets(command);
        }
        let entries = &self.redis.model.store.entries;
        let there = command.keys.iter().map(|key| entries.contains_key(key));
        let before: Vec<bool> = there.collect();
        let reply = self.redis.model.call(now_us, command);
        self.spoil_after(command);
        self.check_grown(command, &before, &reply);
        if resets && self.options.mutant != Some(Mutant::WordsLost) {
            self.publish(command);
        }
        if command.script == Script::FleetTell {
            self.publish_told(command, &reply);
        }
        if self.options.mutant == Some(Mutant::WithoutTtl) && self.rng.chance(20) {
            for key in &command.keys {
                if let Some(entry) = self.redis.model.store.entries.get_mut(key) {
                    entry.expires_ms = None;
                }
            }
        }
        for key in &command.keys {
            let entry = self.redis.model.store.entries.get(key);
            if entry.is_some_and(|entry| entry.expires_ms.is_none()) {
                let key = String::from_utf8_lossy(key).into_owned();
                self.violated(format!("X11: {key} has no TTL after {:?}", command.script));
            }
        }
        reply
    }
}
