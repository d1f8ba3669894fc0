//! What a panic leaves behind, so that nobody hangs (invariant L1).
//!
//! A panic traps, and Envoy ends the whole machine: its requests that are being called back are answered with
//! 503, and those that are paused are forgotten, until `stream_idle_timeout` ends them a minute later. So before
//! the trap, each of them is answered. Envoy carries local replies out after the call they were made in, also
//! when that call trapped. What traps without a panic (a stack that is used up, memory that cannot grow) says
//! nothing here.

use super::{apply, calls};
use crate::http::problem::{Problem, Reason};
use core::cell::RefCell;
use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;
use std::collections::VecDeque;
use std::panic;

thread_local! {
    /// Contexts that are paused, of all plugins of this machine, ascending. Envoy counts them up, so the new
    /// ones come last.
    static PAUSED: RefCell<VecDeque<u32>> = const { RefCell::new(VecDeque::new()) };
}

/// The request in `context` waits from now on.
pub(super) fn paused(context: u32) {
    let _ = PAUSED.try_with(|paused| {
        if let Ok(mut paused) = paused.try_borrow_mut()
            && let Err(at) = paused.binary_search(&context)
        {
            paused.insert(at, context);
        }
    });
}

/// The request in `context` waits no longer.
pub(super) fn resumed(context: u32) {
    let _ = PAUSED.try_with(|paused| {
        if let Ok(mut paused) = paused.try_borrow_mut()
            && let Ok(at) = paused.binary_search(&context)
        {
            paused.remove(at);
        }
    });
}

/// From now on a panic is logged, and answers those who wait.
pub(super) fn answer_all_on_panic() {
    panic::set_hook(Box::new(|info| {
        let _ = hostcalls::log(LogLevel::Critical, &info.to_string());
        let waiting = PAUSED.try_with(|paused| {
            paused
                .try_borrow_mut()
                .ok()
                .map(|mut all| core::mem::take(&mut *all))
        });
        for context in waiting.ok().flatten().unwrap_or_default() {
            if calls::act_for(context) {
                apply::answer(&Problem {
                    status: Some(503),
                    ..Problem::new(Reason::Internal)
                });
            }
        }
    }));
}

/// For the chaos suite: traps, with a panic or without.
#[cfg(feature = "trap")]
#[allow(clippy::panic, reason = "it is what this build is for")]
pub(super) fn provoked(how: &[u8]) -> ! {
    match how {
        b"panic" => panic!("provoked by x-trap"),
        _ => core::arch::wasm32::unreachable(),
    }
}
