//! Carries out what the state machine decided.

use super::calls;
use crate::stream::{Direction, Output, Verdict};
use proxy_wasm::types::Action;

/// Applies an output inside the request's own callback.
pub(super) fn inline(output: Output) -> Action {
    edit(&output);
    match output.verdict {
        Verdict::Continue => Action::Continue,
        Verdict::Pause => Action::Pause,
        Verdict::Reply(reply) => {
            calls::reply(&reply);
            Action::Pause
        }
    }
}

/// Applies an output that came while the request was paused; its context is effective already.
pub(super) fn resumed(output: Output) {
    edit(&output);
    match output.verdict {
        Verdict::Continue => match output.resume {
            Some(Direction::Request) => calls::resume_request(),
            Some(Direction::Response) => calls::resume_response(),
            None => {}
        },
        Verdict::Pause => {}
        Verdict::Reply(reply) => calls::reply(&reply),
    }
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
