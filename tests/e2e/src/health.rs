//! What no test may leave behind: a broken invariant, a trap, a panic.

use crate::Lab;
use std::fs;

/// What Envoy logs when a module trapped or panicked, and a bridge when a task did.
const SIGNS: [&str; 6] = [
    "Uncaught RuntimeError",
    "in-VM backtrace",
    "panicked at",
    "assert failure",
    "Function: proxy_on",
    "Caught Segmentation fault",
];

impl Lab {
    /// Broken invariants counted by Envoys and bridges that run, and lines of their logs that tell of a trap or
    /// a panic. Every stack is asked when it ends.
    pub fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        let parts = self.names();
        let runs = |part: &String| self.pid(part).is_ok();
        let envoys = || parts.iter().filter(|part| part.starts_with("envoy-"));
        if envoys().all(runs) {
            match self.stat("tidegate.bug") {
                Ok(0) => {}
                Ok(bugs) => found.push(format!("tidegate.bug is {bugs}")),
                Err(error) => found.push(error.to_string()),
            }
        }
        for i in (0..self.spec().running_bridges()).filter(|i| runs(&format!("bridge-{i}"))) {
            match self.bridge_metric(i, "tidegate_bridge_events_total{kind=\"bug\"}") {
                Ok(0) => {}
                Ok(bugs) => found.push(format!("bridge {i} counts {bugs} bugs")),
                Err(error) => found.push(error.to_string()),
            }
        }
        for part in parts
            .iter()
            .filter(|part| part.starts_with("envoy-") || part.starts_with("bridge-"))
        {
            let log = fs::read(self.files().log(part)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let bad = |line: &&str| {
                SIGNS.iter().any(|sign| line.contains(sign)) && !self.is_provoked(line)
            };
            found.extend(
                log.lines()
                    .filter(bad)
                    .map(|line| format!("{part}: {line}")),
            );
        }
        found
    }

    /// A metric of bridge `i`, summed over the series whose name, with labels, starts with `series`.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub fn bridge_metric(&self, i: u16, series: &str) -> tidegate_stack::Result<u64> {
        let text = self.admin_of(i).get("/metrics")?.text();
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(series)?;
            let labels_or_value = rest.starts_with(['{', ' ']);
            labels_or_value.then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
        });
        Ok(values.sum())
    }

    /// The same, summed over all bridges.
    ///
    /// # Errors
    /// When a bridge does not answer.
    pub fn bridges_metric(&self, series: &str) -> tidegate_stack::Result<u64> {
        (0..self.spec().running_bridges())
            .map(|i| self.bridge_metric(i, series))
            .sum()
    }
}
