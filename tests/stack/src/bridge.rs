//! The redis-bridge processes: their program, their secrets, their arguments.

use crate::files::{self, Files};
use crate::proc::Launch;
use crate::{Error, Result, StackSpec, redis, spec};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The keys and passwords of one stack, drawn when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Bearer credential of the bridges' admin listener.
    pub admin_token: String,
    /// Credential of the data listener when it is TCP.
    pub bridge_token: String,
    /// `id:base64url` of the token MAC keys, newest first.
    pub session_keys: String,
    /// base64url of the key that sealed sessions derive from.
    pub master_key: String,
    /// Password of the Redis user the bridges log in as.
    pub redis_password: String,
}

impl Secrets {
    /// Fresh ones.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn draw() -> Result<Self> {
        Ok(Self {
            admin_token: random()?,
            bridge_token: random()?,
            session_keys: format!("1:{}", random()?),
            master_key: random()?,
            redis_password: random()?,
        })
    }

    /// Those of a stack that runs already.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn load(files: &Files) -> Result<Self> {
        let path = files.secrets();
        serde_json::from_str(&files::read(&path)?).map_err(|e| Error::Answer {
            what: format!("read {}", path.display()),
            got: e.to_string(),
        })
    }

    /// Writes them for later, readable by their owner only.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn store(&self, files: &Files) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| Error::Answer {
            what: "encode the secrets".into(),
            got: e.to_string(),
        })?;
        files::write_private(&files.secrets(), &text)?;
        files::write_private(&files.admin_token(), self.admin_token.as_bytes())
    }

    /// What an Envoy finds in its environment (`host_env_keys`).
    pub fn envoy_env(&self) -> Vec<(String, String)> {
        vec![
            ("TIDEGATE_SESSION_KEYS".into(), self.session_keys.clone()),
            ("TIDEGATE_BRIDGE_TOKEN".into(), self.bridge_token.clone()),
        ]
    }

    fn bridge_env(&self, spec: &StackSpec) -> Vec<(String, String)> {
        let mut env = self.envoy_env();
        if spec.tls.is_some() {
            env.retain(|(name, _)| name != "TIDEGATE_BRIDGE_TOKEN");
        }
        env.extend(spec.unguarded_env());
        env.extend([
            ("TIDEGATE_ADMIN_TOKEN".into(), self.admin_token.clone()),
            ("TIDEGATE_MASTER_KEY".into(), self.master_key.clone()),
            ("TIDEGATE_REDIS_USER".into(), redis::USER.into()),
            (
                "TIDEGATE_REDIS_PASSWORD".into(),
                self.redis_password.clone(),
            ),
        ]);
        env
    }
}

/// Where bridge `i`'s data listener is.
pub fn data(spec: &StackSpec, files: &Files, i: u16) -> String {
    match &spec.tls {
        Some(_) => format!("tls:127.0.0.1:{}", spec.bridge_data_port(i)),
        None => format!("unix:{}", files.bridge_socket(i).display()),
    }
}

/// How to start bridge `i`.
///
/// # Errors
/// When its program was not built.
pub fn launch(spec: &StackSpec, files: &Files, secrets: &Secrets, i: u16) -> Result<Launch> {
    let name = format!("bridge-{i}");
    let args = [
        "serve",
        "--data",
        &data(spec, files, i),
        "--admin",
        &format!("127.0.0.1:{}", spec.bridge_admin_port(i)),
        "--redis",
        &redis::state_url(spec),
        "--redis-cache",
        &redis::cache_url(spec),
        "--policy",
        &files.policy().display().to_string(),
    ];
    let tls = spec.tls.iter().flat_map(|dir| {
        let flags = [
            ("--data-cert", "bridge.pem"),
            ("--data-key", "bridge.key"),
            ("--data-ca", "envoy-ca.pem"),
        ];
        flags.map(|(flag, file)| [flag.to_owned(), dir.join(file).display().to_string()])
    });
    let tls: Vec<String> = tls.flatten().collect();
    Ok(Launch {
        log: files.log(&name),
        name,
        program: match spec.unguarded.is_empty() {
            true => program()?,
            false => spec::unguarded("redis-bridge")?,
        },
        args: args.map(String::from).into_iter().chain(tls).collect(),
        env: secrets.bridge_env(spec),
        ..Launch::default()
    })
}

/// The bridge's program: `TIDEGATE_BRIDGE`, or the one built beside this program.
///
/// # Errors
/// [`Error::Missing`] when it was not built.
pub fn program() -> Result<PathBuf> {
    sibling(
        "redis-bridge",
        "TIDEGATE_BRIDGE",
        "cargo build -p redis-bridge",
    )
}

/// A program of this workspace, built with the same profile as the one that asks.
///
/// # Errors
/// [`Error::Missing`] with `mend` when it was not built.
pub fn sibling(name: &'static str, variable: &str, mend: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let here = std::env::current_exe().map_err(Error::io("find this program"))?;
    // Tests live in target/PROFILE/deps, programs in target/PROFILE.
    let beside = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    beside.ok_or_else(|| Error::Missing {
        what: name,
        mend: format!("{mend}, or set {variable}"),
    })
}

/// The module: what the specification says, `TIDEGATE_WASM`, or what `make wasm` built.
///
/// # Errors
/// [`Error::Missing`] when there is none.
pub fn module(spec: &StackSpec) -> Result<Option<PathBuf>> {
    let path = match &spec.filter {
        spec::Filter::None => return Ok(None),
        spec::Filter::Module(path) => path.clone(),
        spec::Filter::Built if !spec.unguarded.is_empty() => spec::unguarded("tidegate.wasm")?,
        spec::Filter::Built => match std::env::var_os("TIDEGATE_WASM") {
            Some(path) => path.into(),
            None => spec::root().join("target/wasm32-wasip1/release/tidegate.wasm"),
        },
    };
    if path.is_file() {
        Ok(Some(path))
    } else {
        Err(Error::Missing {
            what: "the filter's module",
            mend: format!("make wasm ({})", path.display()),
        })
    }
}

fn random() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::io("draw random bytes")(std::io::Error::other(e.to_string())))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
