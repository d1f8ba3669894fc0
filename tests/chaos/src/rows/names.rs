//! D18: the name of Redis.

use super::redis::told;
use crate::need::Need;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::net::Ipv4Addr;
use std::time::Duration;
use tidegate_e2e::{RedisKind, Reply, StackSpec, wait};
use tidegate_stack::Result;
use tidegate_stack::own::{Names, Port};
use tidegate_stack::redis::Server;

const STATE: &str = "redis-state-0";
const OLD: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "D18",
        "the name of Redis is unknown, then fails, then nobody answers it, for 2 s each",
        Failures::None,
        0,
        unanswered,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Network])
    .with(own_names),
    Row::new(
        "D20",
        "the name of Redis has another address, and the old one is dead; one of two is dead",
        Failures::OnError,
        2_000,
        moved,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Network])
    .with(own_names),
];

fn own_names(spec: &mut StackSpec) {
    spec.own.names = true;
}

/// Connections that are open need no name.
fn unanswered(trial: &mut Trial) -> Result<()> {
    let file = trial.lab.files().names();
    for names in [Names::Unknown, Names::Failing, Names::Silent] {
        names.store(&file)?;
        trial.last(2_000);
    }
    Names::Are(vec![OLD]).store(&file)
}

/// Redis moves: what is connected breaks, and the new address is in the answers at once.
fn moved(trial: &mut Trial) -> Result<()> {
    let file = trial.lab.files().names();
    let port = trial.lab.spec().state_port(0);
    let network = trial.network()?;
    listen(&Server::new(format!("{OLD}:{port}")), NEW)?;
    network.kill(STATE, Port::Service)?;
    trial.last(2_000);
    Names::Are(vec![NEW]).store(&file)?;
    let moved = trial.ms();
    connected(trial, &Server::new(format!("{NEW}:{port}")))?;
    let took = trial.ms() - moved;
    trial.measured("new address in use after ms", took);
    let text = format!("the new address was in use after {took} ms, at most 30 s");
    trial.verdict.check("L2", (took > 30_000).then_some(text));
    // The dead one first: whoever connects has to try the next.
    Names::Are(vec![OLD, NEW]).store(&file)?;
    network.kill(STATE, Port::Service)?;
    connected(trial, &Server::new(format!("{NEW}:{port}")))?;
    trial.healed();
    trial.last(2_000);
    // Back to where everybody else looks for it.
    told(
        &Server::new(format!("{NEW}:{port}")),
        &["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"],
    )?;
    Names::Are(vec![OLD]).store(&file)
}

/// Redis listens there and nowhere else from now on.
fn listen(server: &Server, address: Ipv4Addr) -> Result<()> {
    // Its answer may be lost with the listener it came in by.
    let _answer = server.call(&["CONFIG", "SET", "bind", &address.to_string()]);
    let port = server
        .address()
        .rsplit_once(':')
        .map_or("", |(_, port)| port);
    let there = Server::new(format!("{address}:{port}"));
    wait::until("Redis listens", Duration::from_secs(5), || {
        match there.call(&["PING"]) {
            Ok(Reply::Text(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

/// Waits until both bridges are connected.
fn connected(trial: &Trial, server: &Server) -> Result<()> {
    wait::until("bridges are connected", Duration::from_secs(40), || {
        let list = server
            .call(&["CLIENT", "LIST"])
            .map_err(|e| e.to_string())?;
        let ours = list
            .text()
            .lines()
            .filter(|line| line.contains("user=tidegate"))
            .count();
        // Each has several connections of its own for decisions alone.
        match ours >= usize::from(trial.lab.spec().bridges) * 3 {
            true => Ok(()),
            false => Err(format!("{ours} connections")),
        }
    })
}
