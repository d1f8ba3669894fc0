//! One HTTP stream's callbacks.

use super::shared::Shared;
use super::{apply, calls, root};
use crate::stream::{Input, RequestHead};
use core::cell::RefCell;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType};
use std::rc::Rc;

/// Carries the id of a request whose state is in [`Shared`].
pub(super) struct Request {
    id: u32,
    shared: Rc<RefCell<Option<Shared>>>,
}

impl Request {
    pub(super) fn new(id: u32, shared: Rc<RefCell<Option<Shared>>>) -> Self {
        Self { id, shared }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> Option<T> {
        self.shared.try_borrow_mut().ok()?.as_mut().map(f)
    }

    /// `None`: there is no policy to decide by, which a configured plugin never sees.
    fn input(&self, input: Input<'_>) -> Option<Action> {
        self.with(|shared| shared.input(self.id, input))
    }
}

impl Context for Request {
    fn on_http_call_response(
        &mut self,
        token: u32,
        _headers: usize,
        body: usize,
        _trailers: usize,
    ) {
        let body = root::post_body(body);
        self.with(|shared| shared.posted(token, body.as_deref()));
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let named = calls::route_policy();
        let headers = calls::request_headers();
        let Some((routed, by_peer)) = self.with(|shared| shared.route(named, &headers)) else {
            // Closed: without a policy nobody can say that the request may pass.
            return apply::refuse();
        };
        let peer = match by_peer {
            true => calls::property(&["source", "address"]).unwrap_or_default(),
            false => Vec::new(),
        };
        #[cfg(feature = "trap")]
        if let Some((_, how)) = headers.iter().find(|(name, _)| *name == "x-trap") {
            super::panic::provoked(how);
        }
        self.input(Input::RequestHeaders(RequestHead {
            headers,
            end,
            peer,
            routed,
        }))
        .unwrap_or_else(apply::refuse)
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        calls::remove_request_trailers(&reserved(&calls::request_trailers()));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.with(|shared| shared.add_late(self.id));
        if self.with(|shared| shared.wants_response(self.id)) == Some(false) {
            return Action::Continue;
        }
        self.input(Input::ResponseHeaders {
            headers: calls::response_headers(),
            end,
        })
        .unwrap_or(Action::Continue)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        match self.with(|shared| shared.wants_body(self.id)) {
            Some(true) => {
                let chunk = calls::buffer(BufferType::HttpResponseBody, size);
                self.input(Input::ResponseBody { chunk: &chunk, end })
                    .unwrap_or(Action::Continue)
            }
            _ => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        calls::remove_response_trailers(&reserved(&calls::response_trailers()));
        self.input(Input::ResponseTrailers)
            .unwrap_or(Action::Continue)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Envoy deletes the context when the stream ends, right after it would call `on_log` and `on_done`:
        // so neither is needed, and each would be one more call into the module.
        self.with(|shared| shared.done(self.id));
    }
}

fn reserved(trailers: &crate::http::Headers) -> Vec<String> {
    let names = trailers.iter().map(|(name, _)| name);
    names
        .filter(|name| crate::session::is_reserved(name))
        .map(str::to_owned)
        .collect()
}
