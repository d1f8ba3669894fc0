//! Opens connections: to one address, to the primary that sentinels name, to a cluster.

use super::target::{Login, Node, Target};
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisError, RedisResult};
use std::time::Duration;

/// Time to connect, TCP and login.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for one sentinel to say where the primary is: the next one is asked after it.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(300);
/// Pipelines that may wait to be written to one connection; a full queue would block its senders in
/// line and count against their response time.
const PIPELINE_BUFFER: usize = 1024;
/// How often a cluster's command follows MOVED, ASK and TRYAGAIN, or waits out a failover, within the
/// response timeout.
const CLUSTER_RETRIES: u32 = 8;

/// Opens one multiplexed connection.
///
/// # Errors
///
/// Not reachable, not admitted, or for sentinels: nobody knows a primary, or it is none.
pub async fn single(
    target: &Target,
    login: &Login,
    response_timeout: Duration,
) -> RedisResult<MultiplexedConnection> {
    match target {
        Target::Tcp(node) => open(login.connect_to(node)?, response_timeout).await,
        Target::Unix(path) => {
            let address = ConnectionAddr::Unix(path.into());
            open(login.connect_to_address(address)?, response_timeout).await
        }
        Target::Sentinel { nodes, name } => {
            let node = primary(nodes, name).await?;
            let mut connection = open(login.connect_to(&node)?, response_timeout).await?;
            if !is_primary(&mut connection).await? {
                return Err(unusable("what the sentinels name is no primary yet"));
            }
            Ok(connection)
        }
        Target::Cluster(_) => Err(unusable("a cluster is not one connection")),
    }
}

/// Where a Pub/Sub connection goes; any node of a cluster carries all messages.
///
/// # Errors
///
/// As [`single`].
pub async fn pubsub(target: &Target, login: &Login) -> RedisResult<redis::aio::PubSub> {
    let info = match target {
        Target::Tcp(node) => login.connect_to(node)?,
        Target::Unix(path) => login.connect_to_address(ConnectionAddr::Unix(path.into()))?,
        Target::Sentinel { nodes, name } => login.connect_to(&primary(nodes, name).await?)?,
        Target::Cluster(nodes) => {
            let mut last = unusable("no node");
            for node in nodes {
                let client = Client::open(login.connect_to(node)?)?;
                match within(CONNECT_TIMEOUT, client.get_async_pubsub()).await {
                    Ok(pubsub) => return Ok(pubsub),
                    Err(error) => last = error,
                }
            }
            return Err(last);
        }
    };
    within(CONNECT_TIMEOUT, Client::open(info)?.get_async_pubsub()).await
}

/// Opens a connection to a cluster.
///
/// # Errors
///
/// No node is reachable, or none admits us.
pub async fn cluster(
    nodes: &[Node],
    login: &Login,
    response_timeout: Duration,
) -> RedisResult<ClusterConnection> {
    let nodes = nodes.iter().map(|node| login.connect_to(node));
    let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
    let client = ClusterClientBuilder::new(nodes)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(response_timeout)
        .overall_response_timeout(Some(response_timeout))
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(10)
        .max_retry_wait(200)
        .build()?;
    within(CONNECT_TIMEOUT * 2, client.get_async_connection()).await
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

async fn open(
    info: redis::ConnectionInfo,
    response_timeout: Duration,
) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response_timeout))
        .set_pipeline_buffer_size(PIPELINE_BUFFER);
    let client = Client::open(info)?;
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// Asks the sentinels in turn. They take no login: they hold no data, and their users are their own.
async fn primary(sentinels: &[Node], name: &str) -> RedisResult<Node> {
    let mut last = unusable("no sentinel");
    for sentinel in sentinels {
        match within(SENTINEL_TIMEOUT, ask(sentinel, name)).await {
            Ok(Some(node)) => return Ok(node),
            Ok(None) => last = unusable("a sentinel does not know this primary"),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(sentinel: &Node, name: &str) -> RedisResult<Option<Node>> {
    let info = Login::default().connect_to(sentinel)?;
    let mut connection = open(info, SENTINEL_TIMEOUT).await?;
    redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(name)
        .query_async(&mut connection)
        .await
}

async fn within<T>(limit: Duration, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

fn unusable(reason: &'static str) -> RedisError {
    (ErrorKind::Client, reason).into()
}
