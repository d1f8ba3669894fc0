//! The policies workers run.

use tidegate::config::{self, Errors};
use tidegate::policy::Config;
use tidegate::session::{Keys, RealmTag};

/// Deadline of an exchange, milliseconds.
pub const TIMEOUT_MS: u64 = 100;
/// Idle time of a session, milliseconds.
pub const IDLE_MS: u64 = 1_500;
/// Longest life of a session, milliseconds.
pub const ABSOLUTE_MS: u64 = 4_000;
/// The longest wait for a paced request's turn, milliseconds.
pub const MAX_DELAY_MS: u64 = 150;
/// The longest wait for an object that somebody else fills, milliseconds.
pub const COLLAPSE_MS: u64 = 300;
/// How long a page may be given stale while it is refreshed, milliseconds.
pub const STALE_MS: u64 = 1_000;
/// What a metered request pays before it goes upstream.
pub const METERED_RESERVE: u64 = 3;
/// What it costs when the upstream does not say, or nonsense.
pub const METERED_DEFAULT: u64 = 2;
/// The most it may cost.
pub const METERED_MAX: u64 = 9;
/// The realm's name.
pub const REALM: &str = "web";
/// The realm's cookie.
pub const COOKIE: &str = "__Host-sid";

const KEYS: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Keys of all workers and of who mints.
pub fn keys() -> Option<Keys> {
    Keys::parse(KEYS).ok()
}

/// The realm, as tokens name it.
pub fn realm() -> RealmTag {
    RealmTag::of(REALM)
}

/// The policy; `variant` changes parameters of limits, hence their keys.
///
/// # Errors
/// The text below is wrong.
pub fn config(variant: u64, on_error: &str, workers: usize) -> Result<Config, Errors> {
    let on_error = match on_error {
        "local" => format!(r#""local", "peers": {workers}"#),
        other => format!("{other:?}"),
    };
    let (few, many) = (5 + variant, 25 + variant);
    let (held, paced, hot) = (2 + variant, 20 + variant, 600 + variant);
    let (idle, absolute) = (IDLE_MS, ABSOLUTE_MS);
    let json = format!(
        r#"{{
  "version": 1, "namespace": "tg",
  "bridge": {{"cluster": "redis-bridge", "timeout": "{TIMEOUT_MS}ms"}},
  "sessions": {{"{REALM}": {{"cookie": "{COOKIE}", "idle": "{idle}ms", "absolute": "{absolute}ms"}}}},
  "limits": {{
    "fixed": {{"algorithm": "fixed_window", "limit": {few}, "window": "1s",
               "key": ["header:x-key"], "on_error": {on_error}}},
    "bucket": {{"algorithm": "token_bucket", "limit": {few}, "window": "1s", "burst": 4,
                "key": ["header:x-key"], "on_error": {on_error}}},
    "slots": {{"algorithm": "concurrency", "limit": {held}, "slot_ttl": "1s",
               "key": ["header:x-key"], "on_error": {on_error}}},
    "paced": {{"algorithm": "leaky_bucket", "limit": {paced}, "window": "1s",
               "max_delay": "{MAX_DELAY_MS}ms", "key": ["header:x-key"], "on_error": {on_error}}},
    "log": {{"algorithm": "sliding_window_log", "limit": {few}, "window": "1s",
             "key": ["header:x-key"], "on_error": {on_error}}},
    "metered": {{"algorithm": "fixed_window", "limit": {many}, "window": "1s",
                 "cost": {{"response_header": "x-cost", "default": {METERED_DEFAULT},
                           "max": {METERED_MAX}, "reserve": {METERED_RESERVE}}},
                 "key": ["header:x-key"], "on_error": {on_error}}},
    "hot": {{"algorithm": "fixed_window", "limit": {hot}, "window": "2s", "lease": {{"max": "5%"}},
             "key": ["'hot'"], "on_error": {on_error}}},
    "all": {{"algorithm": "fixed_window", "limit": {many}, "window": "1s",
             "key": ["'all'"], "on_error": {on_error}}},
    "user": {{"algorithm": "fixed_window", "limit": {many}, "window": "1s",
              "key": ["session.user"], "on_error": {on_error}}}
  }},
  "caches": {{"pages": {{"ttl": "3s", "tags_header": "surrogate-key", "collapse_timeout": "{COLLAPSE_MS}ms", "l1": "64KiB",
             "stale_while_revalidate": "{STALE_MS}ms", "early_refresh": true}}}},
  "policies": {{
    "fixed": {{"limits": ["fixed"]}},
    "bucket": {{"limits": ["bucket"]}},
    "both": {{"limits": ["all", "fixed"]}},
    "slots": {{"limits": ["slots"]}},
    "paced": {{"limits": ["paced"]}},
    "log": {{"limits": ["log"]}},
    "metered": {{"limits": ["metered"]}},
    "hot": {{"limits": ["hot"]}},
    "user": {{"session": "{REALM}", "limits": ["user"]}},
    "account": {{"session": {{"use": "{REALM}", "required": false, "create": true, "update": true}}}},
    "pages": {{"cache": "pages"}},
    "mine": {{"session": {{"use": "{REALM}", "required": false}}, "cache": "pages"}}
  }},
  "routes": [
    {{"match": {{"path": "/fixed"}}, "policy": "fixed"}},
    {{"match": {{"path": "/bucket"}}, "policy": "bucket"}},
    {{"match": {{"path": "/both"}}, "policy": "both"}},
    {{"match": {{"path": "/slots"}}, "policy": "slots"}},
    {{"match": {{"path": "/paced"}}, "policy": "paced"}},
    {{"match": {{"path": "/log"}}, "policy": "log"}},
    {{"match": {{"path": "/metered"}}, "policy": "metered"}},
    {{"match": {{"path": "/hot"}}, "policy": "hot"}},
    {{"match": {{"path_prefix": "/user"}}, "policy": "user"}},
    {{"match": {{"path": "/account"}}, "policy": "account"}},
    {{"match": {{"path_prefix": "/pages"}}, "policy": "pages"}},
    {{"match": {{"path_prefix": "/mine"}}, "policy": "mine"}}
  ]
}}"#
    );
    config::parse(json.as_bytes())
}
