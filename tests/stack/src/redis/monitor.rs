//! Everything a server is told, as `MONITOR` shows it.

use super::Server;
use crate::{Error, Result};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;

/// Reads what `MONITOR` prints until [`Monitor::end`].
#[derive(Debug)]
pub struct Monitor {
    stream: TcpStream,
    reader: JoinHandle<Vec<u8>>,
}

impl Server {
    /// Starts to listen, as the default user. Once this returns, no command is missed.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn monitor(&self) -> Result<Monitor> {
        let what = || format!("redis {}: MONITOR", self.address());
        let mut stream = TcpStream::connect(self.address()).map_err(Error::io(what()))?;
        stream
            .write_all(b"MONITOR\r\n")
            .map_err(Error::io(what()))?;
        let mut accepted = [0; 5];
        stream
            .read_exact(&mut accepted)
            .map_err(Error::io(what()))?;
        if &accepted != b"+OK\r\n" {
            let got = String::from_utf8_lossy(&accepted).into_owned();
            return Err(Error::Answer { what: what(), got });
        }
        let mut other = stream.try_clone().map_err(Error::io(what()))?;
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // Ends when the connection is shut down; what came before counts.
            let _ = other.read_to_end(&mut bytes);
            bytes
        });
        Ok(Monitor { stream, reader })
    }
}

impl Monitor {
    /// All lines so far.
    pub fn end(self) -> Vec<u8> {
        // A server that is gone has shut it down already.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.reader.join().unwrap_or_default()
    }
}
