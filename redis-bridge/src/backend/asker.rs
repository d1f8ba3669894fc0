//! Asks a Cluster's nodes what it looks like, on connections of its own: those that commands take may be the ones
//! that are stuck.

use super::info;
use super::login::Login;
use super::nodes::Seat;
use super::target::Node;
use super::topology::Topology;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Pipeline, RedisResult, Value};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::timeout;

/// Nodes that are asked at a time: one may be gone, another one cut off from the others, or behind them.
const ASKED: usize = 3;
/// Time for them to say it; who is frozen is not waited for.
const WITHIN: Duration = Duration::from_millis(300);

/// What one node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Who has what, as far as it knows.
    pub(super) topology: Option<Topology>,
    /// It thinks that the Cluster serves.
    pub(super) ok: Option<bool>,
}

/// Whom to ask.
#[derive(Default)]
pub(super) struct Asker {
    /// Those of the URL.
    named: Vec<Node>,
    /// Those of the last answer.
    known: Vec<Node>,
    open: HashMap<Node, MultiplexedConnection>,
    /// Who did not answer the last time: asked again when too few others are left.
    silent: HashSet<Node>,
    login: Login,
    turn: usize,
}

impl Asker {
    /// Nobody was asked yet.
    pub(super) fn new(named: Vec<Node>) -> Self {
        Self {
            named,
            ..Self::default()
        }
    }

    /// Asks some nodes; what those who answer in time say. While nobody does one is asked at a time (invariant L6).
    pub(super) async fn ask(&mut self, login: &Login) -> Vec<Said> {
        if self.login != *login {
            self.open.clear();
            self.login = login.clone();
        }
        let chosen = self.choose();
        let asks = chosen.into_iter().map(|node| {
            let open = self.open.remove(&node);
            async move {
                let said = timeout(WITHIN, one(&node, open, login)).await;
                (node, said)
            }
        });
        let mut said = Vec::new();
        for (node, answer) in futures_util::future::join_all(asks).await {
            match answer {
                Ok(Ok((connection, answer))) => {
                    self.silent.remove(&node);
                    self.open.insert(node, connection);
                    said.push(answer);
                }
                Ok(Err(_)) | Err(_) => {
                    self.silent.insert(node);
                }
            }
        }
        said
    }

    /// From now on these are asked, too.
    pub(super) fn know(&mut self, nodes: &[Node]) {
        if self.known != nodes {
            self.known = nodes.to_vec();
            let kept = |node: &Node| nodes.contains(node);
            self.open.retain(|node, _| kept(node));
            self.silent.retain(kept);
        }
    }

    /// Those that answered the last time, in turn. When there are none everybody is asked, in turn.
    fn choose(&mut self) -> Vec<Node> {
        let speaks = |node: &&Node| !self.silent.contains(*node);
        let mut from: Vec<Node> = self.known.iter().filter(speaks).cloned().collect();
        let mut count = ASKED;
        if from.is_empty() {
            from = self.known.iter().chain(&self.named).cloned().collect();
            count = 1;
        }
        let turn = self.turn;
        self.turn = turn.wrapping_add(count);
        let count = count.min(from.len());
        from.iter()
            .cycle()
            .skip(turn % from.len().max(1))
            .take(count)
            .cloned()
            .collect()
    }
}

/// On `open`, or on a new connection.
async fn one(
    node: &Node,
    open: Option<MultiplexedConnection>,
    login: &Login,
) -> RedisResult<(MultiplexedConnection, Said)> {
    let mut connection = match open {
        Some(connection) => connection,
        None => Seat::Tcp(node.clone()).connect(login, WITHIN).await?,
    };
    let mut ask = Pipeline::with_capacity(3);
    for about in ["NODES", "SLOTS", "INFO"] {
        ask.cmd("CLUSTER").arg(about);
    }
    let answers = connection.req_packed_commands(&ask, 0, 3).await?;
    let said = read(&answers, &node.0);
    Ok((connection, said))
}

fn read(answers: &[Value], asked: &str) -> Said {
    let text = |value: Option<&Value>| {
        let text = value.cloned().map(redis::from_redis_value::<String>);
        text.and_then(Result::ok).unwrap_or_default()
    };
    let nodes = text(answers.first());
    let state = info::parse(&text(answers.get(2)));
    Said {
        topology: answers
            .get(1)
            .and_then(|slots| Topology::read(&nodes, slots, asked)),
        ok: state.get("cluster_state").map(|state| state == "ok"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ports: &[u16]) -> Vec<Node> {
        ports.iter().map(|port| ("h".to_owned(), *port)).collect()
    }

    #[test]
    fn everybody_has_its_turn_and_who_is_silent_only_when_nobody_else_speaks() {
        let mut asker = Asker::new(nodes(&[1, 2]));
        assert_eq!(asker.choose(), nodes(&[1]), "nobody has spoken yet");
        assert_eq!(asker.choose(), nodes(&[2]));
        asker.know(&nodes(&[1, 2, 3, 4]));
        let mut asked = [asker.choose(), asker.choose()].concat();
        asked.sort();
        asked.dedup();
        assert_eq!(asked, nodes(&[1, 2, 3, 4]));
        asker.silent.extend(nodes(&[1, 2]));
        let mut rest = asker.choose();
        rest.sort();
        assert_eq!(rest, nodes(&[3, 4]));
        asker.silent.extend(nodes(&[3, 4]));
        assert_eq!(asker.choose().len(), 1);
        asker.know(&nodes(&[5]));
        assert_eq!(asker.choose(), nodes(&[5]));
        assert_eq!(Asker::default().choose(), []);
    }

    #[test]
    fn answers_that_are_none_say_nothing() {
        let silent = Said {
            topology: None,
            ok: None,
        };
        assert_eq!(read(&[], "h"), silent);
        assert_eq!(read(&[Value::Nil, Value::Nil, Value::Nil], "h"), silent);
        let info = Value::BulkString(b"cluster_state:fail\r\n".to_vec());
        let said = read(&[Value::Nil, Value::Nil, info], "h");
        assert_eq!(said.ok, Some(false));
    }
}
