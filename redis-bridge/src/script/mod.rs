//! The Lua scripts: all that is ever run in Redis.
//!
//! A script is named by this enum, never by text from the wire. Each file starts with its contract:
//! keys, arguments with units, answer, what a repetition does. All take the time from Redis' `TIME`,
//! through `prelude.lua`.

use sha1::{Digest as _, Sha1};
use std::fmt;
use std::sync::LazyLock;

macro_rules! lua {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!("../../lua/", $file))),+)
    };
}

/// A script after the prelude.
macro_rules! prelude {
    ($file:literal) => {
        lua!("prelude.lua", "numbers.lua", "expiry.lua", $file)
    };
}

/// A script that knows what a fill lease is.
macro_rules! leases {
    ($file:literal) => {
        lua!(
            "prelude.lua",
            "numbers.lua",
            "expiry.lua",
            "cache/lease.lua",
            $file
        )
    };
}

/// A script that knows what a live session is.
macro_rules! sessions {
    ($file:literal) => {
        lua!(
            "prelude.lua",
            "numbers.lua",
            "expiry.lua",
            "session/live.lua",
            $file
        )
    };
}

/// A script that knows all algorithms of limits.
macro_rules! limits {
    ($file:literal) => {
        lua!(
            "prelude.lua",
            "numbers.lua",
            "expiry.lua",
            "limit/prelude.lua",
            "limit/fixed_window.lua",
            "limit/calendar_window.lua",
            "limit/sliding_window.lua",
            "limit/sliding_window_log.lua",
            "limit/moment.lua",
            "limit/token_bucket.lua",
            "limit/leaky_bucket.lua",
            "limit/concurrency.lua",
            "limit/override.lua",
            $file
        )
    };
}

/// One script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Script {
    /// `cache/get.lua`
    CacheGet,
    /// `cache/invalidate.lua`
    CacheInvalidate,
    /// `cache/pass.lua`
    CachePass,
    /// `cache/put.lua`
    CachePut,
    /// `cache/soften.lua`
    CacheSoften,
    /// `fleet/tell.lua`
    FleetTell,
    /// `limit/own.lua`
    LimitOwn,
    /// `limit/reset.lua`
    LimitReset,
    /// `limit/return.lua`
    LimitReturn,
    /// `limit/take.lua`
    LimitTake,
    /// `limit/take_plain.lua`
    LimitTakePlain,
    /// `session/create.lua`
    SessionCreate,
    /// `session/end_others.lua`
    SessionEndOthers,
    /// `session/get.lua`
    SessionGet,
    /// `session/list.lua`
    SessionList,
    /// `session/read.lua`
    SessionRead,
    /// `session/revoke.lua`
    SessionRevoke,
    /// `session/revoke_user.lua`
    SessionRevokeUser,
    /// `session/rotate.lua`
    SessionRotate,
    /// `session/update.lua`
    SessionUpdate,
    /// `tag/add.lua`
    TagAdd,
    /// `tag/scan.lua`
    TagScan,
    /// `tag/take.lua`
    TagTake,
}

static SHA1: LazyLock<[String; Script::ALL.len()]> = LazyLock::new(|| {
    Script::ALL.map(|script| {
        let digest = Sha1::digest(script.source());
        String::from_utf8_lossy(&crate::core::keys::hex(&digest)).into_owned()
    })
});

impl Script {
    /// All scripts, in the order of the enum.
    pub const ALL: [Self; 23] = [
        Self::CacheGet,
        Self::CacheInvalidate,
        Self::CachePass,
        Self::CachePut,
        Self::CacheSoften,
        Self::FleetTell,
        Self::LimitOwn,
        Self::LimitReset,
        Self::LimitReturn,
        Self::LimitTake,
        Self::LimitTakePlain,
        Self::SessionCreate,
        Self::SessionEndOthers,
        Self::SessionGet,
        Self::SessionList,
        Self::SessionRead,
        Self::SessionRevoke,
        Self::SessionRevokeUser,
        Self::SessionRotate,
        Self::SessionUpdate,
        Self::TagAdd,
        Self::TagScan,
        Self::TagTake,
    ];

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::CacheGet => "cache_get",
            Self::CacheInvalidate => "cache_invalidate",
            Self::CachePass => "cache_pass",
            Self::CachePut => "cache_put",
            Self::CacheSoften => "cache_soften",
            Self::FleetTell => "fleet_tell",
            Self::LimitOwn => "limit_own",
            Self::LimitReset => "limit_reset",
            Self::LimitReturn => "limit_return",
            Self::LimitTake => "limit_take",
            Self::LimitTakePlain => "limit_take_plain",
            Self::SessionCreate => "session_create",
            Self::SessionEndOthers => "session_end_others",
            Self::SessionGet => "session_get",
            Self::SessionList => "session_list",
            Self::SessionRead => "session_read",
            Self::SessionRevoke => "session_revoke",
            Self::SessionRevokeUser => "session_revoke_user",
            Self::SessionRotate => "session_rotate",
            Self::SessionUpdate => "session_update",
            Self::TagAdd => "tag_add",
            Self::TagScan => "tag_scan",
            Self::TagTake => "tag_take",
        }
    }

    /// Lower-case hex of the source's SHA-1, as EVALSHA wants it.
    pub fn sha1(self) -> &'static str {
        SHA1.get(self as usize).map_or("", String::as_str)
    }

    /// What SCRIPT LOAD is given.
    pub fn source(self) -> &'static str {
        match self {
            Self::CacheGet => leases!("cache/get.lua"),
            Self::CacheInvalidate => leases!("cache/invalidate.lua"),
            Self::CachePass => leases!("cache/pass.lua"),
            Self::CachePut => leases!("cache/put.lua"),
            Self::CacheSoften => leases!("cache/soften.lua"),
            Self::FleetTell => prelude!("fleet/tell.lua"),
            Self::LimitOwn => prelude!("limit/own.lua"),
            Self::LimitReset => prelude!("limit/reset.lua"),
            Self::LimitReturn => limits!("limit/return.lua"),
            Self::LimitTake => limits!("limit/take.lua"),
            Self::LimitTakePlain => lua!("prelude.lua", "limit/take_plain.lua"),
            Self::SessionCreate => sessions!("session/create.lua"),
            Self::SessionEndOthers => sessions!("session/end_others.lua"),
            Self::SessionGet => sessions!("session/get.lua"),
            Self::SessionList => prelude!("session/list.lua"),
            Self::SessionRead => sessions!("session/read.lua"),
            Self::SessionRevoke => sessions!("session/revoke.lua"),
            Self::SessionRevokeUser => prelude!("session/revoke_user.lua"),
            Self::SessionRotate => sessions!("session/rotate.lua"),
            Self::SessionUpdate => sessions!("session/update.lua"),
            Self::TagAdd => prelude!("tag/add.lua"),
            Self::TagScan => prelude!("tag/scan.lua"),
            Self::TagTake => prelude!("tag/take.lua"),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
