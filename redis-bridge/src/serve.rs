//! `redis-bridge serve`: puts the parts together, runs them, takes them down in order.

use crate::admin::Admin;
use crate::backend::{Backend, Health, LoginError, Refusal, Source, Url};
use crate::core::{Core, CoreConfig, Role};
use crate::files::CertificateFiles;
use crate::handle::Handle;
use crate::listener::data::Data;
use crate::listener::tls::Tls;
use crate::listener::{self, Access, AccessError, Address, Listener};
use crate::metrics::Metrics;
use crate::owner::Owner;
use crate::policy::{Policy, PolicyError};
use crate::pubsub::{Published, Subscriber};
use crate::purge::Purger;
use crate::repeat::Repeater;
use crate::secrets::Credential;
use crate::spans::{self, Places, Settings, SettingsError};
use crate::vault::Vault;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate::session::Keys;
use tokio::sync::watch;

/// Time to finish what was accepted, once asked to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// Time to send spans when everything else took all of that.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);
/// The longest that a paced answer may still be held: a `max_delay`.
const HELD_WITHIN: Duration = Duration::from_secs(30);

/// What `serve` is told.
pub struct Options {
    /// Data listener.
    pub data: Address,
    /// Its certificates; none where it speaks no TLS.
    pub data_certificates: CertificateFiles,
    /// Admin listener.
    pub admin: SocketAddr,
    /// Redis of sessions and limits.
    pub redis: Url,
    /// Redis of the cache; equal to `redis` when there is one for both.
    pub redis_cache: Url,
    /// Who we are to Redis; read again while it runs.
    pub login: Source,
    /// The users' policy file.
    pub policy: Option<PathBuf>,
    /// First segment of every Redis key; `None`: the policy's, or `tg`.
    pub namespace: Option<String>,
    /// What callers of the admin listener must show.
    pub admin_token: Credential,
    /// What callers of the data listener must show, but on a Unix socket.
    pub bridge_token: Option<Credential>,
    /// Sign tokens.
    pub session_keys: Keys,
    /// Seals sessions.
    pub vault: Vault,
}

/// Why `serve` did not start.
#[derive(Debug)]
pub enum ServeError {
    /// Nobody, or anybody, could use the data listener.
    Access(AccessError),
    /// A socket could not be bound.
    Bind {
        /// Which.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// Who we are to Redis cannot be read.
    Login(LoginError),
    /// The policy file was refused.
    Policy(PolicyError),
    /// Redis must not be used as it is configured.
    Redis(Refusal),
    /// Spans cannot be exported as the environment says.
    Spans(SettingsError),
}

/// Serves until `stop` completes, then leaves in order: not ready, BYE on every stream, what was
/// accepted is answered, sockets closed.
///
/// # Errors
///
/// [`ServeError`]; nothing was served then.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let policy = match &options.policy {
        Some(path) => Policy::watch(path).map_err(ServeError::Policy)?,
        None => Policy::none(),
    };
    let from_policy = || policy.config().map(|config| config.namespace.clone());
    let namespace = options.namespace.clone().or_else(from_policy);
    let namespace = namespace.unwrap_or_else(|| "tg".to_owned());
    let metrics = Metrics::new();
    let (token, certificates) = (options.bridge_token, options.data_certificates);
    let access = Access::new(&options.data, token, certificates, &metrics);
    let access = access.map_err(ServeError::Access)?;
    let (redis, cache) = (options.redis, options.redis_cache);
    let login = options.login.read().map_err(ServeError::Login)?;
    let logins = options.login.follow(login);
    let backend = Backend::start(redis, cache, &logins, &metrics);
    backend.first_attempts().await;
    if let Health::Refused(refusal) = backend.health() {
        return Err(ServeError::Redis(refusal));
    }
    let data = bind(&options.data, access.tls).await?;
    let admin = bind(&Address::Tcp(options.admin), None).await?;

    let (handle, events) = Handle::new(metrics.clone());
    let (leave, leaving) = watch::channel(false);
    let mut config = CoreConfig::new(&namespace, format!("{:016x}", crate::random_u64()));
    config.shared = backend.is_shared();
    config.cluster = backend.is_cluster();
    let settings = Settings::from_env();
    config.traces = settings.is_some();
    let started = settings.map(|settings| {
        let places = Places::of(&backend);
        spans::start(&settings, &config.bridge_id, places, &metrics)
    });
    let (spans, exporter) = started.transpose().map_err(ServeError::Spans)?.unzip();
    let core = Core::new(config, options.vault.clone());
    let (finish, finished) = watch::channel(false);
    let repeater = Repeater::start(handle.clone());
    let owner = Owner::new(
        core,
        backend.clone(),
        repeater.clone(),
        metrics.clone(),
        events,
        leaving.clone(),
        finished,
    );
    let purger = Purger::start(handle.clone(), backend.clone(), namespace.clone());
    let published = Published::start(purger.clone(), handle.clone());
    for redis in backend.each() {
        let (redis, published) = (Arc::clone(redis), published.clone());
        let tells = Arc::ptr_eq(&redis, backend.role(Role::Cache));
        let subscriber = Subscriber::new(redis, published, handle.clone(), &namespace, tells);
        tokio::spawn(subscriber.run());
    }

    tracing::info!(
        data = %options.data,
        admin = ?admin.tcp_address(),
        %namespace,
        version = crate::VERSION,
        "serving"
    );
    let owner = tokio::spawn(owner.telling(spans).run());
    let service = Data::new(handle.clone(), access.credential, namespace);
    let data = tokio::spawn(listener::serve(data, Arc::new(service), leaving.clone()));
    let service = Admin {
        repeater,
        handle,
        credential: options.admin_token,
        policy,
        backend,
        purger,
        keys: options.session_keys,
        vault: options.vault,
        leaving: leaving.clone(),
    };
    // The admin listener answers probes until the rest is done.
    let (admin_stop, admin_stopped) = watch::channel(false);
    let admin = tokio::spawn(listener::serve(admin, Arc::new(service), admin_stopped));

    stop.await;
    tracing::info!("leaving");
    leave.send_replace(true);
    // A task that panicked has nothing left to wait for either.
    let all = async {
        let _ = data.await;
        finish.send_replace(true);
        let _ = owner.await;
    };
    let mut all = std::pin::pin!(all);
    let asked = tokio::time::Instant::now();
    while tokio::time::timeout(LEAVE_WITHIN, &mut all).await.is_err() {
        // Each turn that was promised is still answered.
        if metrics.held.get() == 0 || asked.elapsed() > HELD_WITHIN {
            tracing::warn!("left with streams or requests still open");
            break;
        }
    }
    if let Some(exporter) = exporter {
        // Within what leaving may take; and who took all of it may still say why.
        let left = LEAVE_WITHIN.saturating_sub(asked.elapsed());
        exporter.finish(left.max(FLUSH_WITHIN)).await;
    }
    admin_stop.send_replace(true);
    // A scrape in progress may end; one that hangs may not keep the process.
    let _ = tokio::time::timeout(Duration::from_millis(200), admin).await;
    Ok(())
}

async fn bind(address: &Address, tls: Option<Arc<Tls>>) -> Result<Listener, ServeError> {
    let bound = Listener::bind(address, tls).await;
    bound.map_err(|error| ServeError::Bind {
        address: address.to_string(),
        error,
    })
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(error) => write!(f, "{error}"),
            Self::Bind { address, error } => write!(f, "{address}: {error}"),
            Self::Login(error) => write!(f, "{error}"),
            Self::Policy(error) => write!(f, "policy: {error}"),
            Self::Redis(refusal) => write!(f, "{refusal}"),
            Self::Spans(error) => write!(f, "spans: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}
