//! The scripts' arithmetic in Rust: a Redis that knows nothing but the bridge's scripts.
//!
//! Used as the Redis of simulations, and as the other half of the differential test that runs the same
//! commands on a real Redis. Time is an argument; expiry works as Redis' does, in milliseconds.

mod cache;
mod fleet;
mod lease;
mod limit;
mod session;
mod store;
mod tag;

pub use store::{Data, Entry, Store};

use crate::core::{Command, Value};
use crate::script::Script;
use store::WrongType;

/// A Redis made of maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelRedis {
    /// What it holds.
    pub store: Store,
}

/// What a script sees: its keys, its arguments, the time, the data.
struct Call<'a> {
    keys: &'a [Vec<u8>],
    args: &'a [Vec<u8>],
    now_us: u64,
    store: &'a mut Store,
}

/// Why a script ends early; what Redis then answers.
enum Stop {
    /// What is stored is not what the script keeps there, or the call is none a bridge makes.
    Shape,
    /// A command met a key of another type.
    WrongType,
}

impl ModelRedis {
    /// Runs one script at this time. What a script wrote before an error stays, as in Redis.
    pub fn call(&mut self, now_us: u64, command: &Command) -> Value {
        self.store.now_ms = now_us / 1000;
        let mut call = Call {
            keys: &command.keys,
            args: &command.args,
            now_us,
            store: &mut self.store,
        };
        let answer = match command.script {
            Script::CacheGet => cache::get(&mut call),
            Script::CacheInvalidate => cache::invalidate(&mut call),
            Script::CachePass => cache::pass(&mut call),
            Script::CachePut => cache::put(&mut call),
            Script::CacheSoften => cache::soften(&mut call),
            Script::FleetTell => fleet::tell(&mut call),
            Script::LimitOwn => limit::own(&mut call),
            Script::LimitReset => limit::reset(&mut call),
            Script::LimitReturn => limit::give_back(&mut call),
            Script::LimitTake => limit::take(&mut call),
            Script::LimitTakePlain => limit::take_plain(&mut call),
            Script::SessionCreate => session::create(&mut call),
            Script::SessionEndOthers => session::change::end_others(&mut call),
            Script::SessionGet => session::get(&mut call),
            Script::SessionList => session::list(&mut call),
            Script::SessionRead => session::change::read(&mut call),
            Script::SessionRevoke => session::revoke(&mut call),
            Script::SessionRevokeUser => session::revoke_user(&mut call),
            Script::SessionRotate => session::change::rotate(&mut call),
            Script::SessionUpdate => session::change::update(&mut call),
            Script::TagAdd => tag::add(&mut call),
            Script::TagScan => tag::scan(&mut call),
            Script::TagTake => tag::take(&mut call),
        };
        match answer {
            Ok(value) => value,
            Err(Stop::Shape) => Value::error("SHAPE"),
            Err(Stop::WrongType) => Value::error("WRONGTYPE"),
        }
    }
}

impl<'a> Call<'a> {
    fn key(&self, at: usize) -> Result<&'a [u8], Stop> {
        self.keys.get(at).map(Vec::as_slice).ok_or(Stop::Shape)
    }

    fn arg(&self, at: usize) -> Result<&'a [u8], Stop> {
        self.args.get(at).map(Vec::as_slice).ok_or(Stop::Shape)
    }

    fn number(&self, at: usize) -> Result<u64, Stop> {
        integer(self.arg(at)?).ok_or(Stop::Shape)
    }

    fn now(&self) -> Value {
        int(self.now_us)
    }
}

impl From<WrongType> for Stop {
    fn from(_: WrongType) -> Self {
        Self::WrongType
    }
}

/// `integer` of the Lua prelude.
fn integer(text: &[u8]) -> Option<u64> {
    let digits = (1..=16).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (digits && number <= 1 << 53).then_some(number)
}

fn int(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn text(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
