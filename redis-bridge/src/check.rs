//! Checks a configuration file offline: what `redis-bridge check` and `redis-bridge schema` do.
//!
//! Takes a policy file, and every file that embeds one: a file for Envoy's ECDS, a static Envoy
//! configuration, an Istio `WasmPlugin` or `EnvoyFilter`, an Envoy Gateway `EnvoyExtensionPolicy`.
//! `envoy --mode validate` does not look inside those. The policy itself is read by
//! [`tidegate::config::parse`], the same code that runs in the filter. Where Envoy's cluster of the bridges is
//! described, in that file or in another, it is looked at too.

mod cluster;
mod document;
mod find;
mod report;
mod sent;
mod yaml;

pub use report::{Errors, Problem};
pub use tidegate::config::Draft;

use find::Candidate;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use tidegate::policy::Config;

/// Largest file that is read, bytes.
pub const MAX_FILE: usize = tidegate::config::MAX_INPUT;

/// Largest configuration of an Envoy that is read, bytes: a dump of a mesh's gateway has megabytes.
pub const MAX_DUMP: usize = 64 << 20;

/// A file whose every policy is right.
#[derive(Debug)]
pub struct Checked {
    /// The file's name, as it was given.
    pub name: String,
    /// Its policies, in file order; at least one.
    pub found: Vec<Found>,
    /// What is doubtful about what stands around them.
    pub doubts: Vec<Problem>,
}

/// One policy of a file.
#[derive(Debug)]
pub struct Found {
    /// Where in the file it stands, like `spec.pluginConfig`; empty when the file is a policy.
    pub place: String,
    /// The policy as JSON, as Envoy would hand it to the filter.
    pub json: String,
    /// The policy, compiled.
    pub config: Config,
}

/// What a command prints, and how it ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status: 0, or 1 when something is wrong.
    pub status: u8,
    /// Lines for standard output.
    pub out: Vec<String>,
    /// Lines for standard error.
    pub err: Vec<String>,
}

/// Reads `text`, the content of the file `name`.
///
/// # Errors
/// Every mistake of every policy in it; that it is no YAML, or that it holds no policy.
pub fn read(text: &str, name: &str) -> Result<Checked, Errors> {
    let whole = |reason| Errors::of_file(name, reason);
    if text.len() > MAX_FILE {
        return Err(whole(format!("longer than {MAX_FILE} bytes")));
    }
    let documents = yaml::documents(text).map_err(whole)?;
    let candidates = find::candidates(&documents).map_err(whole)?;
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for Candidate { place, json } in candidates {
        match tidegate::config::parse(json.as_bytes()) {
            Ok(config) => found.push(Found {
                place,
                json,
                config,
            }),
            Err(errors) => {
                let of_place = |error| Problem::new(&place, error);
                problems.extend(errors.0.into_iter().map(of_place));
            }
        }
    }
    let complete = documents.iter().any(cluster::are_complete);
    problems.extend(clusters(&documents, &found, complete));
    let name = name.to_owned();
    match problems.is_empty() {
        true => Ok(Checked {
            name,
            doubts: doubts(&documents, &found),
            found,
        }),
        false => Err(Errors { name, problems }),
    }
}

/// Looks at the clusters that policies name in `text`, Envoy's configuration or what `/config_dump` answered. Returns
/// what is doubtful about its routes.
///
/// # Errors
/// That there is none of such a name, and everything that makes one unfit for bridges.
pub fn read_envoy(text: &str, name: &str, checked: &Checked) -> Result<Vec<Problem>, Errors> {
    if text.len() > MAX_DUMP {
        return Err(Errors::of_file(
            name,
            format!("longer than {MAX_DUMP} bytes"),
        ));
    }
    // A dump is JSON, and larger than a YAML file may be.
    let documents = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text)
            .map(|document| vec![document])
            .map_err(|error| format!("not JSON: {error}")),
        false => yaml::documents(text),
    };
    let documents = documents.map_err(|reason| Errors::of_file(name, reason))?;
    let problems = clusters(&documents, &checked.found, true);
    let name = name.to_owned();
    match problems.is_empty() {
        true => Ok(doubts(&documents, &checked.found)),
        false => Err(Errors { name, problems }),
    }
}

/// What is wrong with the clusters that policies name, each looked at once.
fn clusters(documents: &[serde_json::Value], found: &[Found], complete: bool) -> Vec<Problem> {
    let names: BTreeSet<_> = found
        .iter()
        .map(|found| found.config.bridge.cluster.as_str())
        .collect();
    names
        .into_iter()
        .flat_map(|name| cluster::findings(documents, name, complete))
        .map(Problem::around)
        .collect()
}

/// What is doubtful about routes, on behalf of the first policy that minds.
fn doubts(documents: &[serde_json::Value], found: &[Found]) -> Vec<Problem> {
    let cache = found
        .iter()
        .find_map(|found| sent::refreshed(&found.config));
    let doubts = cache.map(|cache| sent::silent(documents, cache));
    let doubts = doubts.into_iter().flatten();
    doubts.map(Problem::around).collect()
}

/// `redis-bridge check FILE [--envoy CONFIG]`.
pub fn check_command(path: &Path, envoy: Option<&Path>) -> Outcome {
    let name = path.display().to_string();
    let checked = read_file(path, &name, MAX_FILE).and_then(|text| {
        let checked = read(&text, &name)?;
        let mut warnings = report::warnings(&checked);
        if let Some(envoy) = envoy {
            let name = envoy.display().to_string();
            let text = read_file(envoy, &name, MAX_DUMP)?;
            let doubts = read_envoy(&text, &name, &checked)?;
            warnings.extend(report::doubts(&name, &doubts));
        }
        Ok((checked, warnings))
    });
    match checked {
        Ok((checked, err)) => Outcome {
            status: 0,
            out: report::summary(&checked),
            err,
        },
        Err(errors) => Outcome {
            status: 1,
            out: Vec::new(),
            err: errors.to_string().lines().map(str::to_owned).collect(),
        },
    }
}

/// `redis-bridge schema [--draft 07]`: the JSON Schema of a policy file, indented.
pub fn schema(draft: Draft) -> String {
    format!("{:#}", tidegate::config::json_schema(draft))
}

fn read_file(path: &Path, name: &str, most: usize) -> Result<String, Errors> {
    let failed = |error: std::io::Error| Errors::of_file(name, error.to_string());
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    let mut bounded = file.take(most as u64 + 1);
    bounded.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
