//! Carries out what the state machine decided.

use super::calls;
use crate::stream::{Direction, Output, Verdict};
use proxy_wasm::types::Action;

/// Fields of a local reply that are added when it passes the response callback.
pub(super) type Late = Vec<(String, Vec<u8>)>;

/// Applies an output inside the request's own callback.
pub(super) fn inline(output: Output) -> (Action, Late) {
    edit(&output);
    match output.verdict {
        Verdict::Continue => (Action::Continue, Late::new()),
        Verdict::Pause => (Action::Pause, Late::new()),
        Verdict::Reply(reply) => (Action::Pause, calls::reply(reply)),
    }
}

/// Applies an output that came while the request was paused; its context is effective already.
pub(super) fn resumed(output: Output) -> Late {
    edit(&output);
    match output.verdict {
        Verdict::Continue => match output.resume {
            Some(Direction::Request) => calls::resume_request(),
            Some(Direction::Response) => calls::resume_response(),
            None => {}
        },
        Verdict::Pause => {}
        Verdict::Reply(reply) => return calls::reply(reply),
    }
    Late::new()
}

fn edit(output: &Output) {
    if let Some(headers) = &output.request {
        calls::set_request_headers(headers);
    }
    if let Some(headers) = &output.response {
        calls::set_response_headers(headers);
    }
    for (property, value) in &output.properties {
        calls::set_property(*property, value);
    }
}
