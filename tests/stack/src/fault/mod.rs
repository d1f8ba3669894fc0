//! Faults on the links of a stack: byte-level proxies for TCP and Unix sockets, told what to do over HTTP.
//!
//! With `FAULTS=on` one process has a proxy on each link:
//!
//! | link | from | to |
//! |---|---|---|
//! | `client-envoy-{i}` | clients | Envoy `i` |
//! | `envoy-bridge-{i}` | every Envoy | bridge `i`'s data listener |
//! | `bridge-redis-{i}` | every bridge, and other Redis nodes | state server `i` |
//! | `bridge-cache` | every bridge | the cache server |
//!
//! Its API (JSON, no credential, loopback): `GET /links` · `PUT /links/{name}` with [`Faults`] replaces what a link
//! does · `DELETE /links/{name}` heals it · `POST /links/{name}/reset` resets its live connections. A `*` at the
//! end of a name means all links that begin so.

mod api;
mod control;
mod faults;
mod link;
mod pump;
mod replies;

pub use control::Control;
pub use faults::{Accept, Direction, Faults, Replace};
pub use link::{Link, LinkSpec};

use crate::files::Files;
use crate::{Error, Result, StackSpec, files};
use std::path::Path;
use std::sync::Arc;

/// The links of a stack.
pub fn links(spec: &StackSpec, files: &Files) -> Vec<LinkSpec> {
    let local = |port: u16| format!("127.0.0.1:{port}");
    let link = |name: String, listen: String, target: String| LinkSpec {
        name,
        listen,
        target,
    };
    let mut all = Vec::new();
    for i in 0..spec.envoys {
        let (listen, target) = (local(spec.proxy_port(i)), local(spec.listener_port(i)));
        all.push(link(format!("client-envoy-{i}"), listen, target));
    }
    for i in 0..spec.running_bridges() {
        let unix = |path: std::path::PathBuf| format!("unix:{}", path.display());
        let (listen, target) = (files.bridge_fault_socket(i), files.bridge_socket(i));
        all.push(link(
            format!("envoy-bridge-{i}"),
            unix(listen),
            unix(target),
        ));
    }
    for i in 0..spec.state_servers() {
        let (listen, target) = (local(spec.state_fault_port(i)), local(spec.state_port(i)));
        all.push(link(format!("bridge-redis-{i}"), listen, target));
    }
    let (listen, target) = (local(spec.cache_fault_port()), local(spec.cache_port()));
    all.push(link("bridge-cache".into(), listen, target));
    all
}

/// Serves the links listed in `file` (a JSON array of [`LinkSpec`]) and the API on `address`, for ever.
///
/// # Errors
/// When the file cannot be read or an address not be bound.
pub async fn serve(file: &Path, address: &str) -> Result<()> {
    let specs: Vec<LinkSpec> =
        serde_json::from_str(&files::read(file)?).map_err(|e| Error::Answer {
            what: format!("read {}", file.display()),
            got: e.to_string(),
        })?;
    let mut links = Vec::new();
    for spec in specs {
        let link = Arc::new(Link::new(spec));
        let listener = link.listen().await?;
        tokio::spawn(Arc::clone(&link).run(listener));
        links.push(link);
    }
    api::serve(address, links.into()).await
}
