//! All parts together.

pub(crate) mod hot;
mod live;
mod parts;
mod start;

use crate::apply::Applier;
use crate::bridge::{self, Secrets};
use crate::endpoints::{self, Endpoints};
use crate::fault::Control;
use crate::files::Files;
use crate::http::{Client, Request, Response};
use crate::own::Network;
use crate::policy::Policy;
use crate::proc::{self, Guard, Known, Launch, Running};
use crate::redis::Server;
use crate::spec::RedisKind;
use crate::{Error, Result, StackSpec, envoy, files};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long a part may take to end by itself.
const END: Duration = Duration::from_secs(5);

/// A running stack; its parts end when it is dropped, or when this program does, whichever way.
#[derive(Debug)]
pub struct Stack {
    spec: StackSpec,
    files: Files,
    secrets: Secrets,
    policy: Policy,
    parts: BTreeMap<String, Part>,
    guard: Option<Guard>,
}

#[derive(Debug)]
struct Part {
    launch: Launch,
    running: Option<Running>,
}

impl Stack {
    /// Starts everything and waits until every part answers.
    ///
    /// # Errors
    /// When a part is missing, does not start, or does not become ready; nothing is left running then.
    pub fn start(spec: StackSpec) -> Result<Self> {
        Self::start_telling(spec, |_| {})
    }

    /// The same, saying each step before it is taken.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_telling(spec: StackSpec, say: impl FnMut(&str)) -> Result<Self> {
        start::start(spec, say)
    }

    /// Lets everything run on after this program ends, with a watcher that applies the policy file whenever it
    /// is saved, and writes down what `make down` needs.
    ///
    /// # Errors
    /// When that cannot be written; the parts end then.
    pub fn detach(mut self) -> Result<Endpoints> {
        let watcher = start::watcher(&self)?;
        self.launch(watcher)?;
        let endpoints = self.publish()?;
        let known: BTreeMap<String, Known> = self
            .running()
            .map(|(name, running)| (name.clone(), running.known()))
            .collect();
        proc::store(&self.files.pids(), &known)?;
        if let Some(guard) = self.guard.take() {
            guard.release();
        }
        for part in self.parts.values_mut() {
            // Forgetting a `Child` leaves its process running.
            part.running = None;
        }
        Ok(endpoints)
    }

    /// Ends what [`Stack::detach`] left running; returns how many processes that were.
    ///
    /// # Errors
    /// When one does not end.
    pub fn down(spec: &StackSpec) -> Result<usize> {
        let path = Files::of(spec).pids();
        let count = proc::end_all(&proc::load(&path)?, END)?;
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove {}", path.display()))(e))
            }
            _ => Ok(count),
        }
    }

    /// Checks a policy file and swaps it in; returns when every Envoy runs it.
    ///
    /// # Errors
    /// As [`Applier::policy`].
    pub fn apply_policy(&mut self, file: &Path) -> Result<()> {
        self.policy = self.applier().policy(file)?;
        Ok(())
    }

    /// Swaps another module in; returns when every Envoy runs it.
    ///
    /// # Errors
    /// As [`Applier::module`].
    pub fn apply_wasm(&mut self, module: &Path) -> Result<()> {
        self.applier().module(module)
    }

    /// What swaps policies and modules.
    pub fn applier(&self) -> Applier {
        Applier::new(&self.spec)
    }

    /// Writes `endpoints.json`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(&self) -> Result<Endpoints> {
        let endpoints = self.endpoints()?;
        files::replace(
            &self.files.endpoints(),
            (endpoints.line()? + "\n").as_bytes(),
        )?;
        Ok(endpoints)
    }

    /// Where everything is.
    ///
    /// # Errors
    /// When a part that belongs into it does not run.
    pub fn endpoints(&self) -> Result<Endpoints> {
        let spec = &self.spec;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let pids: BTreeMap<String, u32> = self
            .running()
            .map(|(name, running)| (name.clone(), running.pid()))
            .collect();
        let bridge = |i: u16| {
            let name = format!("bridge-{i}");
            Ok(endpoints::Bridge {
                data: bridge::data(spec, &self.files, i),
                admin: format!("http://{}", local(spec.bridge_admin_port(i))),
                pid: *pids.get(&name).ok_or(Error::NoPart(name))?,
            })
        };
        let (host, port) = spec.upstream_address();
        let sentinels = if spec.redis == RedisKind::Sentinel {
            3
        } else {
            0
        };
        Ok(Endpoints {
            envoys: (0..spec.envoys)
                .map(|i| format!("http://{}", local(spec.proxy_port(i))))
                .collect(),
            envoy_admin: self.envoy_admins(),
            bridges: (0..spec.running_bridges())
                .map(bridge)
                .collect::<Result<_>>()?,
            redis: (0..spec.state_servers())
                .map(|i| local(spec.state_port(i)))
                .collect(),
            redis_cache: vec![local(spec.cache_port())],
            sentinels: (0..sentinels)
                .map(|i| local(spec.sentinel_port(i)))
                .collect(),
            upstream: format!("{host}:{port}"),
            admin_token_file: self.files.admin_token().display().to_string(),
            logs: self.files.logs().display().to_string(),
            pids,
            faults: spec
                .faults
                .then(|| format!("http://{}", local(spec.faults_port()))),
        })
    }

    /// A client of Envoy `i`.
    pub fn client(&self, i: u16) -> Client {
        Client::new(&format!("127.0.0.1:{}", self.spec.proxy_port(i)))
    }

    /// The admin API of bridge 0.
    pub fn admin(&self) -> Admin {
        self.admin_of(0)
    }

    /// The admin API of bridge `i`.
    pub fn admin_of(&self, i: u16) -> Admin {
        let client = Client::new(&format!("127.0.0.1:{}", self.spec.bridge_admin_port(i)));
        Admin {
            client,
            token: self.secrets.admin_token.clone(),
        }
    }

    /// The fault proxies, with `FAULTS=on`.
    pub fn faults(&self) -> Control {
        Control::new(&format!("127.0.0.1:{}", self.spec.faults_port()))
    }

    /// The first server of the state role.
    pub fn redis(&self) -> Server {
        self.redis_of(0)
    }

    /// Server `i` of the state role.
    pub fn redis_of(&self, i: u16) -> Server {
        Server::new(format!("127.0.0.1:{}", self.spec.state_port(i)))
    }

    /// The server of the cache role.
    pub fn redis_cache(&self) -> Server {
        Server::new(format!("127.0.0.1:{}", self.spec.cache_port()))
    }

    /// A statistic of the filter, summed over all Envoys; one that was never counted is 0.
    ///
    /// # Errors
    /// When an Envoy does not answer.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let all = self.stats("^wasmcustom\\.")?;
        Ok(all.get(name).copied().unwrap_or(0))
    }

    /// Statistics whose Envoy name matches `filter`, summed over all Envoys (see [`envoy::stats`]).
    ///
    /// # Errors
    /// When an Envoy does not answer.
    pub fn stats(&self, filter: &str) -> Result<BTreeMap<String, u64>> {
        envoy::stats(&self.envoy_admins(), filter)
    }

    /// How often the sample upstream was asked for `path` (without its query).
    ///
    /// # Errors
    /// When it does not answer.
    pub fn upstream_count(&self, path: &str) -> Result<u64> {
        let (host, port) = self.spec.upstream_address();
        let counts = Client::new(&format!("{host}:{port}"))
            .get("/__stats")?
            .json()?;
        Ok(counts.get(path).and_then(Value::as_u64).unwrap_or(0))
    }

    /// The stack's own network, when it has one. Only the thread that started the stack is in it, and what that
    /// thread started.
    pub fn network(&self) -> Option<Network> {
        let own = &self.spec.own;
        (own.network || own.names).then(|| Network::new(&self.spec))
    }

    /// What was asked for.
    pub fn spec(&self) -> &StackSpec {
        &self.spec
    }

    /// Its files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The policy that was applied last.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Keys and passwords.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn envoy_admins(&self) -> Vec<String> {
        let admin = |i| format!("http://127.0.0.1:{}", self.spec.envoy_admin_port(i));
        (0..self.spec.envoys).map(admin).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Clients first, so that nobody logs that its server has gone; one that resists is the guard's.
        for prefix in ["watch", "envoy", "faults", "bridge", ""] {
            let names: Vec<String> = self
                .parts
                .keys()
                .filter(|name| name.starts_with(prefix))
                .cloned()
                .collect();
            let running: Vec<Running> = names
                .iter()
                .filter_map(|name| self.parts.get_mut(name)?.running.take())
                .collect();
            let known = running
                .iter()
                .enumerate()
                .map(|(i, r)| (i.to_string(), r.known()))
                .collect();
            let _ended = proc::end_all(&known, END);
            for part in running {
                let _reaped = part.end(END);
            }
        }
        hot::forget(&self.spec);
        self.spec.own.unmount(self.files.dir());
    }
}

/// The admin API of one bridge.
#[derive(Debug)]
pub struct Admin {
    client: Client,
    token: String,
}

impl Admin {
    /// The same with another limit for each answer.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        Self {
            client: self.client.timeout(limit),
            ..self
        }
    }

    /// `GET target`.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub fn get(&mut self, target: &str) -> Result<Response> {
        self.send(Request::get(target))
    }

    /// `POST target` with a JSON body.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub fn post(&mut self, target: &str, body: &Value) -> Result<Response> {
        self.send(Request::post_json(target, body))
    }

    /// `DELETE target`.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub fn delete(&mut self, target: &str) -> Result<Response> {
        self.send(Request::new("DELETE", target))
    }

    /// Any request, with the credential.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub fn send(&mut self, request: Request) -> Result<Response> {
        let credential = format!("Bearer {}", self.token);
        self.client
            .send(&request.field("authorization", credential))
    }
}
