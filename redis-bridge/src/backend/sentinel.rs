//! Hears from the sentinels who the primary is now, the moment they agree.
//!
//! redis-rs asks them only when it connects. A primary that hangs keeps its connections, and one that is
//! cut off does not tell; so every sentinel that is named is listened to, and who they name is connected
//! to at once, without the pause that follows a lost connection.

use super::backoff::Backoff;
use super::connect;
use super::server::Redis;
use super::target::{Node, Target};
use futures_util::StreamExt as _;
use redis::RedisResult;
use std::sync::Arc;
use std::time::Duration;

/// Where a failover is told.
const CHANNEL: &str = "+switch-master";
/// Silence after which the connection must prove that it lives. Often: a partition must be seen before
/// another primary is promoted behind it ([`super::fence`]).
const PING_EVERY: Duration = Duration::from_millis(500);
/// Time for the proof.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// Starts to listen to every sentinel, for as long as the process lives.
pub fn follow(redis: &Arc<Redis>) {
    let Target::Sentinel { nodes, .. } = redis.target() else {
        return;
    };
    for node in nodes {
        tokio::spawn(run(Arc::clone(redis), node.clone()));
    }
}

async fn run(redis: Arc<Redis>, sentinel: Node) {
    let mut backoff = Backoff::default();
    loop {
        if let Err(error) = listen(&redis, &sentinel, &mut backoff).await {
            tracing::debug!(host = %sentinel.0, port = sentinel.1, %error, "sentinel: not heard");
        }
        tokio::time::sleep(backoff.next(crate::random_u64())).await;
    }
}

/// Until the connection is lost.
async fn listen(redis: &Redis, sentinel: &Node, backoff: &mut Backoff) -> RedisResult<()> {
    let Target::Sentinel { name, .. } = redis.target() else {
        return Ok(());
    };
    let pubsub = connect::sentinel_pubsub(sentinel, &redis.login()).await?;
    let (mut sink, mut messages) = pubsub.split();
    sink.subscribe(CHANNEL).await?;
    // What was said while nobody listened. A sentinel that was cut off says what was true before; then it hears
    // from the others, and tells.
    let elected = connect::elected(sentinel, name, &redis.login()).await;
    match &elected {
        Ok((node, epoch)) => redis.elected(node.clone(), *epoch),
        Err(error) => {
            tracing::warn!(host = %sentinel.0, port = sentinel.1, %error, "sentinel: does not say who is elected");
        }
    }
    // Heard is who tells of promotions. Not before the new primary is known: the old one must not be believed again.
    let _heard = elected.is_ok().then(|| redis.fence().hears());
    backoff.reset();
    loop {
        match tokio::time::timeout(PING_EVERY, messages.next()).await {
            Ok(Some(message)) => {
                let text: String = message.get_payload().unwrap_or_default();
                if let Some(node) = promoted(&text, name) {
                    redis.switched(node);
                }
            }
            Ok(None) => return Ok(()),
            Err(_) => match tokio::time::timeout(PING_TIMEOUT, sink.ping::<redis::Value>()).await {
                Ok(pong) => drop(pong?),
                Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            },
        }
    }
}

/// Of `name old-ip old-port new-ip new-port`: the new one, when it is of `name`.
fn promoted(text: &str, name: &str) -> Option<Node> {
    let mut words = text.split(' ');
    if words.next()? != name {
        return None;
    }
    let host = words.nth(2)?.to_owned();
    let port = words.next()?.parse().ok()?;
    (words.next().is_none() && !host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::promoted;

    #[test]
    fn only_a_switch_of_ours_names_a_primary() {
        let node = Some(("10.0.0.2".to_owned(), 6380));
        assert_eq!(promoted("main 10.0.0.1 6379 10.0.0.2 6380", "main"), node);
        for other in [
            "other 10.0.0.1 6379 10.0.0.2 6380",
            "main 10.0.0.1 6379 10.0.0.2",
            "main 10.0.0.1 6379 10.0.0.2 port",
            "main 10.0.0.1 6379 10.0.0.2 6380 more",
            "",
        ] {
            assert_eq!(promoted(other, "main"), None, "{other}");
        }
    }
}
