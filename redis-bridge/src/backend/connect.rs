//! Opens connections: to one address, to the primary that sentinels name.

use super::login::Login;
use super::target::{Node, Target};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
use std::collections::HashMap;
use std::time::Duration;

/// Time to connect, TCP and login.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for one sentinel to say where the primary is: the next one is asked after it.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(300);
/// Pipelines that may wait to be written to one connection; a full queue would block its senders in
/// line and count against their response time.
const PIPELINE_BUFFER: usize = 1024;

/// Opens one multiplexed connection. Of a primary behind sentinels `hint` is asked first, who was told
/// to be it; and it says which node it is.
///
/// # Errors
///
/// Not reachable, not admitted, or for sentinels: nobody knows a primary, or it is none.
pub async fn single(
    target: &Target,
    login: &Login,
    hint: Option<&Node>,
    response_timeout: Duration,
) -> RedisResult<(MultiplexedConnection, Option<Node>)> {
    match target {
        Target::Tcp(node) => Ok((open(login.client(node)?, response_timeout).await?, None)),
        Target::Unix(path) => {
            let client = login.client_of_socket(path)?;
            Ok((open(client, response_timeout).await?, None))
        }
        Target::Sentinel { nodes, name } => {
            if let Some(node) = hint
                && let Ok(connection) = open_primary(node, login, response_timeout).await
            {
                return Ok((connection, Some(node.clone())));
            }
            let node = primary(nodes, name, login).await?;
            let connection = open_primary(&node, login, response_timeout).await?;
            Ok((connection, Some(node)))
        }
        Target::Cluster(_) => Err(unusable("a cluster is not one connection")),
    }
}

async fn open_primary(
    node: &Node,
    login: &Login,
    response_timeout: Duration,
) -> RedisResult<MultiplexedConnection> {
    let mut connection = open(login.client(node)?, response_timeout).await?;
    if !is_primary(&mut connection).await? {
        return Err(unusable("what the sentinels name is no primary yet"));
    }
    Ok(connection)
}

/// Where a Pub/Sub connection goes; any node of a cluster carries all messages.
///
/// # Errors
///
/// As [`single`].
pub async fn pubsub(target: &Target, login: &Login) -> RedisResult<redis::aio::PubSub> {
    let client = match target {
        Target::Tcp(node) => login.client(node)?,
        Target::Unix(path) => login.client_of_socket(path)?,
        Target::Sentinel { nodes, name } => login.client(&primary(nodes, name, login).await?)?,
        Target::Cluster(nodes) => {
            let mut last = unusable("no node");
            for node in nodes {
                let client = login.client(node)?;
                match within(CONNECT_TIMEOUT, client.get_async_pubsub()).await {
                    Ok(pubsub) => return Ok(pubsub),
                    Err(error) => last = error,
                }
            }
            return Err(last);
        }
    };
    within(CONNECT_TIMEOUT, client.get_async_pubsub()).await
}

/// Listens to one sentinel.
///
/// # Errors
///
/// Not reachable, or it admits nobody without a login.
pub async fn sentinel_pubsub(sentinel: &Node, login: &Login) -> RedisResult<redis::aio::PubSub> {
    let client = login.without_user().client(sentinel)?;
    within(CONNECT_TIMEOUT, client.get_async_pubsub()).await
}

/// Logs in again on a connection that lives.
///
/// # Errors
///
/// Refused: the connection stays who it was.
pub async fn auth(connection: &mut impl ConnectionLike, login: &Login) -> RedisResult<()> {
    let Some(password) = &login.password else {
        return Ok(());
    };
    let mut auth = redis::cmd("AUTH");
    if let Some(user) = &login.user {
        auth.arg(user.expose());
    }
    auth.arg(password.expose());
    auth.query_async(connection).await
}

/// Whether the server at the other end is a primary now.
///
/// # Errors
///
/// It does not say.
pub async fn is_primary(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    let role: redis::Value = redis::cmd("ROLE").query_async(connection).await?;
    let name = role.as_sequence().and_then(<[redis::Value]>::first);
    Ok(matches!(name, Some(redis::Value::BulkString(name)) if name == b"master"))
}

pub(super) async fn open(
    client: Client,
    response_timeout: Duration,
) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response_timeout))
        .set_pipeline_buffer_size(PIPELINE_BUFFER);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// Everything that [`category`] says.
pub const CATEGORIES: [&str; 6] = ["login", "other", "refused", "reply", "timeout", "tls"];

/// What kept a connection from being opened, for a metric.
pub fn category(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => return "login",
        ErrorKind::InvalidClientConfig => return "tls",
        _ => {}
    }
    match error.code() {
        Some("NOAUTH" | "NOPERM" | "WRONGPASS") => return "login",
        Some(_) => return "reply",
        None => {}
    }
    let text = error.to_string();
    // A refused certificate comes as an I/O error with rustls' words in it.
    let tls = ["certificate", "tls", "TLS", "AlertReceived", "fatal alert"];
    if tls.iter().any(|word| text.contains(word)) {
        return "tls";
    }
    match error.is_connection_refusal() {
        true => "refused",
        false => "other",
    }
}

/// Asks the sentinels in turn. They take no user: they hold no data, and their users are their own.
///
/// # Errors
///
/// No sentinel answers, or none knows the primary.
pub(super) async fn primary(sentinels: &[Node], name: &str, login: &Login) -> RedisResult<Node> {
    let mut last = unusable("no sentinel");
    for sentinel in sentinels {
        match within(SENTINEL_TIMEOUT, ask(sentinel, name, login)).await {
            Ok(Some(node)) => return Ok(node),
            Ok(None) => last = unusable("a sentinel does not know this primary"),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(sentinel: &Node, name: &str, login: &Login) -> RedisResult<Option<Node>> {
    let mut connection = open_sentinel(sentinel, login).await?;
    redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(name)
        .query_async(&mut connection)
        .await
}

/// Who the primary is as far as one sentinel knows, and since which election: a later one has a higher number
/// (`config-epoch`).
///
/// # Errors
///
/// It does not answer, or does not know the primary.
pub(super) async fn elected(
    sentinel: &Node,
    name: &str,
    login: &Login,
) -> RedisResult<(Node, u64)> {
    let asked = async {
        let mut connection = open_sentinel(sentinel, login).await?;
        let mut ask = redis::cmd("SENTINEL");
        let fields: HashMap<String, String> = ask
            .arg("MASTER")
            .arg(name)
            .query_async(&mut connection)
            .await?;
        let node = fields.get("ip").zip(fields.get("port"));
        let node = node.and_then(|(host, port)| Some((host.clone(), port.parse().ok()?)));
        let epoch = fields
            .get("config-epoch")
            .and_then(|text| text.parse().ok());
        node.zip(epoch)
            .ok_or_else(|| unusable("SENTINEL MASTER without ip, port or config-epoch"))
    };
    within(SENTINEL_TIMEOUT, asked).await
}

async fn open_sentinel(sentinel: &Node, login: &Login) -> RedisResult<MultiplexedConnection> {
    open(login.without_user().client(sentinel)?, SENTINEL_TIMEOUT).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

pub(super) fn unusable(reason: &'static str) -> RedisError {
    (ErrorKind::Client, reason).into()
}
