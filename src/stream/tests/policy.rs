//! The policy most tests run under.

/// Realms `web` (cookie) and `api` (bearer), a handful of limits, one cache, and a route for each use.
pub(super) const POLICY: &str = r#"{
  "version": 1,
  "bridge": { "cluster": "redis-bridge", "timeout": "100ms" },
  "sessions": {
    "web": { "cookie": "__Host-sid", "idle": "30m", "absolute": "12h" },
    "api": { "header": "authorization", "idle": "30m", "absolute": "12h" }
  },
  "limits": {
    "per-ip": { "algorithm": "fixed_window", "limit": 100, "window": "1m", "key": ["client.ip"] },
    "per-user": { "algorithm": "token_bucket", "limit": 600, "window": "1m", "burst": 100, "key": ["session.user"] },
    "shadow": { "algorithm": "fixed_window", "limit": 1, "window": "1m", "key": ["client.ip"], "shadow": true },
    "strict": { "algorithm": "fixed_window", "limit": 10, "window": "1m", "key": ["client.ip"], "on_error": "deny" },
    "open": { "algorithm": "fixed_window", "limit": 10, "window": "1m", "key": ["host"], "on_error": "allow" },
    "share": { "algorithm": "fixed_window", "limit": 4, "window": "1m", "key": ["client.ip"], "on_error": "local", "peers": 2 },
    "by-key": { "algorithm": "fixed_window", "limit": 10, "window": "1m", "key": ["header:x-api-key"] }
  },
  "caches": { "catalog": { "ttl": "60s", "max_body": "1KiB", "tags_header": "surrogate-key" } },
  "policies": {
    "bare": {},
    "full": { "session": "web", "limits": ["per-ip", "per-user"], "cache": "catalog" },
    "web": { "session": "web" },
    "open-web": { "session": { "use": "web", "required": false } },
    "admin": { "session": { "use": "web", "roles": ["admin"] } },
    "bearer": { "session": { "use": "api", "update": true } },
    "login": { "session": { "use": "web", "required": false, "create": true } },
    "profile": { "session": { "use": "web", "update": true }, "cache": "catalog" },
    "limited": { "limits": ["per-ip", "strict"] },
    "shadowed": { "limits": ["per-ip", "shadow"] },
    "keyed": { "limits": ["by-key", "per-ip"] },
    "strict": { "limits": ["strict"] },
    "open": { "limits": ["open"] },
    "share": { "limits": ["share"] },
    "mixed": { "limits": ["open", "share"], "cache": "catalog" },
    "cached": { "limits": ["per-ip"], "cache": "catalog" },
    "open-cached": { "session": { "use": "web", "required": false }, "cache": "catalog" },
    "plain-cached": { "cache": "catalog" }
  },
  "routes": [
    { "match": { "path_prefix": "/full" }, "policy": "full" },
    { "match": { "path_prefix": "/web" }, "policy": "web" },
    { "match": { "path_prefix": "/open-web" }, "policy": "open-web" },
    { "match": { "path_prefix": "/admin" }, "policy": "admin" },
    { "match": { "path_prefix": "/bearer" }, "policy": "bearer" },
    { "match": { "path_prefix": "/login" }, "policy": "login" },
    { "match": { "path_prefix": "/profile" }, "policy": "profile" },
    { "match": { "path_prefix": "/limited" }, "policy": "limited" },
    { "match": { "path_prefix": "/shadowed" }, "policy": "shadowed" },
    { "match": { "path_prefix": "/keyed" }, "policy": "keyed" },
    { "match": { "path_prefix": "/strict" }, "policy": "strict" },
    { "match": { "path_prefix": "/open" }, "policy": "open" },
    { "match": { "path_prefix": "/share" }, "policy": "share" },
    { "match": { "path_prefix": "/mixed" }, "policy": "mixed" },
    { "match": { "path_prefix": "/cached" }, "policy": "cached" },
    { "match": { "path_prefix": "/open-cached" }, "policy": "open-cached" },
    { "match": { "path_prefix": "/plain-cached" }, "policy": "plain-cached" }
  ]
}"#;
