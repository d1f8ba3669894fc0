//! Which policy is live on which worker: what the bridges heard when the workers' streams began.

use super::Stack;
use crate::{Error, Result, wait};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long workers may take to open their streams.
const LIMIT: Duration = Duration::from_secs(10);

impl Stack {
    /// How many workers run the applied policy, and how many there are. Waits up to 10 s for all of them.
    ///
    /// # Errors
    /// When a bridge does not answer.
    pub fn live_workers(&self) -> Result<(usize, usize)> {
        let all = usize::from(self.spec().envoys) * usize::from(self.spec().workers);
        let mut live = Ok(0);
        let _all_or_late = wait::until("all workers", LIMIT, || {
            live = self.count_live();
            match live {
                Ok(n) if n >= all => Ok(()),
                _ => Err(String::new()),
            }
        });
        Ok((live?, all))
    }

    fn count_live(&self) -> Result<usize> {
        let mut nodes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for i in 0..self.spec().running_bridges() {
            let answer = self.admin_of(i).get("/v1/streams")?;
            let streams = answer.json()?;
            let list = streams.get("streams").unwrap_or(&streams);
            let list = list.as_array().ok_or_else(|| Error::Answer {
                what: format!("GET /v1/streams of bridge {i} ({})", answer.status),
                got: answer.text(),
            })?;
            for stream in list
                .iter()
                .filter(|s| s["digest"] == self.policy().digest.as_str())
            {
                let node = stream["node"].as_str().unwrap_or_default();
                let worker = text(&stream["worker"]);
                nodes.entry(node.into()).or_default().insert(worker);
            }
        }
        // Envoy's main thread has a VM with streams too, and serves no request.
        let workers = usize::from(self.spec().workers);
        Ok(nodes
            .values()
            .map(|vms| vms.len().saturating_sub(1).min(workers))
            .sum())
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
