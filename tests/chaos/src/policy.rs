//! The policy of every trial.

/// Units of the limit that nobody uses up.
pub const WIDE_LIMIT: u64 = 1_000_000;
/// Units of the one that is used up.
pub const TIGHT_LIMIT: u64 = 60;

/// Three uses, each with the answer that tells what became of it: what cannot be decided is a 503. The window is a
/// year, so that none ends within a trial; a cached answer is kept by each worker too.
pub const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 100ms }
sessions:
  web: { cookie: sid, idle: 1h, absolute: 12h }
limits:
  wide:  { algorithm: fixed_window, limit: 1000000, window: 366d, key: ['header:x-key'], on_error: deny }
  tight: { algorithm: fixed_window, limit: 60, window: 366d, key: ['header:x-key'], on_error: deny }
caches:
  pages: { ttl: 10m, l1: 4MiB }
policies:
  wide:  { limits: [wide] }
  tight: { limits: [tight] }
  web:   { session: web }
  pages: { cache: pages }
routes:
  - { match: { path: /wide }, policy: wide }
  - { match: { path: /tight }, policy: tight }
  - { match: { path: /me }, policy: web }
  - { match: { path_prefix: /fill/ }, policy: pages }
  - { match: { path_prefix: /raw }, policy: pages }
  - { match: { path_prefix: /size }, policy: pages }
  - { match: { path_prefix: /api/products }, policy: pages }
";
