//! `/fill/…`: answers that take their time, for those who want many to ask at once.
//!
//! | parameter | |
//! |---|---|
//! | `ms`, `first_ms` | how long an answer takes; the first one of this path |
//! | `control` | its `Cache-Control`; `max-age=60` |
//! | `tag` | its `Surrogate-Key` |
//! | `cookie=each` | each answer sets another cookie |
//! | `status` | its status |

use super::answer::Answer;
use super::request::Request;
use super::state::State;

/// Answers what is under `/fill/`; `None` for another path.
pub(super) fn answer(request: &Request, state: &State) -> Option<Answer> {
    request.path().strip_prefix("/fill/")?;
    let serial = state.serial();
    let first = state.counts().get(request.path()) == Some(&1);
    let ms = request.number("ms", 0);
    let ms = if first {
        request.number("first_ms", ms)
    } else {
        ms
    };
    let control = request.parameter("control");
    let control = control.unwrap_or_else(|| "max-age=60".into());
    let status = u16::try_from(request.number("status", 200)).unwrap_or(200);
    let answer = Answer {
        delay_ms: Some(ms.min(600_000)),
        ..Answer::new(status.clamp(200, 599), format!("{serial}\n"))
    };
    // One more head must not be smuggled in by a line break.
    let answer = answer.field("cache-control", control.replace(['\r', '\n'], ""));
    let answer = match request.parameter("tag") {
        Some(tag) => answer.field("surrogate-key", tag.replace(['\r', '\n'], "")),
        None => answer,
    };
    Some(match request.parameter("cookie").as_deref() {
        Some("each") => answer.field("set-cookie", format!("each={serial}; Path=/")),
        _ => answer,
    })
}
