//! proxy-wasm: the only place that knows it.
//!
//! One [`root::Root`] per plugin configuration and VM holds a [`crate::vm::Vm`] and the streams of the
//! requests in flight; one [`http::Request`] per HTTP stream only carries its id. A callback turns into
//! an input, the state machine's output is applied, and what the exchange client wants sent is sent.
//!
//! Host calls are made in [`calls`] alone and with bytes: the SDK's convenience traits panic on values
//! that are not UTF-8 and on statuses they do not expect, and a panic takes the worker's VM down.

mod apply;
mod calls;
mod clock;
mod http;
mod panic;
mod root;
mod shared;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // Before ours: with the level comes a hook that only logs.
    proxy_wasm::set_log_level(LogLevel::Info);
    panic::answer_all_on_panic();
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
