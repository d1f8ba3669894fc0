//! Host names of a request and of routes.

use super::HostRule;
use hashbrown::HashMap;
use std::borrow::Cow;

/// The entry of routes that name no host.
pub(super) const ANY: u32 = 0;

/// Longest host that is looked up, bytes: a DNS name has at most 253.
const MAX_HOST: usize = 255;

/// Every host that routes name, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<Box<[u8]>, u32>,
    below: HashMap<Box<[u8]>, u32>,
    count: u32,
}

impl Hosts {
    /// The number of `rule`.
    pub(super) fn intern(&mut self, rule: &HostRule) -> u32 {
        let (map, name) = match rule {
            HostRule::Exact(name) => (&mut self.exact, name),
            HostRule::Below(name) => (&mut self.below, name),
        };
        let next = self.count.saturating_add(1);
        let id = *map.entry(name.as_bytes().into()).or_insert(next);
        self.count = self.count.max(id);
        id
    }

    /// The numbers of all rules that take `host` (as received), [`ANY`] among them.
    pub(super) fn matching(&self, host: &[u8]) -> Cow<'static, [u32]> {
        if self.count == 0 || host.len() > MAX_HOST {
            return Cow::Borrowed(&[ANY]);
        }
        let mut ids = vec![ANY];
        let host = canonical_host(host);
        ids.extend(self.exact.get(&*host));
        if self.below.is_empty() {
            return Cow::Owned(ids);
        }
        for (at, _) in host
            .iter()
            .enumerate()
            .filter(|&(at, &b)| b == b'.' && at > 0)
        {
            let suffix = host.get(at..).and_then(<[u8]>::split_first);
            ids.extend(suffix.and_then(|(_, name)| self.below.get(name)));
        }
        Cow::Owned(ids)
    }
}

/// `host` as routes and keys compare it: lower-case, without port and without the final dot of a fully
/// qualified name (RFC 9110 section 4.2.3, RFC 3986 section 3.2.2). An IPv6 address keeps its brackets.
pub fn canonical_host(host: &[u8]) -> Cow<'_, [u8]> {
    let host = without_port(host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn without_port(host: &[u8]) -> &[u8] {
    if host.first() == Some(&b'[') {
        let mut inclusive = host.split_inclusive(|&b| b == b']');
        return inclusive.next().unwrap_or(host);
    }
    let mut parts = host.split(|&b| b == b':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(port), None) if port.iter().all(u8::is_ascii_digit) => name,
        _ => host,
    }
}
