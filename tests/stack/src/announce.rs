//! What `make run` says once everything answers: where things are, and requests to try.

use std::path::Path;
use tidegate_stack::{Result, Stack};

/// The block of DESIGN.md, "Fixed interfaces". Each of its lines is checked by an end-to-end test.
pub(crate) fn text(stack: &Stack) -> Result<String> {
    let spec = stack.spec();
    let policy = stack.policy();
    let file = relative(&spec.policy);
    let [policies, limits, caches] = policy.counts;
    let counts = [
        count(policies, "policy", "policies"),
        count(limits, "limit", "limits"),
        count(caches, "cache", "caches"),
    ];
    let (live, all) = stack.live_workers()?;
    let proxy = spec.proxy_port(0);
    Ok(format!(
        "\
tidegate {version}   policy {file} (sha256 {digest}…, {counts})  live on {live}/{all} workers
  proxy http://127.0.0.1:{proxy}    bridge admin http://127.0.0.1:{admin} (token in {token})    metrics http://127.0.0.1:{metrics}/stats/prometheus
Try:
  curl -i localhost:{proxy}/api/products      # 200, Cache-Status: tidegate; fwd=miss; stored
  curl -i localhost:{proxy}/api/products      # 200, Cache-Status: tidegate; hit; ttl=59
  for i in $(seq 110); do curl -so/dev/null -w '%{{http_code}}\\n' localhost:{proxy}/api/cart; done | sort | uniq -c     # 100 pass, then 429 (limit per-ip)
  curl -i localhost:{proxy}/admin/            # 401 application/problem+json
Edit {file} and save: it is checked and swapped in without a restart. Ctrl-C stops everything.",
        version = env!("CARGO_PKG_VERSION"),
        digest = policy.digest.get(..4).unwrap_or(&policy.digest),
        counts = counts.join(", "),
        admin = spec.bridge_admin_port(0),
        token = relative(&stack.files().admin_token()),
        metrics = spec.envoy_admin_port(0),
    ))
}

/// As seen from here, when it is below here.
fn relative(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
