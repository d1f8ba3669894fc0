//! Finds the policy of a request.
//!
//! The first route of the file that matches wins, exactly as if all were tried in order, but a look-up
//! walks the path once and touches only routes that share a part of it: paths and prefixes live in a trie
//! of path segments, and below each of them routes are sorted by host, then method. Of all candidates the
//! one written first is taken.

mod bucket;
mod host;
mod trie;

#[cfg(test)]
mod tests;

use bucket::Bucket;
use host::Hosts;
use std::borrow::Cow;
use trie::Trie;

pub use host::canonical_host;

/// One entry of `routes`, its references resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which paths it takes.
    pub path: PathRule,
    /// Which hosts it takes; empty: all.
    pub hosts: Vec<HostRule>,
    /// Which methods it takes, case-sensitive (RFC 9110 section 9.1); empty: all.
    pub methods: Vec<String>,
    /// Index into [`super::Config::policies`].
    pub policy: usize,
}

/// Which paths a route takes. Paths are compared byte for byte, without their query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRule {
    /// Every path.
    Any,
    /// This path only.
    Exact(String),
    /// Whole segments: `/admin` takes `/admin` and `/admin/...`, not `/administrator`. One that ends in
    /// `/` takes what begins with it: `/api/` takes `/api/` and `/api/...`, not `/api`.
    Prefix(String),
}

/// Which hosts a route takes; lower-case, without port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRule {
    /// This host only; an IPv6 address in brackets.
    Exact(String),
    /// `*.example.com`, kept as `example.com`: every name below it, at any depth, not itself.
    Below(String),
}

/// Which route a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Index into `routes`.
    pub route: usize,
    /// Index into [`super::Config::policies`].
    pub policy: usize,
}

/// The compiled `routes`: first match wins.
#[derive(Debug, Default)]
pub struct Router {
    hosts: Hosts,
    any: Bucket,
    paths: Trie,
    policies: Vec<usize>,
}

impl Router {
    /// Compiles `rules`, in the order they are tried.
    pub fn new(rules: &[Rule]) -> Self {
        let mut router = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            router.policies.push(rule.policy);
            let bucket = match &rule.path {
                PathRule::Any => &mut router.any,
                PathRule::Exact(path) => router.paths.exact(path.as_bytes()),
                PathRule::Prefix(prefix) => router.paths.prefix(prefix.as_bytes()),
            };
            if rule.hosts.is_empty() {
                bucket.insert(host::ANY, &rule.methods, index);
            }
            for host in &rule.hosts {
                bucket.insert(router.hosts.intern(host), &rule.methods, index);
            }
        }
        router
    }

    /// The first route that matches; `host` as received (any case, port allowed), `path` with or
    /// without a query.
    pub fn find(&self, host: &[u8], path: &[u8], method: &[u8]) -> Option<Target> {
        self.search(host, path, method).found(&self.policies)
    }

    fn search<'a>(&self, host: &[u8], path: &[u8], method: &'a [u8]) -> Search<'a> {
        let path = without_query(path);
        let mut search = Search::new(self.hosts.matching(host), method);
        search.look(&self.any);
        self.paths.walk(path, |bucket| search.look(bucket));
        search
    }
}

/// One look-up: what the request is, and the best route so far.
struct Search<'a> {
    hosts: Cow<'static, [u32]>,
    method: &'a [u8],
    best: Option<usize>,
    #[cfg(test)]
    looked_at: usize,
}

impl<'a> Search<'a> {
    fn new(hosts: Cow<'static, [u32]>, method: &'a [u8]) -> Self {
        Self {
            hosts,
            method,
            best: None,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    fn look(&mut self, bucket: &Bucket) {
        if !bucket.could_beat(self.best) {
            return;
        }
        for &host in &*self.hosts {
            let found = bucket.first(host, self.method);
            #[cfg(test)]
            {
                self.looked_at += usize::from(found.is_some());
            }
            self.best = match (self.best, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }

    fn found(self, policies: &[usize]) -> Option<Target> {
        let route = self.best?;
        let policy = *policies.get(route)?;
        Some(Target { route, policy })
    }
}

fn without_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|&b| b == b'?' || b == b'#');
    path.get(..end.unwrap_or(path.len())).unwrap_or(path)
}
