//! A primary that is cut off, and we with it.

use super::Redis;
use crate::backend::durable;
use crate::backend::fence::Fence;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

impl Redis {
    pub(in crate::backend) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// What we reach of it is cut off, and we with it: nothing that it says counts.
    pub fn is_cut_off(&self) -> bool {
        self.fence.is_closed()
    }

    /// The same, as it changes.
    pub fn cut_off(&self) -> watch::Receiver<bool> {
        self.fence.closed()
    }

    /// Asks the primary whether its replicas follow it, while the sentinels would not tell.
    pub(super) async fn watch_fence(&self, connection: &mut MultiplexedConnection) {
        if !self.fence.is_unsure() {
            if self.fence.abandoned(false) {
                tracing::info!(redis = %self.url, "the sentinels are heard again");
            }
            return;
        }
        // Who does not say is asked with the next beat.
        let Ok(replication) = durable::look(connection).await else {
            return;
        };
        if self
            .fence
            .abandoned(self.followed.is_abandoned(&replication))
        {
            match self.is_cut_off() {
                true => {
                    tracing::error!(redis = %self.url, "cut off with the primary: most sentinels are silent, and it hears no replica; nothing is asked of it");
                }
                false => tracing::warn!(redis = %self.url, "the primary hears a replica again"),
            }
        }
    }
}
