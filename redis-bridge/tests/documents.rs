//! The policies that the documentation shows are right.

use redis_bridge::check;
use std::fs;
use std::path::Path;

/// The YAML blocks of a document.
fn blocks(text: &str) -> Vec<&str> {
    let starts = text.split("```yaml\n").skip(1);
    starts
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_policies_of_the_readme_are_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("README.md")).unwrap();
    let blocks = blocks(&text);
    let [whole, limits, caches, sessions] = blocks[..] else {
        panic!("{} policies are shown", blocks.len());
    };
    let checked = check::read(whole, "README.md").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(checked.found[0].config.warnings, Vec::<String>::new());

    let policy = format!("version: 1\n{limits}");
    let checked = check::read(&policy, "README.md").unwrap_or_else(|errors| panic!("{errors}"));
    let config = &checked.found[0].config;
    let others: Vec<_> = config
        .warnings
        .iter()
        .filter(|warning| !warning.ends_with("no policy uses it"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    let mut shown: Vec<_> = config.limits.iter().map(|l| l.algorithm.name()).collect();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), 6, "an example of each algorithm: {shown:?}");

    let policy = format!("version: 1\n{caches}");
    let checked = check::read(&policy, "README.md").unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!checked.found[0].config.caches.is_empty());

    // Beside the realm and the limit that the whole one shows.
    let policy = format!(
        "version: 1\nsessions: {{ web: {{ cookie: sid }} }}\nlimits:\n  per-ip: {{ algorithm: fixed_window, \
         limit: 100, window: 1m, key: [client.ip] }}\n{sessions}"
    );
    let checked = check::read(&policy, "README.md").unwrap_or_else(|errors| panic!("{errors}"));
    let config = &checked.found[0].config;
    assert_eq!(config.warnings, Vec::<String>::new());
    let mut uses = config.policies.iter().filter_map(|p| p.session.as_ref());
    assert!(uses.any(|used| used.create) && uses.any(|used| used.update));
}
