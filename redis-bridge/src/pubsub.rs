//! What is told in Redis: invalidations from outside, `PUBLISH {namespace}:cache:invalidate:{url}` or
//! `...:tag:{tag}`; and `{namespace}:limit:forget:{subject}`, by which the scripts that reset a limit or
//! give a key a limit of its own reach every bridge, hence every worker. And `{namespace}:fleet:…`, by which
//! bridges tell each other: `filled:{hash}`, something has become of an object that requests are held for; and
//! `told`, everything about what workers have in memory.
//!
//! Such a message has no receipt. What is published while no bridge is subscribed is lost, and the
//! object lives to the end of its TTL, or a worker remembers a denial to its end; two bridges are seldom gone together, and whoever needs a receipt
//! purges through the admin API.

mod published;

use crate::backend::Redis;
use crate::backend::backoff::Backoff;
use crate::backend::connect;
use crate::core::Keys;
use crate::core::keys::unhex;
use crate::handle::Handle;
use crate::purge::Purge;
use futures_util::StreamExt as _;
pub use published::Published;
use redis::{Msg, RedisResult};
use std::sync::Arc;
use std::time::Duration;
use tidegate::cache::key::Target;

/// Silence after which the connection must prove that it lives.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Time for the proof.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Listens on one Redis.
pub struct Subscriber {
    redis: Arc<Redis>,
    published: Published,
    handle: Handle,
    channel: String,
    forget: Vec<u8>,
    fleet: Vec<u8>,
    /// Bridges tell each other things by this Redis.
    tells: bool,
}

impl Subscriber {
    /// For the channels of `namespace`, `[a-z][a-z0-9-]*`: no character of it is special in a pattern. `tells`:
    /// bridges tell each other by this Redis, the cache's, what workers have to forget.
    pub fn new(
        redis: Arc<Redis>,
        published: Published,
        handle: Handle,
        namespace: &str,
        tells: bool,
    ) -> Self {
        Self {
            redis,
            published,
            handle,
            channel: format!("{namespace}:cache:invalidate:"),
            forget: Keys::new(namespace).forget_channel(),
            fleet: Keys::new(namespace).fleet_channel(),
            tells,
        }
    }

    /// Subscribes, and again after each loss, for as long as the process lives.
    pub async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            self.redis.reached().await;
            let ended = self.listen(&mut backoff).await;
            let redis = self.redis.url();
            if let Err(error) = ended {
                tracing::warn!(%redis, %error, "invalidations: not subscribed");
            }
            self.handle.metrics().pubsub_reconnects.inc();
            tokio::time::sleep(backoff.next(crate::random_u64())).await;
        }
    }

    /// Until the connection is lost.
    async fn listen(&self, backoff: &mut Backoff) -> RedisResult<()> {
        let pubsub = connect::pubsub(self.redis.target(), &self.redis.login()).await?;
        let (mut sink, messages) = pubsub.split();
        sink.psubscribe(format!("{}*", self.channel)).await?;
        let forget = [self.forget.as_slice(), b"*"].concat();
        if let Err(error) = sink.psubscribe(forget).await {
            // An ACL of an older release: workers forget late, invalidations go on.
            tracing::warn!(redis = %self.redis.target(), %error, "limits: not subscribed");
        }
        let fleet = [self.fleet.as_slice(), b"*"].concat();
        if let Err(error) = sink.psubscribe(fleet).await {
            // The same: what other bridges have filled is found by looking again.
            tracing::warn!(redis = %self.redis.target(), %error, "fleet: not subscribed");
        }
        backoff.reset();
        if self.tells {
            self.handle.subscribed().await;
        }
        tracing::info!(redis = %self.redis.target(), "invalidations: subscribed");
        // One after the other: none of them waits for anything that is heard here.
        let work = messages.for_each(|message| self.told(message));
        let alive = async {
            loop {
                tokio::time::sleep(PING_EVERY).await;
                match tokio::time::timeout(PING_TIMEOUT, sink.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
                }
            }
        };
        tokio::select! {
            () = work => Ok(()),
            dead = alive => dead,
        }
    }

    async fn told(&self, message: Msg) {
        let channel: Vec<u8> = message.get_channel().unwrap_or_default();
        if let Some(what) = channel.strip_prefix(self.fleet.as_slice()) {
            return match what.strip_prefix(b"filled:") {
                Some(hash) => self.handle.filled(hash.to_vec()).await,
                None if what == b"told" => {
                    if self.tells {
                        self.handle.told(message.get_payload_bytes().to_vec()).await;
                    }
                }
                None => drop(self.handle.metrics().pubsub_ignored.inc()),
            };
        }
        self.handle.metrics().pubsub_messages.inc();
        if let Some(subject) = channel.strip_prefix(self.forget.as_slice()) {
            return match unhex(subject) {
                Some(subject) => self.handle.forget(subject).await,
                None => drop(self.handle.metrics().pubsub_ignored.inc()),
            };
        }
        let Some(what) = parse(&channel, self.channel.as_bytes()) else {
            self.handle.metrics().pubsub_ignored.inc();
            return;
        };
        self.published.add(what);
    }
}

/// What a channel names.
fn parse(channel: &[u8], prefix: &[u8]) -> Option<Purge> {
    let name = channel.strip_prefix(prefix)?;
    if let Some(tag) = name.strip_prefix(b"tag:") {
        return (1..=256)
            .contains(&tag.len())
            .then(|| Purge::Tag(tag.to_vec()));
    }
    Target::parse(name).ok().map(Purge::from)
}

#[cfg(test)]
mod tests;
