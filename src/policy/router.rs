//! Finds the policy of a request.

/// Which route a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Index into `routes`.
    pub route: usize,
    /// Index into [`super::Config::policies`].
    pub policy: usize,
}

/// The compiled `routes`: first match wins.
#[derive(Debug, Default)]
pub struct Router {}

impl Router {
    /// The first route that matches; `host` as received (any case, port allowed), `path` with or
    /// without a query.
    pub fn find(&self, host: &[u8], path: &[u8], method: &[u8]) -> Option<Target> {
        let _ = (host, path, method);
        None
    }
}
