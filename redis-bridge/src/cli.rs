//! The command line. No flag takes a secret; see [`crate::secrets`].

use crate::backend::{LoginError, Source, TargetError, Url};
use crate::doctor;
use crate::files::CertificateFiles;
use crate::listener::Address;
use crate::policy::{Policy, PolicyError};
use crate::secrets::{Credential, Secret, SecretError};
use crate::serve::Options;
use crate::vault::Vault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use tidegate::session::Keys;

const REDIS_USER: &str = "TIDEGATE_REDIS_USER";
const REDIS_PASSWORD: &str = "TIDEGATE_REDIS_PASSWORD";

/// tidegate's bridge between Envoy and Redis.
#[derive(Debug, Parser)]
#[command(name = "redis-bridge", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged, as `level` or `target=level,...`; RUST_LOG does the same.
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a policy file, or a file that embeds one, and say what is wrong with it.
    Check {
        /// The file.
        file: PathBuf,
        /// Envoy's configuration, or what its `/config_dump` answers: its cluster of the bridges is checked too.
        #[arg(long, value_name = "CONFIG")]
        envoy: Option<PathBuf>,
    },
    /// Look at the Redis of both roles and say what must be mended before production.
    Doctor(Box<Doctor>),
    /// Print fresh secrets as an environment file.
    Keygen,
    /// Print the JSON Schema of a policy file.
    Schema {
        /// 2020-12, or 07 for editors.
        #[arg(long, default_value = "2020-12", value_parser = ["2020-12", "07"])]
        draft: String,
    },
    /// Serve filters on the data listener and people on the admin listener.
    Serve(Box<Serve>),
    /// Print the version.
    Version,
}

/// Which Redis.
#[derive(Debug, Args)]
struct RedisArgs {
    // Not parsed by clap, which repeats a value it refuses: this one may hold a password.
    /// Redis of sessions and limits: redis://, redis+unix://, redis-sentinel:// or redis-cluster://.
    #[arg(
        long,
        env = "TIDEGATE_REDIS",
        value_name = "URL",
        hide_env_values = true
    )]
    redis: String,
    /// Redis of the cache; --redis when not given.
    #[arg(
        long,
        env = "TIDEGATE_REDIS_CACHE",
        value_name = "URL",
        hide_env_values = true
    )]
    redis_cache: Option<String>,
    /// Who may vouch for Redis over TLS (rediss://), PEM; the system's CAs when not given.
    #[arg(long, env = "TIDEGATE_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<PathBuf>,
    /// The bridge's certificate for Redis, PEM.
    #[arg(long, env = "TIDEGATE_REDIS_CERT", value_name = "FILE")]
    redis_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, env = "TIDEGATE_REDIS_KEY", value_name = "FILE")]
    redis_key: Option<PathBuf>,
}

impl RedisArgs {
    /// Where a login comes from: its variables, and the files that are named here.
    fn login(&self, user: &'static str, password: &'static str) -> Source {
        Source {
            user,
            password,
            files: CertificateFiles {
                ca: self.redis_ca.clone(),
                cert: self.redis_cert.clone(),
                key: self.redis_key.clone(),
            },
        }
    }

    /// The state's and the cache's.
    fn urls(&self) -> Result<(Url, Url), UsageError> {
        let redis = target("--redis", &self.redis)?;
        let cache = match &self.redis_cache {
            Some(url) => target("--redis-cache", url)?,
            None => redis.clone(),
        };
        Ok((redis, cache))
    }
}

/// `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "It reads and, without --after-restore, changes nothing. Exit status: 0 nothing is wrong, 1 something is, 2 it was called wrongly.

Secrets come from the environment, or from a file that NAME_FILE names:
  TIDEGATE_REDIS_USER, TIDEGATE_REDIS_PASSWORD    the bridge's login, whose rights are checked
  TIDEGATE_DOCTOR_USER, TIDEGATE_DOCTOR_PASSWORD  who may see configuration and users: +info +time
                                                  +config|get +acl +command +cluster|info +cluster|nodes"
)]
pub struct Doctor {
    #[command(flatten)]
    redis: RedisArgs,
    /// The policy file, for its namespace.
    #[arg(long, env = "TIDEGATE_POLICY", value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// First segment of every Redis key; the policy's when not given, else tg.
    #[arg(long, env = "TIDEGATE_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// What is doubtful, and what could not be looked at, is wrong too.
    #[arg(long)]
    pub strict: bool,
    /// End all sessions, for a backup that was restored brings back those that were ended since.
    #[arg(long, conflicts_with_all = ["format", "strict"])]
    pub after_restore: bool,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One object.
    Json,
    /// Lines.
    #[default]
    Text,
}

impl Doctor {
    /// Adds the secrets, and the policy's namespace.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn into_options(self) -> Result<doctor::Options, UsageError> {
        let (redis, redis_cache) = self.redis.urls()?;
        let login = self.redis.login(REDIS_USER, REDIS_PASSWORD).read()?;
        let operator = (self.redis)
            .login("TIDEGATE_DOCTOR_USER", "TIDEGATE_DOCTOR_PASSWORD")
            .read()?;
        let named = operator.user.is_some() || operator.password.is_some();
        let namespace = match (self.namespace, &self.policy) {
            (Some(namespace), _) => namespace,
            (None, Some(path)) => {
                let policy = Policy::read(path).map_err(UsageError::Policy)?;
                policy.namespace
            }
            (None, None) => "tg".to_owned(),
        };
        Ok(doctor::Options {
            redis,
            redis_cache,
            login,
            operator: named.then_some(operator),
            namespace,
        })
    }
}

/// `serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Secrets come from the environment, or from a file that NAME_FILE names:
  TIDEGATE_ADMIN_TOKEN     credential of the admin listener (required)
  TIDEGATE_SESSION_KEYS    kid:base64url,... keys that sign tokens (required)
  TIDEGATE_MASTER_KEY      base64url, 32 bytes: seals sessions in Redis (required); key,key: the first
                           seals, all open
  TIDEGATE_BRIDGE_TOKEN    credential of the data listener (required on TCP, and with TLS unless
                           --data-ca is given)
  TIDEGATE_REDIS_USER, TIDEGATE_REDIS_PASSWORD (files are read again when they change, certificates too)

Spans of traced exchanges are exported when OTEL_EXPORTER_OTLP_ENDPOINT is set, and as its kin say."
)]
pub struct Serve {
    /// Data listener: unix:/path, tcp:ip:port or tls:ip:port.
    #[arg(long, env = "TIDEGATE_DATA", value_name = "ADDRESS")]
    pub data: Address,
    /// Its certificate for tls:, PEM. Read again when it changes, as the next two.
    #[arg(long, env = "TIDEGATE_DATA_CERT", value_name = "FILE")]
    pub data_cert: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(long, env = "TIDEGATE_DATA_KEY", value_name = "FILE")]
    pub data_key: Option<PathBuf>,
    /// Who may vouch for clients, PEM: those without a certificate of it are refused.
    #[arg(long, env = "TIDEGATE_DATA_CA", value_name = "FILE")]
    pub data_ca: Option<PathBuf>,
    /// Admin listener.
    #[arg(
        long,
        env = "TIDEGATE_ADMIN",
        default_value = "127.0.0.1:10040",
        value_name = "IP:PORT"
    )]
    pub admin: SocketAddr,
    #[command(flatten)]
    redis: RedisArgs,
    /// The policy file: realms, limits, namespace. Read again when it changes.
    #[arg(long, env = "TIDEGATE_POLICY", value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// First segment of every Redis key; the policy's when not given.
    #[arg(long, env = "TIDEGATE_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
}

impl Serve {
    /// Adds the secrets.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn into_options(self) -> Result<Options, UsageError> {
        let (redis, redis_cache) = self.redis.urls()?;
        let admin_token = Credential::new(&Secret::required("TIDEGATE_ADMIN_TOKEN")?);
        let bridge_token = Secret::from_env("TIDEGATE_BRIDGE_TOKEN")?;
        Ok(Options {
            data: self.data,
            data_certificates: CertificateFiles {
                ca: self.data_ca,
                cert: self.data_cert,
                key: self.data_key,
            },
            admin: self.admin,
            redis,
            redis_cache,
            login: self.redis.login(REDIS_USER, REDIS_PASSWORD),
            policy: self.policy,
            namespace: self.namespace,
            admin_token,
            bridge_token: bridge_token.as_ref().map(Credential::new),
            session_keys: session_keys("TIDEGATE_SESSION_KEYS")?,
            vault: vault("TIDEGATE_MASTER_KEY")?,
        })
    }
}

/// What `keygen` prints.
///
/// # Errors
///
/// The system has no randomness.
pub fn keygen() -> Result<String, getrandom::Error> {
    let fresh = || -> Result<String, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    };
    Ok(format!(
        "TIDEGATE_ADMIN_TOKEN={}\nTIDEGATE_BRIDGE_TOKEN={}\nTIDEGATE_SESSION_KEYS=1:{}\nTIDEGATE_MASTER_KEY={}\n",
        fresh()?,
        fresh()?,
        fresh()?,
        fresh()?,
    ))
}

fn session_keys(name: &'static str) -> Result<Keys, SecretError> {
    let secret = Secret::required(name)?;
    Keys::parse(secret.expose()).map_err(|e| SecretError::Form {
        name,
        reason: e.to_string(),
    })
}

fn vault(name: &'static str) -> Result<Vault, SecretError> {
    let secret = Secret::required(name)?;
    let vault: Result<Vault, _> = secret.expose().parse();
    vault.map_err(|e| SecretError::Form {
        name,
        reason: e.to_string(),
    })
}

fn target(flag: &'static str, url: &str) -> Result<Url, UsageError> {
    url.parse()
        .map_err(|error| UsageError::Target { flag, error })
}

/// Why a command was called wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// Who the bridge is to Redis cannot be read.
    Login(LoginError),
    /// The policy file was refused.
    Policy(PolicyError),
    /// A secret is missing or malformed.
    Secret(SecretError),
    /// A URL names no Redis.
    Target {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        error: TargetError,
    },
}

impl From<LoginError> for UsageError {
    fn from(e: LoginError) -> Self {
        Self::Login(e)
    }
}

impl From<SecretError> for UsageError {
    fn from(e: SecretError) -> Self {
        Self::Secret(e)
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(error) => write!(f, "{error}"),
            Self::Policy(error) => write!(f, "policy: {error}"),
            Self::Secret(error) => write!(f, "{error}"),
            Self::Target { flag, error } => write!(f, "{flag}: {error}"),
        }
    }
}

impl std::error::Error for UsageError {}

fn namespace(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if first && rest && text.len() <= 64 {
        Ok(text.to_owned())
    } else {
        Err("want [a-z][a-z0-9-]*, at most 64 characters".to_owned())
    }
}
