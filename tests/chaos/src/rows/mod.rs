//! The rows of the table, by what fails.

mod bridges;
mod clients;
mod disks;
mod envoys;
mod groups;
mod herds;
mod machines;
mod names;
mod network;
mod operators;
mod packets;
mod partitions;
mod policies;
mod redis;
mod replies;
mod resources;
mod topology;
mod upstream;

use crate::row::Row;

/// All rows, in the order of their ids.
pub fn all() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        bridges::ROWS,
        redis::ROWS,
        topology::ROWS,
        network::ROWS,
        envoys::ROWS,
        machines::ROWS,
        upstream::ROWS,
        clients::ROWS,
        operators::ROWS,
        disks::ROWS,
        resources::ROWS,
        groups::ROWS,
        herds::ROWS,
        partitions::ROWS,
        policies::ROWS,
        packets::ROWS,
        names::ROWS,
        replies::ROWS,
    ]
    .concat();
    let number = |row: &Row| row.id[1..].parse::<u32>().unwrap_or(u32::MAX);
    rows.sort_by_key(|row| (row.id.as_bytes()[0], number(row)));
    rows
}
