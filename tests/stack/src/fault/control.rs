//! Telling the fault proxies of a running stack what to do.

use super::faults::Faults;
use crate::http::{Client, Request};
use crate::{Error, Result};
use serde_json::Value;

/// The control API of one stack.
#[derive(Debug)]
pub struct Control {
    client: Client,
}

impl Control {
    /// The API at `address` (`faults` of the endpoints).
    pub fn new(address: &str) -> Self {
        Self {
            client: Client::new(address),
        }
    }

    /// Replaces what the links of that name do (`*` at its end: all that begin so).
    ///
    /// # Errors
    /// When no link has that name or the proxy does not answer.
    pub fn set(&mut self, links: &str, faults: &Faults) -> Result<()> {
        let body = serde_json::to_vec(faults).map_err(|e| Error::Answer {
            what: "encode faults".into(),
            got: e.to_string(),
        })?;
        self.send(Request::new("PUT", format!("/links/{links}")).body(body))
            .map(|_| ())
    }

    /// Heals the links of that name.
    ///
    /// # Errors
    /// As [`Control::set`].
    pub fn heal(&mut self, links: &str) -> Result<()> {
        self.send(Request::new("DELETE", format!("/links/{links}")))
            .map(|_| ())
    }

    /// Resets the live connections of the links of that name.
    ///
    /// # Errors
    /// As [`Control::set`].
    pub fn reset(&mut self, links: &str) -> Result<()> {
        self.send(Request::new("POST", format!("/links/{links}/reset")))
            .map(|_| ())
    }

    /// What the links of that name are told, with their numbers of connections.
    ///
    /// # Errors
    /// As [`Control::set`].
    pub fn describe(&mut self, links: &str) -> Result<Value> {
        self.send(Request::get(format!("/links/{links}")))
    }

    fn send(&mut self, request: Request) -> Result<Value> {
        let answer = self.client.send(&request)?;
        if answer.status != 200 {
            return Err(Error::Answer {
                what: "the fault proxy".into(),
                got: answer.text(),
            });
        }
        answer.json()
    }
}
