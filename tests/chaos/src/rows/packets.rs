//! D: packets between bridges and Redis that are lost, connections that cannot begin.

use super::partitions::own_network;
use crate::need::Need;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use tidegate_e2e::RedisKind;
use tidegate_stack::Result;
use tidegate_stack::own::{Port, id};

const STATE: &str = "redis-state-0";
const CACHE: &str = "redis-cache-0";

pub(super) const ROWS: &[Row] = &[
    row(
        "D14",
        "connections to Redis break, and new ones hang for 4 s",
        Failures::OnError,
        // What the bridge gives an attempt to connect, and half of that for the one after it.
        1_500,
        hanging_connects,
    ),
    row(
        "D15",
        "the table of connections is full for 3 s: those that are open pass, new ones do not",
        Failures::None,
        0,
        table_full,
    ),
    row(
        "D16",
        "there are fifty ports for clients, and both bridges are restarted",
        Failures::None,
        1_000,
        few_ports,
    ),
    row(
        "D17",
        "packets between bridges and Redis are lost: 1 %, 5 %, 20 %, 2 s each",
        Failures::OnError,
        1_000,
        lossy,
    ),
];

const fn row(
    id: &'static str,
    fault: &'static str,
    failures: Failures,
    recovery_ms: u64,
    run: fn(&mut Trial) -> Result<()>,
) -> Row {
    Row::new(id, fault, failures, recovery_ms, run)
        .on(RedisKind::Standalone)
        .needing(&[Need::Network])
        .with(own_network)
}

/// Connections of bridges to Redis, of both roles.
fn of_bridges(client: u8, server: u8) -> bool {
    let bridges = [id("bridge-0"), id("bridge-1")];
    bridges.contains(&client) && [id(STATE), id(CACHE)].contains(&server)
}

/// The kernel tries again one, three and seven seconds after it first tried: whoever waits for it is back three
/// seconds late.
fn hanging_connects(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    network.close(&of_bridges)?;
    network.kill(STATE, Port::Service)?;
    trial.last(4_000);
    network.heal()
}

fn table_full(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    network.close(&of_bridges)?;
    trial.last(3_000);
    network.heal()
}

fn few_ports(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    network.client_ports(40_000, 40_049)?;
    for bridge in ["bridge-0", "bridge-1"] {
        trial.lab.restart(bridge)?;
        trial.last(1_000);
    }
    for part in [STATE, CACHE] {
        // One end of each.
        let open = network.count(part, Port::Service)?;
        trial.measured(
            "connections to a Redis",
            u64::try_from(open).unwrap_or(u64::MAX),
        );
    }
    network.client_ports(32_768, 60_999)
}

fn lossy(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    for per_mille in [10, 50, 200] {
        network.lose(per_mille, &of_bridges)?;
        trial.last(2_000);
    }
    network.heal()
}
