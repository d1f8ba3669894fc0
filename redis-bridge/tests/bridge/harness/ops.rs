//! Operations as a filter sends them.

use super::Bridge;
use tidegate::session::{Keys, RealmTag, token};
use tidegate::wire::op::{CacheGet, CachePut, SessionGet, Take, TakeOptions, Touch, Want};
use tidegate::wire::{Op, resp};

pub(crate) fn encode(ops: &[Op<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for op in ops {
        op.encode(&mut body);
    }
    body
}

/// The values of an exchange frame.
pub(crate) fn frame_ops<'a>(encoded: &'a [u8]) -> Vec<resp::Value<'a>> {
    resp::decode_all(encoded).unwrap()
}

/// One unit of a limit of a million per hour.
pub(crate) fn take(subject: &[u8; 16], cost: u64) -> Op<'_> {
    Op::LimitTake(vec![Take {
        algorithm: b"fixed_window",
        subject,
        id: b"limit-id",
        limit: 1_000_000,
        window_us: 3_600_000_000,
        burst: 1_000_000,
        cost,
        options: TakeOptions::default(),
    }])
}

/// What a limit's reply says is left.
pub(crate) fn available(reply: &[u8]) -> u64 {
    let values = resp::decode_all(reply).unwrap();
    let reply = tidegate::wire::reply::LimitReply::parse(&values[0], 1).unwrap();
    reply.limits[0].available
}

pub(crate) fn cache_get<'a>(url: &'a [u8], lease: &'a [u8; 16]) -> Op<'a> {
    Op::CacheGet(CacheGet {
        url,
        field: b"field-of-16-byte",
        vary: b"",
        lease,
        lease_ms: 10_000,
        wait_ms: 0,
        want: Want::Fill,
    })
}

pub(crate) fn cache_put<'a>(
    url: &'a [u8],
    lease: &'a [u8; 16],
    record: &'a [u8],
    tags: Vec<&'a [u8]>,
) -> Op<'a> {
    Op::CachePut(CachePut {
        url,
        field: b"field-of-16-byte",
        vary: b"",
        lease,
        asked: b"field-of-16-byte",
        at_us: None,
        age_ms: 0,
        fresh_ms: 50_000,
        ttl_ms: 60_000,
        record,
        tags,
    })
}

/// A look-up that misses takes this lease, so all look-ups here are one filler's.
pub(crate) const LEASE: &[u8; 16] = b"lease-of-16-byte";

impl Bridge {
    /// What a filter is told of the session of a token, with its data.
    pub(crate) async fn look_up(&self, realm: &str, token: &str) -> String {
        let keys = Keys::parse(super::SESSION_KEYS).unwrap();
        let token = token::verify(&keys, RealmTag::of(realm), token.as_bytes()).unwrap();
        let get = Op::SessionGet(SessionGet {
            realm: realm.as_bytes(),
            user: &token.user,
            secret: &token.secret,
            idle_ms: 60_000,
            touch: Touch::Threshold,
            data: true,
        });
        let answer = self.exchange(&[get]).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Stores an object as a filter would: a miss grants the lease, the store shows it.
    pub(crate) async fn store(&self, url: &[u8], record: &[u8], tags: Vec<&[u8]>) {
        let lease = LEASE;
        let answer = self.exchange(&[cache_get(url, lease)]).await;
        assert!(answer.windows(5).any(|w| w == b"+miss"), "{answer:?}");
        let answer = self.exchange(&[cache_put(url, lease, record, tags)]).await;
        assert_eq!(answer, b"+stored\r\n");
        assert!(self.is_cached(url).await);
    }

    pub(crate) async fn is_cached(&self, url: &[u8]) -> bool {
        let answer = self.exchange(&[cache_get(url, LEASE)]).await;
        answer.windows(4).any(|w| w == b"+hit")
    }
}
