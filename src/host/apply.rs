//! Carries out what the state machine decided.

use super::{calls, panic};
use crate::http::problem::{Problem, Reason, Rendered};
use crate::stream::{Direction, LocalReply, Output, Refresh, Verdict};
use proxy_wasm::types::Action;

/// Fields of a local reply that are added when it passes the response callback.
pub(super) type Late = Vec<(String, Vec<u8>)>;

/// A request of our own, and the cluster it goes to.
pub(super) type Wish = (Box<Refresh>, Option<Vec<u8>>);

/// The refresh that an output wants, with the cluster that the route of the effective request chose: known
/// only until the request is answered.
pub(super) fn wish(output: &mut Output) -> Option<Wish> {
    let refresh = output.refresh.take()?;
    Some((refresh, calls::property(&["xds", "cluster_name"])))
}

/// Applies an output inside the request's own callback.
pub(super) fn inline(output: Output) -> (Action, Late) {
    edit(&output);
    match output.verdict {
        Verdict::Continue => (Action::Continue, Late::new()),
        Verdict::Pause => (Action::Pause, Late::new()),
        Verdict::Reply(reply) => (Action::Pause, calls::reply(reply)),
    }
}

/// Refuses a request that there is no state machine for.
pub(super) fn refuse() -> Action {
    answer(&Problem::new(Reason::Internal));
    Action::Pause
}

/// Answers the request of the effective context with that.
pub(super) fn answer(problem: &Problem<'_>) {
    let Rendered {
        status,
        headers,
        body,
    } = problem.render();
    let headers = headers.into_iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes()));
    calls::reply(LocalReply {
        status,
        headers: headers.collect(),
        body,
    });
}

/// Applies an output that came while the request was paused; its context is effective already.
pub(super) fn resumed(context: u32, output: Output) -> Late {
    edit(&output);
    if !matches!(output.verdict, Verdict::Pause) {
        panic::resumed(context);
    }
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
        calls::edit_request_headers(headers);
    }
    if let Some(headers) = &output.response {
        calls::edit_response_headers(headers);
    }
    for (property, value) in &output.properties {
        calls::set_property(*property, value);
    }
}
