//! Names of time zones.
//!
//! The filter computes no calendar, the bridge does; but a name that the bridge does not know has to be
//! refused when the policy is loaded, not found out by requests. The names themselves would cost the
//! module 9 KiB, so it carries a hash of each: of seven million mistyped names one gets past, and is an
//! error of its limit at the bridge.

mod table;

pub use table::HASHES;

/// Whether `name` is that of a time zone, spelled as the database spells it.
pub fn is_known(name: &str) -> bool {
    HASHES.binary_search(&hash(name)).is_ok()
}

/// 32 bits of FNV-1a.
pub fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
