//! The root context: configuration, ticks, streams.

use super::shared::{Shared, TICK};
use super::{calls, http};
use crate::config;
use crate::session::Keys;
use crate::vm::{Vm, VmSeed};
use core::cell::RefCell;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType};
use std::rc::{Rc, Weak};

type Plugin = RefCell<Option<Shared>>;

thread_local! {
    /// All plugin configurations of this VM: a policy that is replaced by another is beside it for a
    /// while, if the module is the same.
    static PLUGINS: RefCell<Vec<Weak<Plugin>>> = const { RefCell::new(Vec::new()) };
}

/// One plugin configuration in one VM.
pub(super) struct Root {
    id: u32,
    shared: Rc<Plugin>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        let shared = Rc::default();
        PLUGINS.with_borrow_mut(|all| all.push(Rc::downgrade(&shared)));
        Self { id, shared }
    }

    /// Tells the other policies in this VM that they are being replaced.
    fn replace_others(&self) {
        let others = PLUGINS.with_borrow_mut(|all| {
            all.retain(|plugin| plugin.strong_count() > 0);
            all.clone()
        });
        for other in others.iter().filter_map(Weak::upgrade) {
            if !Rc::ptr_eq(&other, &self.shared)
                && let Ok(mut shared) = other.try_borrow_mut()
                && let Some(shared) = shared.as_mut()
            {
                shared.replaced();
            }
        }
        calls::act_for(self.id);
    }

    fn with(&self, f: impl FnOnce(&mut Shared)) {
        // Never borrowed twice: the host does not call back into a VM that is calling it.
        if let Ok(mut shared) = self.shared.try_borrow_mut()
            && let Some(shared) = shared.as_mut()
        {
            f(shared);
        }
    }

    fn configure(&self, size: usize) -> Result<(), String> {
        let json = calls::buffer(BufferType::PluginConfiguration, size);
        let config = config::parse(&json).map_err(|errors| errors.to_string())?;
        let keys = match std::env::var("TIDEGATE_SESSION_KEYS") {
            Ok(text) => {
                Some(Keys::parse(&text).map_err(|e| format!("TIDEGATE_SESSION_KEYS: {e}"))?)
            }
            Err(_) => None,
        };
        if keys.is_none() && !config.sessions.is_empty() {
            return Err(
                "sessions: TIDEGATE_SESSION_KEYS is not set in the VM's environment \
                        (vm_config.environment_variables.host_env_keys)"
                    .to_owned(),
            );
        }
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|e| format!("random_get: {e}"))?;
        let (seed, worker) = random.split_at(8);
        let seed = VmSeed {
            random: u64::from_le_bytes(seed.try_into().unwrap_or_default()),
            worker: u64::from_le_bytes(worker.try_into().unwrap_or_default()),
            node: node_id(),
        };
        for warning in &config.warnings {
            log::warn!("{warning}");
        }
        let digest = config.digest.clone();
        let token = std::env::var("TIDEGATE_BRIDGE_TOKEN")
            .ok()
            .filter(|t| !t.is_empty());
        let vm = Vm::new(config, keys, seed);
        *self.shared.borrow_mut() = Some(Shared::new(self.id, vm, token));
        log::info!(
            "policy {} live, filter {}",
            digest.get(..12).unwrap_or(&digest),
            env!("CARGO_PKG_VERSION")
        );
        Ok(())
    }
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        token: u32,
        _headers: usize,
        body: usize,
        _trailers: usize,
    ) {
        let mut fetched = false;
        self.with(|shared| fetched = shared.fetched(token, body));
        if fetched {
            return;
        }
        let body = post_body(body);
        self.with(|shared| shared.posted(token, body.as_deref()));
    }

    fn on_grpc_stream_message(&mut self, token: u32, size: usize) {
        let message = calls::buffer(BufferType::GrpcReceiveBuffer, size);
        self.with(|shared| shared.message(token, &message));
    }

    fn on_grpc_stream_close(&mut self, token: u32, _status: u32) {
        self.with(|shared| shared.closed(token));
    }

    fn on_done(&mut self) -> bool {
        let mut over = true;
        self.with(|shared| over = shared.end());
        over
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match self.configure(size) {
            Ok(()) => {
                self.replace_others();
                count_once("tidegate.config.applied");
                calls::tick_every(TICK);
                true
            }
            Err(reason) => {
                count_once("tidegate.config.rejected");
                for line in reason.lines() {
                    log::error!("configuration refused: {line}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.with(Shared::tick);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(http::Request::new(id, Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// The body of a unary exchange; `None` when it failed.
pub(super) fn post_body(size: usize) -> Option<Vec<u8>> {
    (calls::post_status() == Some(200))
        .then(|| calls::buffer(BufferType::HttpCallResponseBody, size))
}

fn count_once(name: &str) {
    if let Some(counter) = calls::define_counter(name) {
        calls::add(counter, 1);
    }
}

fn node_id() -> String {
    let id = calls::property(&["xds", "node", "id"]).or_else(|| calls::property(&["node", "id"]));
    String::from_utf8_lossy(&id.unwrap_or_default()).into_owned()
}
