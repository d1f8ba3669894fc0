//! `redis-bridge doctor`: is this Redis fit for production? It looks at every server of both roles and
//! says what is wrong, why it matters, and what mends it. It changes nothing, unless it is asked to end all
//! sessions ([`after_restore`]).

pub mod acl;
pub mod after_restore;
pub mod checks;
pub mod finding;
pub mod group;
pub mod look;
pub mod report;
pub mod server;

pub use finding::{Duty, Finding, Level};
pub use report::Report;

use crate::backend::nodes::Seat;
use crate::backend::{Login, Url};
use finding::Desk;
use group::Group;
use look::{Eyes, Looked};
use tokio::time::Instant;

/// What to look at, and as whom.
pub struct Options {
    /// Redis of sessions and limits.
    pub redis: Url,
    /// Redis of the cache; equal to `redis` when there is one for both.
    pub redis_cache: Url,
    /// Whom the bridge is to Redis.
    pub login: Login,
    /// Who may see the configuration and the users; without one, the bridge.
    pub operator: Option<Login>,
    /// First segment of every Redis key.
    pub namespace: String,
}

/// Looks at everything.
pub async fn run(options: &Options) -> Report {
    let eyes = Eyes {
        bridge: &options.login,
        operator: options.operator.as_ref().unwrap_or(&options.login),
        namespace: &options.namespace,
        started: Instant::now(),
    };
    let mut findings = Vec::new();
    let shared = options.redis == options.redis_cache;
    let duty = if shared { Duty::Both } else { Duty::State };
    let state = examine(&options.redis, duty, eyes, &mut findings).await;
    if !shared {
        let cache = examine(&options.redis_cache, Duty::Cache, eyes, &mut findings).await;
        if let (Some(state), Some(cache)) = (state, cache) {
            apart(&state, &cache, &mut findings);
        }
    }
    Report::new(findings)
}

async fn examine(
    url: &Url,
    role: Duty,
    eyes: Eyes<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Group> {
    let mut desk = Desk {
        findings,
        role,
        server: url.to_string(),
    };
    let looked = match look::look(url, eyes).await {
        Ok(looked) => looked,
        Err(error) => {
            let what = error.to_string().replace(['\r', '\n'], " ");
            desk.wrong(
                "reachable",
                what,
                UNREACHABLE,
                "see that it runs, and who may connect",
            );
            return None;
        }
    };
    let Looked {
        group,
        silent,
        closed,
    } = looked;
    for (seat, reason) in silent {
        desk.server = seat.to_string();
        let mend =
            "see that it runs, and that the bridges' machines reach the address it announces";
        desk.wrong("reachable", reason, UNREACHABLE, mend);
    }
    for (seat, reason) in closed {
        desk.server = seat.to_string();
        desk.wrong("login", reason, REFUSED, mend_login(&seat));
    }
    for server in &group.servers {
        desk.server = server.seat.to_string();
        checks::all(server, &mut desk);
        acl::judge(server, &mut desk);
    }
    desk.server = url.to_string();
    group::all(&group, &mut desk);
    Some(group)
}

const UNREACHABLE: &str = "bridges that must use it cannot";
const REFUSED: &str = "the bridge is not let in: its operations fail";

fn mend_login(seat: &Seat) -> String {
    let list = finding::redis_cli(seat, "ACL LIST");
    format!("set TIDEGATE_REDIS_USER and TIDEGATE_REDIS_PASSWORD to a user of this server ({list})")
}

#[cfg(test)]
mod tests;

/// Two addresses that lead to one server.
fn apart(state: &Group, cache: &Group, findings: &mut Vec<Finding>) {
    let ids = |group: &Group| -> Vec<String> {
        let ids = group
            .servers
            .iter()
            .filter_map(|server| server.info("run_id"));
        ids.map(str::to_owned).collect()
    };
    let of_cache = ids(cache);
    let mut desk = Desk {
        findings,
        role: Duty::Both,
        server: state.url.clone(),
    };
    if ids(state).iter().any(|id| of_cache.contains(id)) {
        desk.wrong(
            "roles",
            format!("{} is the same server", cache.url),
            "one eviction policy serves both: either the cache pushes out sessions, or it fills the memory",
            "give the cache a Redis of its own (--redis-cache), or name one address for both",
        );
    } else {
        desk.fine("roles", "state and cache are different servers");
    }
}
