//! The processes that are measured: one stack without Envoys, and an Envoy for each row.

use super::{Row, rows};
use crate::envoy::{self, bootstrap};
use crate::proc::{Guard, Running};
use crate::redis::Server;
use crate::stack::Admin;
use crate::usage;
use crate::{Error, Filter, Result, Stack, StackSpec, files, spec, wait};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const READY: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(5);
const HCM: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

/// Everything that runs; ends when dropped.
#[derive(Debug)]
pub(super) struct Lab {
    envoys: BTreeMap<Row, Envoy>,
    // Declared after the Envoys: nobody shall lose its bridge first.
    stack: Stack,
    fields: Vec<String>,
    forged: Vec<String>,
    guard: Guard,
}

/// The Envoy of one row.
#[derive(Debug)]
pub(super) struct Envoy {
    running: Running,
    /// Its admin listener.
    pub(super) admin: String,
    /// What it is asked for.
    pub(super) url: String,
}

impl Lab {
    /// Starts it all.
    ///
    /// # Errors
    /// When a part is missing or does not become ready.
    pub(super) fn start(
        mut spec: StackSpec,
        rows: &[Row],
        mut say: impl FnMut(&str),
    ) -> Result<Self> {
        if !rows::noop().is_file() {
            return Err(Error::Missing {
                what: "the filter that does nothing",
                mend: "tests/scripts/bench.sh builds it".into(),
            });
        }
        spec.envoys = 0;
        spec.workers = 1;
        spec.policy = policy_file();
        let stack = Stack::start_telling(spec, &mut say)?;
        let fields = vec![session(&stack)?];
        let forged = fields.iter().map(|field| forged(field)).collect();
        let mut lab = Self {
            envoys: BTreeMap::new(),
            stack,
            fields,
            forged,
            guard: Guard::start()?,
        };
        say(&format!("start {} Envoys with 1 worker each", rows.len()));
        for (i, &row) in (0..).zip(rows) {
            lab.launch(i, row)?;
        }
        for row in rows {
            lab.await_ready(*row)?;
        }
        Ok(lab)
    }

    /// The Envoy of a row.
    ///
    /// # Errors
    /// [`Error::NoPart`] when that row is not measured.
    pub(super) fn envoy(&self, row: Row) -> Result<&Envoy> {
        let envoy = self.envoys.get(&row);
        envoy.ok_or_else(|| Error::NoPart(format!("envoy of {}", row.name())))
    }

    /// Header fields of every request: the same in every row, but for a token that is not ours.
    pub(super) fn fields(&self, row: Row) -> &[String] {
        match row {
            Row::Forged => &self.forged,
            _ => &self.fields,
        }
    }

    /// What the row's Envoy counted.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn stats(&self, row: Row) -> Result<BTreeMap<String, u64>> {
        let wanted = "^(wasmcustom|wasm|http\\.edge|cluster\\.app)\\.";
        envoy::stats(&[self.envoy(row)?.admin.clone()], wanted)
    }

    /// A counter of the bridges, summed: `exchanges`, `batches`, `commands`.
    ///
    /// # Errors
    /// When one does not answer or has no such counter.
    pub(super) fn bridges(&self, counter: &str) -> Result<u64> {
        let name = format!("tidegate_bridge_{counter}_total ");
        let mut sum = 0;
        for i in 0..self.stack.spec().running_bridges() {
            let text = self.stack.admin_of(i).get("/metrics")?.text();
            let line = text.lines().find_map(|line| line.strip_prefix(&name));
            let value: Option<u64> = line.and_then(|value| value.trim().parse().ok());
            sum += value.ok_or_else(|| Error::Answer {
                what: format!("{name}of bridge {i}"),
                got: text,
            })?;
        }
        Ok(sum)
    }

    /// Processor time so far, µs: the row's Envoy, the bridges, Redis, the upstream.
    ///
    /// # Errors
    /// When a part has ended.
    pub(super) fn cpu(&self, row: Row) -> Result<[u64; 4]> {
        let parts = |prefix: &str| -> Result<u64> {
            let names = self.stack.names();
            let pids = names
                .iter()
                .filter(|name| name.starts_with(prefix))
                .map(|name| self.stack.pid(name))
                .collect::<Result<Vec<_>>>()?;
            usage::cpu_of(&pids)
        };
        Ok([
            usage::cpu(self.pid(row)?)?,
            parts("bridge-")?,
            parts("redis-")?,
            parts("upstream")?,
        ])
    }

    /// Processor time of everything that is ours so far, µs, the load generator included.
    ///
    /// # Errors
    /// When a part has ended.
    pub(super) fn cpu_of_all(&self) -> Result<u64> {
        let stack = self.stack.names();
        let mut pids = stack
            .iter()
            .map(|name| self.stack.pid(name))
            .collect::<Result<Vec<_>>>()?;
        pids.extend(self.envoys.values().map(|envoy| envoy.running.pid()));
        pids.push(std::process::id());
        Ok(usage::cpu_of(&pids)? + usage::cpu_of_children()?)
    }

    /// The state's Redis.
    pub(super) fn redis(&self) -> Server {
        self.stack.redis()
    }

    /// Process id of a part of the stack.
    ///
    /// # Errors
    /// [`Error::NoPart`] when it does not run.
    pub(super) fn pid_of(&self, part: &str) -> Result<u32> {
        self.stack.pid(part)
    }

    /// The cache's Redis.
    pub(super) fn redis_cache(&self) -> Server {
        self.stack.redis_cache()
    }

    /// Where the first bridge takes exchanges.
    ///
    /// # Errors
    /// When the stack cannot say.
    pub(super) fn data(&self) -> Result<String> {
        let bridges = self.stack.endpoints()?.bridges;
        let first = bridges.into_iter().next();
        first
            .map(|bridge| bridge.data)
            .ok_or_else(|| Error::NoPart("bridge-0".into()))
    }

    /// The admin API of the first bridge.
    pub(super) fn admin(&self) -> Admin {
        self.stack.admin()
    }

    /// Process id of the row's Envoy.
    ///
    /// # Errors
    /// As [`Lab::envoy`].
    pub(super) fn pid(&self, row: Row) -> Result<u32> {
        Ok(self.envoy(row)?.running.pid())
    }

    /// How many bridges there are.
    pub(super) fn bridge_count(&self) -> u16 {
        self.stack.spec().running_bridges()
    }

    fn launch(&mut self, i: u16, row: Row) -> Result<()> {
        let spec = self.stack.spec();
        let files = self.stack.files();
        let module = crate::bridge::module(spec)?.ok_or_else(|| Error::Spec {
            variable: "FILTER",
            reason: "must not be none here: the benchmark has a row without a filter".into(),
        })?;
        let mut launch = envoy::launch(spec, files, self.stack.secrets(), i)?;
        launch.name = format!("envoy-{}", row.name());
        launch.log = files.log(&launch.name);

        let mut config = if let Some(answer) = row.ecds(self.stack.policy(), &module)? {
            let dir = files.dir().join("ecds-of").join(row.name());
            std::fs::create_dir_all(&dir)
                .map_err(Error::io(format!("create {}", dir.display())))?;
            let file = dir.join("tidegate.json");
            files::replace(&file, answer.to_string().as_bytes())?;
            let mut config = bootstrap::make(spec, files, i)?;
            let source =
                format!("{HCM}/http_filters/0/config_discovery/config_source/path_config_source");
            *envoy::at(&mut config, &source)? =
                json!({ "path": file, "watched_directory": { "path": dir } });
            config
        } else {
            let spec = StackSpec {
                filter: Filter::None,
                ..spec.clone()
            };
            bootstrap::make(&spec, files, i)?
        };
        // A line for each request would measure the disk as well, in every row.
        *envoy::at(&mut config, &format!("{HCM}/access_log"))? = json!([]);
        files::write_private(&files.bootstrap(i), config.to_string().as_bytes())?;

        let running = launch.start()?;
        self.guard.watch(&running.known())?;
        let spec = self.stack.spec();
        let envoy = Envoy {
            running,
            admin: format!("http://127.0.0.1:{}", spec.envoy_admin_port(i)),
            url: format!("http://127.0.0.1:{}{}", spec.listener_port(i), row.path()),
        };
        self.envoys.insert(row, envoy);
        Ok(())
    }

    fn await_ready(&mut self, row: Row) -> Result<()> {
        let envoy = self
            .envoys
            .get_mut(&row)
            .ok_or_else(|| Error::NoPart(row.name().into()))?;
        let mut ended = Ok(());
        wait::until(format!("Envoy of {} answers", row.name()), READY, || {
            ended = envoy.running.check();
            if ended.is_err() {
                return Ok(());
            }
            match envoy::listening(&envoy.admin) {
                Ok(true) => Ok(()),
                Ok(false) => Err("not ready".into()),
                Err(e) => Err(e.to_string()),
            }
        })?;
        ended
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, envoy) in std::mem::take(&mut self.envoys) {
            // One that resists is the guard's.
            let _ended = envoy.running.end(END);
        }
    }
}

/// The policy that is measured.
fn policy_file() -> PathBuf {
    spec::root().join("tests/stack/src/bench/policy.yaml")
}

/// A session, as the cookie of its user.
/// The same with another last character: one of the MAC's.
fn forged(field: &str) -> String {
    let (rest, last) = field.split_at(field.len() - 1);
    format!("{rest}{}", if last == "A" { "B" } else { "A" })
}

fn session(stack: &Stack) -> Result<String> {
    let wanted = json!({ "realm": "web", "uid": "bench", "roles": [], "data": {} });
    let answer = stack.admin().post("/v1/sessions", &wanted)?;
    let body = answer.json().unwrap_or(Value::Null);
    match body["token"].as_str() {
        Some(token) => Ok(format!("Cookie: __Host-sid={token}")),
        None => Err(Error::Answer {
            what: "POST /v1/sessions".into(),
            got: format!("{} {}", answer.status, answer.text()),
        }),
    }
}
