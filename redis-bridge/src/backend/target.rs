//! Which Redis: the URL of `--redis` and `--redis-cache`.

use super::nodes::Seat;
use std::fmt;
use std::str::FromStr;

const DEFAULT_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Nodes in one URL, at most.
const MAX_NODES: usize = 32;

/// Host and port of one node.
pub type Node = (String, u16);

/// The URL of one Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Where it is.
    pub target: Target,
    /// TLS is spoken: `rediss://`, `rediss-sentinel://` (to the sentinels too), `rediss-cluster://`.
    pub tls: bool,
}

impl FromStr for Url {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let secure = ["rediss://", "rediss-sentinel://", "rediss-cluster://"];
        let tls = secure.iter().any(|scheme| url.starts_with(scheme));
        let plain = match url.strip_prefix("rediss") {
            Some(rest) if tls => format!("redis{rest}"),
            _ => url.to_owned(),
        };
        let target = plain.parse()?;
        Ok(Self { target, tls })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.target.to_string();
        match plain.strip_prefix("redis") {
            Some(rest) if self.tls => write!(f, "rediss{rest}"),
            _ => f.write_str(&plain),
        }
    }
}

/// One Redis, however many processes it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `redis-cluster://host:port,host:port`: where to ask for the topology.
    Cluster(Vec<Node>),
    /// `redis-sentinel://host:port,host:port/name`: who knows where the primary `name` is.
    Sentinel {
        /// The sentinels.
        nodes: Vec<Node>,
        /// What they call the primary.
        name: String,
    },
    /// `redis://host:port`.
    Tcp(Node),
    /// `redis+unix:///path`.
    Unix(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        if rest.contains('@') {
            return Err(TargetError::Credentials);
        }
        if rest.contains(['?', '#']) {
            return Err(TargetError::Parameters);
        }
        match scheme {
            "redis" => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                let (host, database) = rest.split_once('/').unwrap_or((rest, "0"));
                if database != "0" {
                    return Err(TargetError::Database);
                }
                node(host, DEFAULT_PORT).map(Self::Tcp)
            }
            "redis+unix" if rest.starts_with('/') => Ok(Self::Unix(rest.to_owned())),
            "redis+unix" => Err(TargetError::Path),
            "redis-cluster" => {
                let hosts = rest.strip_suffix('/').unwrap_or(rest);
                nodes(hosts, DEFAULT_PORT).map(Self::Cluster)
            }
            "redis-sentinel" => {
                let (hosts, name) = rest.split_once('/').ok_or(TargetError::Primary)?;
                if name.is_empty() || name.contains('/') {
                    return Err(TargetError::Primary);
                }
                Ok(Self::Sentinel {
                    nodes: nodes(hosts, SENTINEL_PORT)?,
                    name: name.to_owned(),
                })
            }
            _ => Err(TargetError::Scheme),
        }
    }
}

impl Target {
    /// The servers that are named; of sentinels none, for they hold no data.
    pub fn named(&self) -> Vec<Seat> {
        match self {
            Self::Cluster(nodes) => nodes.iter().cloned().map(Seat::Tcp).collect(),
            Self::Sentinel { .. } => Vec::new(),
            Self::Tcp(node) => vec![Seat::Tcp(node.clone())],
            Self::Unix(path) => vec![Seat::Unix(path.clone())],
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[Node]| {
            let nodes: Vec<String> = nodes.iter().map(|(h, p)| format!("{h}:{p}")).collect();
            nodes.join(",")
        };
        match self {
            Self::Cluster(nodes) => write!(f, "redis-cluster://{}", list(nodes)),
            Self::Sentinel { nodes, name } => {
                write!(f, "redis-sentinel://{}/{name}", list(nodes))
            }
            Self::Tcp((host, port)) => write!(f, "redis://{host}:{port}"),
            Self::Unix(path) => write!(f, "redis+unix://{path}"),
        }
    }
}

fn nodes(list: &str, port: u16) -> Result<Vec<Node>, TargetError> {
    let nodes: Vec<Node> = list
        .split(',')
        .map(|text| node(text, port))
        .collect::<Result<_, _>>()?;
    if nodes.len() > MAX_NODES {
        return Err(TargetError::Nodes);
    }
    Ok(nodes)
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn node(text: &str, default_port: u16) -> Result<Node, TargetError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(TargetError::Node)?;
            match port {
                "" => (host, None),
                port => (host, Some(port.strip_prefix(':').ok_or(TargetError::Node)?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| TargetError::Node)?,
        None => default_port,
    };
    if host.is_empty() || port == 0 || host.contains(char::is_whitespace) {
        return Err(TargetError::Node);
    }
    Ok((host.to_owned(), port))
}

/// Why a text names no Redis. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetError {
    /// A user or password in the URL.
    Credentials,
    /// A database other than 0.
    Database,
    /// Not `host:port`.
    Node,
    /// Too many nodes.
    Nodes,
    /// `?` or `#`.
    Parameters,
    /// A socket path that does not begin with `/`.
    Path,
    /// No name of a primary.
    Primary,
    /// Unknown scheme.
    Scheme,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials => f.write_str(
                "a URL must hold no user or password (everyone on the machine can read a command \
                 line); set TIDEGATE_REDIS_USER and TIDEGATE_REDIS_PASSWORD or their _FILE forms",
            ),
            Self::Database => f.write_str("only database 0 is used (Redis Cluster has no other)"),
            Self::Node => f.write_str("want host:port"),
            Self::Nodes => write!(f, "at most {MAX_NODES} nodes"),
            Self::Parameters => f.write_str("parameters ('?', '#') are not supported"),
            Self::Path => f.write_str("want redis+unix:///path"),
            Self::Primary => f.write_str("want redis-sentinel://host:port,host:port/name"),
            Self::Scheme => f.write_str(
                "want redis://, redis+unix://, redis-sentinel:// or redis-cluster://; with TLS \
                     rediss://, rediss-sentinel:// or rediss-cluster://",
            ),
        }
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
mod tests;
