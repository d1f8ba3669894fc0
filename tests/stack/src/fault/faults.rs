//! What a link may be told to do.

use serde::{Deserialize, Serialize};

/// What a link does to what passes; the default passes everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// What happens to new connections.
    pub accept: Accept,
    /// What passes is that of this connection only, counted from 0 in the order they came; absent: of all.
    pub only: Option<u64>,
    /// From the client to the server.
    pub up: Direction,
    /// From the server to the client.
    pub down: Direction,
}

impl Faults {
    /// What happens on the connection of that number.
    pub(super) fn of(&self, connection: u64, way: Way) -> &Direction {
        if self.only.is_some_and(|only| only != connection) {
            return &Direction::FREE;
        }
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What happens to new connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// They are passed on.
    #[default]
    Pass,
    /// Nobody listens.
    Refuse,
    /// They are accepted and nothing is ever read from them.
    Hold,
    /// They are accepted and reset.
    Reset,
}

/// What happens to the bytes of one direction. Byte counts begin when the fault is set, for each connection
/// (for later ones: when they begin).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Direction {
    /// Every byte arrives that much later, milliseconds.
    pub delay_ms: u64,
    /// And up to that much more, drawn for each piece; order is kept.
    pub jitter_ms: u64,
    /// Only one piece of so many, drawn for each, is late; the others on its connection wait behind it. 0: all are.
    pub late_one_in: u64,
    /// So many bytes a second pass, over all connections of the link: a server whose capacity is known. 0: as
    /// many as come.
    pub bytes_per_s: u64,
    /// Nothing passes until this is false again; the sockets stay open.
    pub stall: bool,
    /// Each byte is written by itself.
    pub slice: bool,
    /// After that many bytes the rest vanishes; the sockets stay open.
    pub drop_after: Option<u64>,
    /// After that many bytes both sides are reset.
    pub reset_after: Option<u64>,
    /// The byte at that offset is inverted.
    pub corrupt_at: Option<u64>,
    /// Replies of Redis are other ones.
    pub replace: Option<Replace>,
}

impl Direction {
    /// Everything passes.
    const FREE: Self = Self {
        delay_ms: 0,
        jitter_ms: 0,
        late_one_in: 0,
        bytes_per_s: 0,
        stall: false,
        slice: false,
        drop_after: None,
        reset_after: None,
        corrupt_at: None,
        replace: None,
    };
}

/// Some replies are replaced, whole; messages that nobody asked for (RESP3 pushes) are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Each so many-th of a connection.
    pub every: u64,
    /// The bytes in its place.
    pub with: String,
}
