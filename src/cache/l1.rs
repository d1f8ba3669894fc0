//! One worker's own copies of what is stored, so that it can answer without asking anybody.
//!
//! Bounded in bytes; what was not used for longest leaves first. Whether a copy may be used, and whether
//! one may be taken, is the exchange's knowledge: [`crate::exchange::Client::remembers`]. A copy says nothing
//! of who may have it: it is judged as if it had just come from Redis.

use crate::cache::clock::RedisClock;
use core::hash::{Hash, Hasher};
use hashbrown::{Equivalent, HashMap};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a copy costs beside its record and its URL, bytes: reckoned from the sizes of its entries in the three maps
/// in wasm32, at their mean load.
const OVERHEAD: usize = 320;

/// A stored record as it was found at some time.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The record.
    pub record: Rc<[u8]>,
    /// When it was stored, by Redis' clock, microseconds since the epoch.
    pub born_us: u64,
    /// The same clock, as of when it was found.
    pub clock: RedisClock,
}

/// The copies of all caches of a policy.
#[derive(Debug)]
pub struct L1 {
    /// By index of the cache.
    caches: Vec<Copies>,
    /// Grows with everything that made a copy invalid.
    generation: u64,
}

impl L1 {
    /// Without copies; `bounds`: bytes for each cache.
    pub fn new(bounds: impl IntoIterator<Item = usize>) -> Self {
        Self {
            caches: bounds.into_iter().map(Copies::new).collect(),
            generation: 0,
        }
    }

    /// Whether any cache has room for copies.
    pub fn is_used(&self) -> bool {
        self.caches.iter().any(|copies| copies.max > 0)
    }

    /// Whether this cache has.
    pub fn holds(&self, cache: usize) -> bool {
        self.caches.get(cache).is_some_and(|copies| copies.max > 0)
    }

    /// The copy of a variant of a URL, if there is one.
    pub fn get(&mut self, cache: usize, url: &[u8], field: &[u8; 16]) -> Option<Remembered> {
        self.caches.get_mut(cache)?.get(url, field)
    }

    /// What a look-up that is sent now has to show to leave a copy here: [`L1::put`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Keeps a copy of what was found by a look-up that was sent in this generation. It is not kept when
    /// anything was invalidated since: what was found may be older than that.
    pub fn put(
        &mut self,
        cache: usize,
        url: &[u8],
        field: &[u8; 16],
        copy: Remembered,
        generation: u64,
    ) {
        if generation == self.generation
            && let Some(copies) = self.caches.get_mut(cache)
        {
            copies.put(url, field, copy);
        }
    }

    /// Removes the copy of a variant: it is no good.
    pub fn remove(&mut self, cache: usize, url: &[u8], field: &[u8; 16]) {
        if let Some(copies) = self.caches.get_mut(cache) {
            copies.remove(url, field);
        }
    }

    /// Removes everything of a URL, named by [`name`].
    pub fn invalidate(&mut self, url: &[u8; 16]) {
        self.generation = self.generation.wrapping_add(1);
        for copies in &mut self.caches {
            copies.invalidate(url);
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        for copies in &mut self.caches {
            *copies = Copies::new(copies.max);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let bytes = self.caches.iter().map(|copies| copies.bytes);
        bytes.fold(0, usize::saturating_add)
    }
}

/// By what a bridge names a URL: the first 16 bytes of its SHA-256.
pub fn name(url: &[u8]) -> [u8; 16] {
    let mut name = [0; 16];
    let digest = Sha256::digest(url);
    name.iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    name
}

/// Of one cache.
#[derive(Debug)]
struct Copies {
    max: usize,
    bytes: usize,
    by_key: HashMap<Key, Entry>,
    /// Fields of a URL, by its name.
    by_url: HashMap<[u8; 16], Vec<Key>>,
    /// Least recently used first.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    copy: Remembered,
    used: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    url: Rc<[u8]>,
    field: [u8; 16],
}

/// A [`Key`] that owns nothing.
struct Named<'a>(&'a [u8], &'a [u8; 16]);

/// The field is a hash already, of everything but the URL.
fn hash(url: &[u8], field: &[u8; 16], state: &mut impl Hasher) {
    state.write(field);
    state.write(url);
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.url, &self.field, state);
    }
}

impl Hash for Named<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.0, self.1, state);
    }
}

impl Equivalent<Key> for Named<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.0 == *key.url && *self.1 == key.field
    }
}

impl Key {
    fn named(&self) -> Named<'_> {
        Named(&self.url, &self.field)
    }
}

impl Copies {
    fn new(max: usize) -> Self {
        Self {
            max,
            bytes: 0,
            by_key: HashMap::new(),
            by_url: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    fn get(&mut self, url: &[u8], field: &[u8; 16]) -> Option<Remembered> {
        let entry = self.by_key.get_mut(&Named(url, field))?;
        self.uses = self.uses.wrapping_add(1);
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(entry.copy.clone())
    }

    fn put(&mut self, url: &[u8], field: &[u8; 16], copy: Remembered) {
        self.remove(url, field);
        let cost = cost(url, &copy);
        if cost > self.max {
            return;
        }
        while self.bytes.saturating_add(cost) > self.max
            && let Some((_, oldest)) = self.by_use.first_key_value()
        {
            let oldest = oldest.clone();
            self.remove(&oldest.url, &oldest.field);
        }
        self.uses = self.uses.wrapping_add(1);
        let key = Key {
            url: Rc::from(url),
            field: *field,
        };
        self.bytes = self.bytes.saturating_add(cost);
        self.by_url.entry(name(url)).or_default().push(key.clone());
        self.by_use.insert(self.uses, key.clone());
        let used = self.uses;
        self.by_key.insert(key, Entry { copy, used });
    }

    fn remove(&mut self, url: &[u8], field: &[u8; 16]) {
        if !self.by_key.contains_key(&Named(url, field)) {
            return;
        }
        let name = name(url);
        if let Some(keys) = self.by_url.get_mut(&name) {
            keys.retain(|key| !Named(url, field).equivalent(key));
            if keys.is_empty() {
                self.by_url.remove(&name);
            }
        }
        self.forget(&Named(url, field));
    }

    fn invalidate(&mut self, name: &[u8; 16]) {
        for key in self.by_url.remove(name).unwrap_or_default() {
            self.forget(&key.named());
        }
    }

    /// Of the maps but `by_url`.
    fn forget(&mut self, key: &Named<'_>) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes = self.bytes.saturating_sub(cost(key.0, &entry.copy));
        }
    }
}

fn cost(url: &[u8], copy: &Remembered) -> usize {
    let bytes = url.len().saturating_add(copy.record.len());
    bytes.saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests;
