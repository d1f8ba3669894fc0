//! Keys, values and their time to live.

use std::collections::BTreeMap;

/// All keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Store {
    /// What is stored; expired keys may still be here until they are touched or [`Store::sweep`].
    pub entries: BTreeMap<Vec<u8>, Entry>,
    pub(super) now_ms: u64,
}

/// A value and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub data: Data,
    /// The last millisecond it lives, since the epoch; `None`: for ever.
    pub expires_ms: Option<u64>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A hash.
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// A string.
    Text(Vec<u8>),
    /// A sorted set; scores are integers here.
    Zset(BTreeMap<Vec<u8>, i64>),
}

/// A key of another type than the command wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrongType;

impl Store {
    /// Removes all keys that have expired at `now_us`.
    pub fn sweep(&mut self, now_us: u64) {
        let now_ms = now_us / 1000;
        self.entries
            .retain(|_, entry| entry.expires_ms.is_none_or(|end| now_ms <= end));
    }

    /// PTTL: `None` without key, `Some(None)` without TTL.
    pub(super) fn pttl(&mut self, key: &[u8]) -> Option<Option<u64>> {
        let now_ms = self.now_ms;
        let entry = self.live(key)?;
        Some(entry.expires_ms.map(|end| end.saturating_sub(now_ms)))
    }

    /// PEXPIRE.
    pub(super) fn pexpire(&mut self, key: &[u8], ms: u64) {
        let end = self.now_ms + ms;
        if let Some(entry) = self.live(key) {
            entry.expires_ms = Some(end);
        }
    }

    /// `extend` of the Lua prelude.
    pub(super) fn extend(&mut self, key: &[u8], ms: u64) {
        let short = match self.pttl(key) {
            None => false,
            Some(None) => true,
            Some(Some(left)) => left < ms,
        };
        if short {
            self.pexpire(key, ms);
        }
    }

    pub(super) fn exists(&mut self, key: &[u8]) -> bool {
        self.live(key).is_some()
    }

    /// UNLINK: how many were removed.
    pub(super) fn unlink(&mut self, key: &[u8]) -> u64 {
        let there = self.exists(key);
        self.entries.remove(key);
        u64::from(there)
    }

    /// GET.
    pub(super) fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, WrongType> {
        match self.live(key).map(|entry| &entry.data) {
            None => Ok(None),
            Some(Data::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(WrongType),
        }
    }

    /// SET key value PX ms.
    pub(super) fn set(&mut self, key: &[u8], value: Vec<u8>, ms: u64) {
        let entry = Entry {
            data: Data::Text(value),
            expires_ms: Some(self.now_ms + ms),
        };
        self.entries.insert(key.to_vec(), entry);
    }

    /// HGETALL; empty when there is no such key.
    pub(super) fn hash(&mut self, key: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, WrongType> {
        match self.live(key).map(|entry| &entry.data) {
            None => Ok(BTreeMap::new()),
            Some(Data::Hash(fields)) => Ok(fields.clone()),
            Some(_) => Err(WrongType),
        }
    }

    /// HSET of one field.
    pub(super) fn hset(
        &mut self,
        key: &[u8],
        field: &[u8],
        value: Vec<u8>,
    ) -> Result<(), WrongType> {
        match self.or_insert(key, Data::Hash(BTreeMap::new())) {
            Data::Hash(fields) => {
                fields.insert(field.to_vec(), value);
                Ok(())
            }
            _ => Err(WrongType),
        }
    }

    /// HDEL of one field; a hash without fields is gone.
    pub(super) fn hdel(&mut self, key: &[u8], field: &[u8]) -> Result<(), WrongType> {
        match self.live(key).map(|entry| &mut entry.data) {
            None => return Ok(()),
            Some(Data::Hash(fields)) => {
                fields.remove(field);
                if !fields.is_empty() {
                    return Ok(());
                }
            }
            Some(_) => return Err(WrongType),
        }
        self.entries.remove(key);
        Ok(())
    }

    /// All members, lowest score first, then by name; empty when there is no such key.
    pub(super) fn zrange(&mut self, key: &[u8]) -> Result<Vec<(Vec<u8>, i64)>, WrongType> {
        match self.live(key).map(|entry| &entry.data) {
            None => Ok(Vec::new()),
            Some(Data::Zset(members)) => {
                let mut all: Vec<_> = members.iter().map(|(m, s)| (m.clone(), *s)).collect();
                all.sort_by(|(m, s), (n, t)| (s, m).cmp(&(t, n)));
                Ok(all)
            }
            Some(_) => Err(WrongType),
        }
    }

    /// ZADD of one member.
    pub(super) fn zadd(&mut self, key: &[u8], member: &[u8], score: i64) -> Result<(), WrongType> {
        match self.or_insert(key, Data::Zset(BTreeMap::new())) {
            Data::Zset(members) => {
                members.insert(member.to_vec(), score);
                Ok(())
            }
            _ => Err(WrongType),
        }
    }

    /// ZREM of one member; a set without members is gone.
    pub(super) fn zrem(&mut self, key: &[u8], member: &[u8]) -> Result<(), WrongType> {
        match self.live(key).map(|entry| &mut entry.data) {
            None => return Ok(()),
            Some(Data::Zset(members)) => {
                members.remove(member);
                if !members.is_empty() {
                    return Ok(());
                }
            }
            Some(_) => return Err(WrongType),
        }
        self.entries.remove(key);
        Ok(())
    }

    /// The entry, unless it has expired: then it goes.
    fn live(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let now_ms = self.now_ms;
        let lapsed = |entry: &Entry| entry.expires_ms.is_some_and(|end| now_ms > end);
        if self.entries.get(key).is_some_and(lapsed) {
            self.entries.remove(key);
        }
        self.entries.get_mut(key)
    }

    fn or_insert(&mut self, key: &[u8], data: Data) -> &mut Data {
        self.live(key);
        let fresh = || Entry {
            data,
            expires_ms: None,
        };
        &mut self.entries.entry(key.to_vec()).or_insert_with(fresh).data
    }
}
