//! What Envoy's admin listener tells.

use crate::Result;
use crate::http::Client;
use std::collections::BTreeMap;

/// Counters and gauges whose name contains `filter` (a regular expression of Envoy's), summed over the Envoys
/// whose admin addresses are given. The prefix `wasmcustom.` is left off, and so is each `.version`: a hash of
/// 64 bits of what a discovery service told, of which there is no sum.
///
/// # Errors
/// When one of them does not answer.
pub fn stats(admins: &[String], filter: &str) -> Result<BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    for admin in admins {
        let target = format!("/stats?filter={}", escape(filter));
        sum(&Client::new(admin).get(&target)?.text(), &mut all);
    }
    Ok(all)
}

fn sum(told: &str, all: &mut BTreeMap<String, u64>) {
    for line in told.lines() {
        // Histograms and text values have no single number.
        if let Some((name, value)) = line.split_once(": ")
            && let Ok(value) = value.parse::<u64>()
            && !name.ends_with(".version")
        {
            let name = name.strip_prefix("wasmcustom.").unwrap_or(name);
            *all.entry(name.to_owned()).or_insert(0) += value;
        }
    }
}

/// True when the Envoy is live and its listener serves (with a filter from a file: once it has it).
///
/// # Errors
/// When it does not answer.
pub fn listening(admin: &str) -> Result<bool> {
    let mut client = Client::new(admin);
    let ready = client.get("/ready")?;
    let names = [
        "listener_manager.workers_started",
        "listener_manager.total_listeners_active",
    ];
    let stats = stats(&[admin.into()], "^listener_manager\\.")?;
    Ok(ready.status == 200 && names.iter().all(|name| stats.get(*name) == Some(&1)))
}

/// How often an Envoy took a new filter, and how often it refused one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swaps {
    /// `config_reload`: a new one is in force.
    pub taken: u64,
    /// `config_fail` and `update_rejected`: the old one stays.
    pub refused: u64,
}

/// Reads these counts.
///
/// # Errors
/// When the Envoy does not answer.
pub fn swaps(admin: &str) -> Result<Swaps> {
    let stats = stats(&[admin.into()], "extension_config_discovery")?;
    let sum = |end: &str| {
        stats
            .iter()
            .filter(|(name, _)| name.ends_with(end))
            .map(|(_, n)| n)
            .sum()
    };
    Ok(Swaps {
        taken: sum(".config_reload"),
        refused: sum(".config_fail") + sum(".update_rejected"),
    })
}

/// What became of a new filter, given the counts before and now: `Ok(true)` when every Envoy took it,
/// `Ok(false)` when one refused it.
///
/// # Errors
/// What is still awaited.
pub fn compare(before: &[Swaps], now: &[Swaps]) -> std::result::Result<bool, String> {
    let pairs = || before.iter().zip(now);
    if pairs().any(|(before, now)| now.refused > before.refused) {
        return Ok(false);
    }
    if pairs().all(|(before, now)| now.taken > before.taken) {
        return Ok(true);
    }
    Err(format!("{now:?}"))
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sum;
    use std::collections::BTreeMap;

    #[test]
    fn versions_of_two_envoys_are_hashes_and_their_sum_is_too_large() {
        let told = "extension_config_discovery.http_filter.tidegate.version: 17241709254077376921\n\
                    extension_config_discovery.http_filter.tidegate.version_text: \"\"\n\
                    wasmcustom.tidegate.config.applied: 3\n\
                    http.ingress.downstream_rq_time: P0(nan,1.0)";
        let mut all = BTreeMap::new();
        sum(told, &mut all);
        sum(told, &mut all);
        assert_eq!(all, BTreeMap::from([("tidegate.config.applied".into(), 6)]));
    }
}
