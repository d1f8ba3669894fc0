//! What the tests of sessions share: what a request cost, and tokens made outside a bridge.

use crate::exchange::at_rest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidegate::session::token::mint;
use tidegate::session::{Keys, RealmTag};
use tidegate_e2e::{Lab, Response};

/// What `act` cost: exchanges sent and exchanges the bridges got, pipelines, their commands, scripts run by the
/// state Redis and by the cache Redis.
pub(crate) fn cost(lab: &Lab, act: impl FnOnce()) -> [u64; 6] {
    let before = at_rest(lab);
    act();
    let after = at_rest(lab);
    std::array::from_fn(|i| after[i] - before[i])
}

/// Nothing was asked.
pub(crate) const FREE: [u64; 6] = [0; 6];

/// A token as a bridge would sign it with `keys` (`kid:key,...`), valid for an hour, of a session that nobody
/// created.
pub(crate) fn minted(lab: &Lab, keys: &str, realm: &str) -> String {
    let time = lab.redis().call(&["TIME"]).unwrap();
    let now = u64::try_from(time.items()[0].int().unwrap()).unwrap();
    let keys = Keys::parse(keys).unwrap();
    mint(&keys, RealmTag::of(realm), [7; 12], now + 3_600, [9; 18])
}

/// The bytes of a token.
pub(crate) fn decoded(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token).unwrap()
}

/// Bytes as a token is written.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether an answer takes the cookie `name` from the browser: same name, path and attributes as it was set with,
/// or the browser keeps it.
pub(crate) fn clears(answer: &Response, name: &str) -> bool {
    let gone = format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
    answer.all("set-cookie") == [gone]
}
