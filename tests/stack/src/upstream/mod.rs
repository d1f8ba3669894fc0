//! The sample upstream: what the demo, the tests and the benchmarks run against.
//!
//! | path | answer |
//! |---|---|
//! | `/bench` | 26 bytes, as cheaply as possible |
//! | `/api/products`, `/api/products/{id}` | cacheable for 60 s, tagged, with version and serial number; PUT, POST, PATCH and DELETE raise the version: 204 |
//! | `/api/cart` | `no-store` |
//! | `/login`, `/account`, `/logout` | a site for people with a browser (`site.rs`); the password is `tide` |
//! | `/session/…` | what an upstream may say about sessions, good and bad (`session.rs`) |
//! | `/me`, `/echo`, `/admin/…`, anything else | the request as JSON |
//! | `/slow?ms=` | after that long |
//! | `/fill/…` | what takes its time (`fill.rs`) |
//! | `/size?n=` | a body of n bytes |
//! | `/status/{code}` | that status |
//! | `/headers?name=value&…` | those response fields |
//! | `/vary?on=name` | cacheable, `Vary: name`, the request's value in the body |
//! | `/set-cookie` | cacheable by its `Cache-Control`, with `Set-Cookie` |
//! | `/reset?after=n` | n bytes of a longer body, then a TCP reset |
//! | `/raw?hex=…&then=close\|reset\|hang` | those bytes, whatever they are |
//! | `/__stats` | how often each path was asked for; DELETE starts anew |

mod answer;
mod connection;
mod fill;
pub(crate) mod request;
mod routes;
mod session;
mod site;
mod state;

use crate::{Error, Result};
use state::State;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves on `address` (`host:port`) for ever.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(Error::io(format!("listen on {address}")))?;
    let state = Arc::new(State::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection::serve(stream, Arc::clone(&state)));
            }
            // Out of descriptors: wait for connections to end instead of spinning.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}
