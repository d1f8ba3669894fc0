//! What mutants do to Redis: to what it does, and to what it says.

use crate::options::Mutant;
use crate::world::World;
use redis_bridge::core::{Command, Value};
use redis_bridge::script::Script;

/// How much longer a mutant says that a denial holds, microseconds.
const TOO_LONG_US: i64 = 700_000;

impl World {
    /// Does something else to what Redis holds, or in place of the command.
    pub fn spoil(&mut self, command: &Command, now_us: u64) -> Option<Value> {
        match (self.options.mutant, command.script) {
            (Some(Mutant::AckRevokeUndone), Script::SessionRevoke) => {
                return Some(Value::Array(vec![Value::Integer(1); 2]));
            }
            (Some(Mutant::AckRevokeUndone), Script::SessionRevokeUser) => {
                return Some(Value::Array(vec![Value::Integer(1); 3]));
            }
            (Some(Mutant::AckInvalidateUndone), Script::CacheInvalidate) => {
                return Some(Value::Integer(1));
            }
            (Some(mutant), Script::LimitTake | Script::LimitTakePlain)
                if forgets(mutant, command) && self.rng.chance(50) =>
            {
                self.redis.model.store.entries.remove(&command.keys[0]);
            }
            (Some(Mutant::SlotKept), Script::LimitReturn)
                if is(command, b"concurrency") && self.rng.chance(200) =>
            {
                return Some(Value::Array(vec![Value::Integer(1)]));
            }
            (Some(Mutant::ReturnMore), Script::LimitReturn) if !is(command, b"concurrency") => {
                let mut more = command.clone();
                more.args[4] = b"9".to_vec();
                return Some(self.redis.model.call(now_us, &more));
            }
            (Some(Mutant::Uncharged), Script::LimitTake | Script::LimitTakePlain)
                if self.rng.chance(100) =>
            {
                return Some(self.redis.model.clone().call(now_us, command));
            }
            (Some(Mutant::SuccessorForgotten), Script::SessionRead | Script::SessionRotate) => {
                self.forget_changes(command, &[b"s", b"m"]);
            }
            (Some(Mutant::StoreWithoutLease), Script::CachePut) => self.grant(command, now_us),
            (Some(Mutant::SessionsNeverEnd), Script::SessionGet) => self.keep(command),
            _ => {}
        }
        None
    }

    /// Does something more than Redis did.
    pub fn spoil_after(&mut self, command: &Command) {
        let (Some(Mutant::TouchCreates), Script::SessionGet) =
            (self.options.mutant, command.script)
        else {
            return;
        };
        let key = &command.keys[0];
        let entries = &mut self.redis.model.store.entries;
        match entries.get(key) {
            Some(entry) => self.last_session = Some(entry.clone()),
            None if self.rng.chance(300) => {
                if let Some(entry) = self.last_session.clone() {
                    entries.insert(key.clone(), entry);
                }
            }
            None => {}
        }
    }

    /// The mutant's session knows nothing of the token that replaced it, or of others' changes.
    fn forget_changes(&mut self, command: &Command, fields: &[&[u8]]) {
        use redis_bridge::model::Data;
        let entry = self.redis.model.store.entries.get_mut(&command.keys[0]);
        if let Some(Data::Hash(all)) = entry.map(|entry| &mut entry.data) {
            for name in fields {
                all.remove(*name);
            }
        }
    }

    /// Says something else than Redis did; what it did is judged by what it said.
    pub fn lie(&self, command: &Command, mut reply: Value) -> Value {
        let take = matches!(command.script, Script::LimitTake | Script::LimitTakePlain);
        let (Some(mutant), Value::Array(items), true) = (self.options.mutant, &mut reply, take)
        else {
            return reply;
        };
        for verdict in items.iter_mut().skip(2) {
            let Value::Array(verdict) = verdict else {
                continue;
            };
            match (mutant, &mut verdict[..]) {
                (Mutant::DeniedTooLong, [Value::Integer(0), _, _, Value::Integer(retry), ..]) => {
                    *retry += TOO_LONG_US;
                }
                (Mutant::LeaseTwice, [.., Value::Integer(leased), Value::Integer(_)])
                    if is(command, b"fixed_window") =>
                {
                    *leased *= 2;
                }
                (Mutant::NoTurns, [Value::Integer(1), _, _, Value::Integer(wait), ..])
                    if is(command, b"leaky_bucket") =>
                {
                    *wait = 0;
                }
                _ => {}
            }
        }
        reply
    }

    /// The mutant's lease for a store.
    fn grant(&mut self, command: &Command, now_us: u64) {
        use redis_bridge::model::{Data, Entry};
        use std::collections::BTreeMap;
        let entries = &mut self.redis.model.store.entries;
        let fresh = || Entry {
            data: Data::Hash(BTreeMap::new()),
            expires_ms: Some(now_us / 1000 + 60_000),
        };
        let entry = entries.entry(command.keys[0].clone()).or_insert_with(fresh);
        if let Data::Hash(fields) = &mut entry.data {
            let id = String::from_utf8_lossy(&command.args[3]).into_owned();
            let lease = format!("{id} {} {now_us} 0 0", now_us + 60_000_000);
            let field = [b"l:", &command.args[11][..]].concat();
            fields.insert(b"u".to_vec(), command.args[0].clone());
            fields.insert(field, lease.into_bytes());
        }
    }

    /// The mutant's session without an end.
    fn keep(&mut self, command: &Command) {
        use redis_bridge::model::Data;
        if let Some(entry) = self.redis.model.store.entries.get_mut(&command.keys[0]) {
            entry.expires_ms = Some(u64::MAX / 2000);
            if let Data::Hash(fields) = &mut entry.data {
                fields.insert(b"d".to_vec(), b"4000000000000000".to_vec());
            }
        }
    }
}

/// Whether a mutant forgets what this take's first limit has counted.
fn forgets(mutant: Mutant, command: &Command) -> bool {
    let algorithm: &[u8] = match mutant {
        Mutant::ForgetBucket => b"token_bucket",
        Mutant::ForgetLog => b"sliding_window_log",
        Mutant::ForgetSlots => b"concurrency",
        Mutant::ForgetTurns => b"leaky_bucket",
        Mutant::ForgetWindow => b"fixed_window",
        _ => return false,
    };
    is(command, algorithm)
}

/// Whether a call's first limit is of this algorithm.
fn is(command: &Command, algorithm: &[u8]) -> bool {
    let at = usize::from(command.script == Script::LimitTake);
    command.args.get(at).is_some_and(|named| named == algorithm)
}
