//! Session realms.

use super::super::at::At;
use super::super::raw;
use super::value::{lasting_ms, token};
use crate::policy::{Credential, Csrf, Realm};
use crate::wire::op::Touch;

const IDLE_MS: u64 = 30 * 60_000;
const ABSOLUTE_MS: u64 = 12 * 3_600_000;

pub(super) fn realm(name: &str, raw: &raw::Realm, at: &At<'_>) -> Option<Realm> {
    let credential = credential(raw, at);
    let idle_ms = raw
        .idle
        .value(IDLE_MS, |idle| lasting_ms(idle, &at.key("idle")));
    let absolute_ms = raw.absolute.value(ABSOLUTE_MS, |absolute| {
        lasting_ms(absolute, &at.key("absolute"))
    });
    let touch_at = raw.touch.value(Touch::Threshold, |word| Some(touch(*word)));
    let csrf = raw.csrf.value(Csrf::Enforce, |word| {
        Some(match word {
            raw::Csrf::Disabled => Csrf::Disabled,
            raw::Csrf::Enforce => Csrf::Enforce,
            raw::Csrf::Report => Csrf::Report,
        })
    });
    let (idle_ms, absolute_ms) = (idle_ms?, absolute_ms?);
    if idle_ms > absolute_ms {
        let (field, default) = (raw.idle.given(), raw.absolute.given());
        let idle = field.map_or("30m", |d| d.text.as_str());
        let absolute = default.map_or("12h", |d| d.text.as_str());
        return at
            .key("idle")
            .fail(format!("must be at most absolute ({absolute}), got {idle}"));
    }
    Some(Realm {
        name: name.to_owned(),
        credential: credential?,
        idle_ms,
        absolute_ms,
        touch: touch_at?,
        csrf: csrf?,
        seal: raw.seal.value(true, |seal| Some(*seal))?,
    })
}

pub(super) fn touch(word: raw::Touch) -> Touch {
    match word {
        raw::Touch::Always => Touch::Always,
        raw::Touch::Never => Touch::Never,
        raw::Touch::Threshold => Touch::Threshold,
    }
}

fn credential(raw: &raw::Realm, at: &At<'_>) -> Option<Credential> {
    use super::super::field::Field::{Absent, Bad, Given};
    match (&raw.cookie, &raw.header) {
        (Given(name), Absent) => {
            let name = token(name, "the name of a cookie", &at.key("cookie"))?;
            Some(Credential::Cookie(name.to_owned()))
        }
        (Absent, Given(raw::CredentialHeader::Authorization)) => Some(Credential::Bearer),
        (Absent, Absent) => at.fail("needs cookie: NAME or header: authorization"),
        (Given(_), Given(_)) => at.fail("cookie and header exclude each other"),
        (Bad, _) | (_, Bad) => None,
    }
}

/// Two realms in one cookie log each other out.
pub(super) fn warn_of_shared_cookies(realms: &[Realm], at: &At<'_>) {
    for (index, realm) in realms.iter().enumerate() {
        let cookie = matches!(realm.credential, Credential::Cookie(_));
        let mut earlier = realms.iter().take(index);
        let other = earlier.find(|other| cookie && other.credential == realm.credential);
        if let Some(other) = other {
            at.key(&realm.name)
                .warn(&format!("has the cookie of {}", other.name));
        }
    }
}
