//! YAML to JSON values. The only place that knows the YAML library.
//!
//! Plain scalars are read as Envoy's parser and Kubernetes read them, not as YAML 1.2 says: bare `on`,
//! `off`, `yes`, `no`, `y` and `n` are booleans. So what would be refused there (a boolean where a
//! string is expected) is refused here with the same words.

use serde_json::Value;
use serde_saphyr::UserMessageFormatter;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// Reads every document of `text`, empty ones left out.
///
/// # Errors
/// The reason, with line and column: no YAML, a name given twice, aliases that expand to more than a
/// configuration may hold, nesting too deep, a number that parsers do not agree about.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let documents = read(text, false)?;
    // Envoy's parser takes 0100 for 64, YAML 1.2 for 100, and neither says so.
    if may_be_octal(text) && read(text, true)? != documents {
        return Err("a number with a leading zero, which Envoy reads as octal".to_owned());
    }
    let given = |document: &Value| !document.is_null();
    Ok(documents.into_iter().filter(given).collect())
}

fn read(text: &str, legacy_octal_numbers: bool) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 48,
            max_nodes: 1 << 18,
            max_documents: 256,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 1 << 16,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
        legacy_octal_numbers: legacy_octal_numbers,
    };
    let failed = |error: serde_saphyr::Error| {
        let reason = error.render_with_formatter(&UserMessageFormatter);
        format!("not YAML: {}", one_line(&reason))
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(failed)
}

/// Whether there is a 0 before a digit, somewhere.
fn may_be_octal(text: &str) -> bool {
    text.as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [b'0', b'0'..=b'7']))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
