//! The client's address: found, brought to one spelling, grouped.

use crate::policy::ClientIp;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A client's address, grouped by the policy's prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address with the bits below the prefix zeroed.
    pub address: IpAddr,
    /// Trusted hops are configured, but `x-forwarded-for` has no readable address at that place: the
    /// peer's was taken. To be counted; it means a proxy in front is not what the policy says.
    pub fell_back: bool,
}

impl Client {
    /// The client of a request. `peer` is the downstream address as Envoy prints it (`1.2.3.4:5678`,
    /// `[::1]:80`, or bare), `forwarded_for` every line of `x-forwarded-for` in order.
    ///
    /// With n trusted hops the address is the n-th from the right over all lines together: what stands
    /// further left was written by whoever came before the trusted proxies, so anyone can write it.
    /// `None` when there is no address at all (a peer on a Unix socket).
    pub fn find<'a>(
        rule: &ClientIp,
        peer: &[u8],
        forwarded_for: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let forwarded = match usize::from(rule.trusted_hops).checked_sub(1) {
            None => {
                return Some(Self {
                    address: masked(parse(peer)?, rule),
                    fell_back: false,
                });
            }
            Some(from_right) => nth_from_right(forwarded_for, from_right).and_then(parse),
        };
        let address = masked(forwarded.or_else(|| parse(peer))?, rule);
        Some(Self {
            address,
            fell_back: forwarded.is_none(),
        })
    }

    /// What a limit counts by: 4 bytes of an IPv4 address, 16 of an IPv6 one, network byte order.
    pub fn key(&self) -> ClientKey {
        match self.address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                ClientKey {
                    bytes: [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    length: 4,
                }
            }
            IpAddr::V6(v6) => ClientKey {
                bytes: v6.octets(),
                length: 16,
            },
        }
    }
}

/// See [`Client::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientKey {
    bytes: [u8; 16],
    length: usize,
}

impl ClientKey {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Empty list elements do not count (RFC 9110, 5.6.1.2).
fn nth_from_right<'a>(lines: impl Iterator<Item = &'a [u8]>, n: usize) -> Option<&'a [u8]> {
    let lines: Vec<&[u8]> = lines.collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
        .nth(n)
}

/// `1.2.3.4`, `::1`, `[::1]`, each with a port or (bracketed) without; an IPv6 zone is dropped, and an
/// IPv4-mapped address is the IPv4 one (RFC 4291, 2.5.5.2).
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(text).ok()?;
    // The longest spelling there is; more is not looked at.
    if text.len() > 80 {
        return None;
    }
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(IpAddr::V6)
    };
    let address = text
        .parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(bracketed)
        .or_else(|| without_zone(text))?;
    Some(address.to_canonical())
}

fn without_zone(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.trim_start_matches('[').split_once('%')?;
    (!zone.is_empty()).then_some(())?;
    address.parse().ok().map(IpAddr::V6)
}

fn masked(address: IpAddr, rule: &ClientIp) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let drop = 32_u32.saturating_sub(rule.prefix_v4.into());
            let mask = u32::MAX.checked_shl(drop).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let drop = 128_u32.saturating_sub(rule.prefix_v6.into());
            let mask = u128::MAX.checked_shl(drop).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests;
