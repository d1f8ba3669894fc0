//! A filter that does nothing, and one that answers everything with a constant: what the real one is
//! measured against. Which of them is chosen by the plugin's configuration: a text that is not empty
//! is the constant body.

#[cfg(target_arch = "wasm32")]
mod filter {
    use proxy_wasm::hostcalls;
    use proxy_wasm::traits::{Context, HttpContext, RootContext};
    use proxy_wasm::types::{Action, BufferType, ContextType};
    use std::rc::Rc;

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
    }}

    #[derive(Default)]
    struct Root {
        body: Rc<[u8]>,
    }

    struct Request {
        body: Rc<[u8]>,
    }

    impl Context for Root {}

    impl RootContext for Root {
        fn on_configure(&mut self, size: usize) -> bool {
            let body = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
            self.body = body.ok().flatten().unwrap_or_default().into();
            true
        }

        fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
            Some(Box::new(Request {
                body: Rc::clone(&self.body),
            }))
        }

        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }
    }

    impl Context for Request {}

    impl HttpContext for Request {
        fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
            if self.body.is_empty() {
                return Action::Continue;
            }
            let headers = vec![
                ("content-type", "application/json"),
                ("cache-control", "public, max-age=60"),
                ("date", "Sat, 21 Nov 2026 10:00:00 GMT"),
                ("etag", "\"1\""),
                ("age", "1"),
                ("cache-status", "constant; hit; ttl=59"),
                ("x-version", "1"),
            ];
            let _ = hostcalls::send_http_response(200, headers, Some(&self.body));
            Action::Pause
        }
    }
}
