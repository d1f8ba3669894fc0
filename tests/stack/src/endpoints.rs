//! The JSON line that tells tests and people where everything of a stack is (DESIGN.md, "Fixed interfaces").

use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Where everything of a stack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Where clients go: `http://127.0.0.1:10000`, one for each Envoy.
    pub envoys: Vec<String>,
    /// Admin listeners of the Envoys.
    pub envoy_admin: Vec<String>,
    /// The bridges.
    pub bridges: Vec<Bridge>,
    /// `host:port` of every server of the state role; with Sentinel, not the Sentinels.
    pub redis: Vec<String>,
    /// `host:port` of the cache role.
    pub redis_cache: Vec<String>,
    /// `host:port` of the Sentinels, when there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<String>,
    /// `host:port` of the upstream.
    pub upstream: String,
    /// File with the bridges' admin credential.
    pub admin_token_file: String,
    /// Directory with one log for each part.
    pub logs: String,
    /// Process id of each part.
    pub pids: BTreeMap<String, u32>,
    /// Control API of the fault proxies, with `FAULTS=on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
}

/// One bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// `unix:/path` of its data listener.
    pub data: String,
    /// Its admin listener.
    pub admin: String,
    /// Its process id.
    pub pid: u32,
}

impl Endpoints {
    /// Reads `endpoints.json`.
    ///
    /// # Errors
    /// When it is not there or not what this version writes.
    pub fn load(path: &Path) -> Result<Self> {
        serde_json::from_str(&files::read(path)?).map_err(|e| Error::Answer {
            what: format!("read {}", path.display()),
            got: e.to_string(),
        })
    }

    /// The one line.
    ///
    /// # Errors
    /// Never for what this type holds; serde_json's signature has one.
    pub fn line(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::Answer {
            what: "encode the endpoints".into(),
            got: e.to_string(),
        })
    }
}
