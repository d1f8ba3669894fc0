//! Which policy is live on which worker.

use super::{Admin, Answer, Json, StatusCode, json};
use crate::listener::problem::Problem;

impl Admin {
    pub(super) async fn streams(&self) -> Answer {
        let streams = self.handle.streams().await;
        let streams = streams.ok_or_else(|| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the bridge is leaving")
        })?;
        let streams = streams.iter().map(|stream| {
            json!({
                "node": stream.node,
                // As text: it does not fit the doubles of many JSON readers.
                "worker": stream.worker.to_string(),
                "version": stream.version,
                "digest": stream.digest,
            })
        });
        let streams: Vec<Json> = streams.collect();
        Ok((StatusCode::OK, json!({ "streams": streams })))
    }
}
