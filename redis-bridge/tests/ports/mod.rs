//! Ports for servers that tests start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that Linux gives to connections (`ip_local_port_range`, 32768 and up by default): one of those can
/// be taken by a connection of another test between the look and the start of the server.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody listens on. No two calls give the same one, so that nobody else takes it before its server starts;
/// two processes begin at different ones.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    for _ in 0..COUNT {
        let call = u32::from(CALLS.fetch_add(1, Ordering::Relaxed));
        let at = (start + call) % u32::from(COUNT);
        let port = FIRST + u16::try_from(at).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free from {FIRST} on");
}
