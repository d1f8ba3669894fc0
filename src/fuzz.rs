//! Entries of the fuzz targets, one per parser that reads bytes from outside. Each panics when what
//! must hold of any bytes does not. `tests/fuzz` runs them under libFuzzer; the test below runs each
//! on its seeds and on random bytes, so that they are compiled and hold without it.

use crate::cache::fuzz as cache;
use crate::config;
use crate::http::{Headers, cookie};
use crate::limit::client_ip::Client;
use crate::limit::key::{self, RequestView};
use crate::policy::{ClientIp, KeyPart};
use crate::session::token::{self, RealmTag};
use crate::session::{Keys, contract, credential, csrf, path};
use crate::wire::fuzz as wire;

/// What a target runs.
pub type Entry = fn(&[u8]);

/// All targets by name; each has a program in `tests/fuzz/targets` and seeds in `tests/fuzz/seeds`.
pub const TARGETS: &[(&str, Entry)] = &[
    ("cache_control", cache::fuzz_control),
    ("client_ip", fuzz_client_ip),
    ("config", fuzz_config),
    ("contract", contract::fuzz_wish),
    ("cookie", cookie::fuzz_without),
    ("credential", credential::fuzz_strip),
    ("csrf", fuzz_csrf),
    ("date", cache::fuzz_date),
    ("frame", wire::fuzz_frame),
    ("op", wire::fuzz_op),
    ("path", fuzz_path),
    ("query", fuzz_query),
    ("range", cache::fuzz_range),
    ("record", cache::fuzz_record),
    ("reply", wire::fuzz_reply),
    ("resp", wire::fuzz_resp),
    ("targeted", cache::fuzz_targeted),
    ("token", fuzz_token),
    ("url", cache::fuzz_url),
    ("vary", cache::fuzz_vary),
];

/// Runs the target called `name`; a name that is none runs nothing and fails.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    assert!(target.is_some(), "no fuzz target {name}");
    if let Some((_, entry)) = target {
        entry(data);
    }
}

/// A configuration is applied or refused with a reason, never half of each (P3).
pub fn fuzz_config(data: &[u8]) {
    match config::parse(data) {
        Ok(config) => assert_eq!(
            config::parse(data).map(|again| again.digest),
            Ok(config.digest)
        ),
        Err(errors) => assert!(!errors.to_string().trim().is_empty()),
    }
}

/// `x-forwarded-for`: the first line is the peer, its first byte the number of trusted hops. What is
/// written further left than the trusted hops changes nothing.
pub fn fuzz_client_ip(data: &[u8]) {
    let (hops, rest) = data.split_first().unwrap_or((&0, &[]));
    let rule = ClientIp {
        prefix_v4: 24,
        prefix_v6: 64,
        trusted_hops: hops % 4,
    };
    let mut lines = rest.split(|b| *b == b'\n');
    let peer = lines.next().unwrap_or_default();
    let forwarded: Vec<&[u8]> = lines.collect();
    let found = Client::find(&rule, peer, forwarded.iter().copied());
    let Some(client) = found else {
        return;
    };
    assert!(matches!(client.key().as_bytes().len(), 4 | 16));
    let shown = client.address.to_string();
    let again = Client::find(
        &ClientIp {
            trusted_hops: 0,
            ..rule
        },
        shown.as_bytes(),
        [].into_iter(),
    );
    assert_eq!(again.map(|client| client.address), Some(client.address));
    if !client.fell_back {
        let spoofed = [&b"203.0.113.9"[..]].into_iter().chain(forwarded);
        assert_eq!(Client::find(&rule, peer, spoofed), Some(client));
    }
}

/// CSRF: lines `sec-fetch-site`, `origin`, `referer`; an unsafe request passes only with evidence, and
/// never against an `Origin` on another line.
pub fn fuzz_csrf(data: &[u8]) {
    let names = ["origin", "referer", "sec-fetch-site"];
    let lines = data.split(|b| *b == b'\n');
    let headers = Headers::from_pairs(
        names
            .into_iter()
            .cycle()
            .zip(lines)
            .filter(|(_, v)| !v.is_empty()),
    );
    let verdict = csrf::check(b"POST", b"https", b"a.example", &headers);
    assert!(csrf::check(b"GET", b"https", b"a.example", &headers).is_ok());
    if headers.is_empty() {
        assert!(verdict.is_err());
    }
    if verdict.is_ok() && !headers.contains("sec-fetch-site") && headers.contains("origin") {
        let origin = headers
            .only("origin")
            .unwrap_or_default()
            .to_ascii_lowercase();
        assert!(matches!(
            &origin[..],
            b"https://a.example" | b"https://a.example:443"
        ));
    }
}

/// A path that is called unambiguous has none of the forms that servers read differently.
pub fn fuzz_path(data: &[u8]) {
    if path::ambiguity(data).is_some() {
        return;
    }
    let path = data.split(|b| *b == b'?').next().unwrap_or_default();
    assert_eq!(path.first(), Some(&b'/'));
    let lower = path.to_ascii_lowercase();
    let forms: [&[u8]; 9] = [
        b"//", b"/../", b"/./", b"\\", b"%2f", b"%5c", b"%2e", b"%00", b";",
    ];
    for form in forms {
        assert!(!lower.windows(form.len()).any(|window| window == form));
    }
    assert!(!path.iter().any(|b| b.is_ascii_control() || *b == b'#'));
}

/// Query: a parameter that is put in front is the one that counts, whatever follows.
pub fn fuzz_query(data: &[u8]) {
    let headers = Headers::from_pairs::<&str, &[u8]>([]);
    let parts = [KeyPart::Query("k".to_owned())];
    let subject = |path: &[u8]| {
        let view = RequestView {
            method: b"GET",
            host: b"a.example",
            path,
            headers: &headers,
            client_ip: None,
            route: None,
            session: None,
        };
        key::resolve(&parts, &view).ok()
    };
    let with = |front: &[u8]| subject(&[b"/?", front, b"&", data].concat());
    assert_eq!(subject(data), subject(data));
    assert_eq!(with(b"k=1"), subject(b"/?k=1"));
    assert_eq!(with(b"%6b=%31"), subject(b"/?k=1"));
    assert_ne!(with(b"k=2"), subject(b"/?k=1"));
    if !data.contains(&b'?') {
        assert_eq!(subject(data), None);
    }
}

/// Tokens: bytes that verify are what minting them again gives; a handle is written as it was read.
pub fn fuzz_token(data: &[u8]) {
    let Ok(keys) = Keys::parse("7:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") else {
        return;
    };
    let realm = RealmTag::of("web");
    if let Ok(found) = token::verify(&keys, realm, data) {
        let again = token::mint(&keys, realm, found.user, found.deadline_s, found.secret);
        assert_eq!(again.as_bytes(), data);
        assert!(token::verify(&keys, RealmTag::of("other"), data).is_err());
    }
    if let Some((user, hash)) = token::parse_handle(data) {
        assert_eq!(token::handle(&user, &hash).as_bytes(), data);
    }
    if let Some((user, rest)) = data.split_first_chunk::<12>()
        && let Some((secret, rest)) = rest.split_first_chunk::<18>()
    {
        let deadline = rest
            .iter()
            .fold(0_u64, |n, b| n.wrapping_mul(31).wrapping_add(u64::from(*b)));
        let minted = token::mint(&keys, realm, *user, deadline, *secret);
        let found = token::verify(&keys, realm, minted.as_bytes());
        assert_eq!(found.map(|t| (t.user, t.secret)), Ok((*user, *secret)));
    }
}

/// Where the repository is, for the test.
#[cfg(test)]
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");
/// Programs of the bridge's targets begin with its name; the bridge runs this very test on them.
#[cfg(test)]
const OF_BRIDGE: bool = false;
#[cfg(test)]
mod tests;
