//! Which processes one Redis is: found by asking it, for those who must look at each.

use super::connect;
use super::info;
use super::login::Login;
use super::target::{Node, Target};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};
use std::fmt;
use std::time::Duration;

/// Servers of one Redis that are looked at, at most: a bound on labels and on time.
pub const MAX_SERVERS: usize = 128;

/// Where one server is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seat {
    /// Host and port.
    Tcp(Node),
    /// A Unix socket.
    Unix(String),
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp((host, port)) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp((host, port)) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl Seat {
    /// Connects as `login`.
    ///
    /// # Errors
    ///
    /// Not reachable, or not admitted.
    pub async fn connect(
        &self,
        login: &Login,
        timeout: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let client = match self {
            Self::Tcp(node) => login.client(node)?,
            Self::Unix(path) => login.client_of_socket(path)?,
        };
        connect::open(client, timeout).await
    }
}

/// Every server of `target`: primaries first, then the replicas that they know.
///
/// # Errors
///
/// No server that is named in `target` answers.
pub async fn servers(target: &Target, login: &Login, timeout: Duration) -> RedisResult<Vec<Seat>> {
    let mut seats = match target {
        Target::Tcp(node) => with_replicas(Seat::Tcp(node.clone()), login, timeout).await?,
        Target::Unix(path) => with_replicas(Seat::Unix(path.clone()), login, timeout).await?,
        Target::Sentinel { nodes, name } => {
            let primary = connect::primary(nodes, name, login).await?;
            with_replicas(Seat::Tcp(primary), login, timeout).await?
        }
        Target::Cluster(nodes) => cluster(nodes, login, timeout).await?,
    };
    seats.truncate(MAX_SERVERS);
    Ok(seats)
}

async fn with_replicas(seat: Seat, login: &Login, timeout: Duration) -> RedisResult<Vec<Seat>> {
    let mut connection = seat.connect(login, timeout).await?;
    let mut ask = cmd("INFO");
    ask.arg("replication");
    let text: String = ask.query_async(&mut connection).await?;
    let mut seats = vec![seat];
    let replicas = info::replicas(&info::parse(&text));
    seats.extend(replicas.into_iter().map(Seat::Tcp));
    Ok(seats)
}

async fn cluster(nodes: &[Node], login: &Login, timeout: Duration) -> RedisResult<Vec<Seat>> {
    let mut last = connect::unusable("no node");
    for node in nodes {
        match ask_cluster(node, login, timeout).await {
            Ok(text) => return Ok(of_cluster(&text, &node.0)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask_cluster(node: &Node, login: &Login, timeout: Duration) -> RedisResult<String> {
    let seat = Seat::Tcp(node.clone());
    let mut connection = seat.connect(login, timeout).await?;
    let mut nodes = cmd("CLUSTER");
    nodes.arg("NODES");
    nodes.query_async(&mut connection).await
}

/// Of `CLUSTER NODES`: `id ip:port@bus,host flags ...`; `seed` is the host of a node that does not know
/// its own address. Those that failed or have none are left out.
pub(super) fn of_cluster(text: &str, seed: &str) -> Vec<Seat> {
    let (mut primaries, mut replicas) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(address), Some(flags)) = (fields.next(), fields.next()) else {
            continue;
        };
        let flags: Vec<&str> = flags.split(',').collect();
        let away = ["fail", "noaddr", "handshake"];
        if away.iter().any(|flag| flags.contains(flag)) {
            continue;
        }
        let client = address.split(['@', ',']).next().unwrap_or_default();
        let Some((host, port)) = client.rsplit_once(':') else {
            continue;
        };
        let Ok(port) = port.parse() else { continue };
        let host = if host.is_empty() { seed } else { host };
        let seat = Seat::Tcp((host.to_owned(), port));
        match flags.contains(&"master") {
            true => primaries.push(seat),
            false => replicas.push(seat),
        }
    }
    primaries.extend(replicas);
    primaries
}

#[cfg(test)]
mod tests;
