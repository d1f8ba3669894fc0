//! `POST /v1/cache/purge`.

use super::{Admin, Answer, StatusCode, json};
use crate::backend::scan::Matcher;
use crate::listener::problem::Problem;
use crate::purge::Purge;
use serde::{Deserialize, Deserializer};
use tidegate::cache::groups;
use tidegate::cache::key::{Target, Url};

/// Its body: exactly one field, and `soft`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    #[serde(default, deserialize_with = "present")]
    url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "present")]
    prefix: Option<String>,
    #[serde(default, deserialize_with = "present")]
    group: Option<Group>,
    #[serde(default, deserialize_with = "present")]
    all: Option<bool>,
    /// Objects are no longer fresh, and stay.
    #[serde(default)]
    soft: bool,
}

/// A group of one origin (RFC 9875).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    origin: String,
    name: String,
}

/// A field that may be left out, and is not `null`: who sends `null` beside another one meant something else.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Admin {
    pub(super) async fn purge(&self, body: Body) -> Answer {
        let soft = body.soft;
        let what = body
            .into_purge()
            .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
        let purged = self.purger.purge(what, soft).await;
        let purged = purged
            .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
        Ok((StatusCode::OK, json!({ "purged": purged })))
    }
}

impl Body {
    fn into_purge(self) -> Result<Purge, String> {
        match (self.url, self.tag, self.prefix, self.group, self.all) {
            (Some(url), None, None, None, None) => {
                let target = Target::parse(url.as_bytes()).map_err(|e| e.to_string())?;
                Ok(Purge::from(target))
            }
            (None, Some(tag), None, None, None) if (1..=256).contains(&tag.len()) => {
                Ok(Purge::Tag(tag.into_bytes()))
            }
            (None, Some(_), None, None, None) => Err("tag: 1..=256 bytes".to_owned()),
            (None, None, Some(prefix), None, None) => prefix_matcher(&prefix).map(Purge::Scan),
            (None, None, None, Some(group), None) => group.into_purge(),
            (None, None, None, None, Some(true)) => {
                Ok(Purge::Scan(Matcher::PathPrefix(b"/".to_vec())))
            }
            _ => Err("want exactly one of url, tag, prefix, group, all: true".to_owned()),
        }
    }
}

impl Group {
    fn into_purge(self) -> Result<Purge, String> {
        let url = Url::parse(self.origin.as_bytes()).map_err(|e| format!("group.origin: {e}"))?;
        groups::tag(&url, self.name.as_bytes())
            .map(Purge::Tag)
            .ok_or_else(|| "group.name: too long".to_owned())
    }
}

/// A prefix of a path, on every host, or of a URL. The host of a URL must be whole: `http://a` would
/// also mean `http://a.example`.
fn prefix_matcher(prefix: &str) -> Result<Matcher, String> {
    if prefix.starts_with('/') {
        return Ok(Matcher::PathPrefix(prefix.as_bytes().to_vec()));
    }
    let url = Url::parse(prefix.as_bytes()).map_err(|e| e.to_string())?;
    Ok(Matcher::Prefix(url.as_bytes().to_vec()))
}

/// For [`crate::fuzz`]: a body means one thing, or is refused with a reason.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_body(body: &[u8]) {
    if let Ok(body) = super::parse::<Body>(body)
        && let Err(reason) = body.into_purge()
    {
        assert!(!reason.is_empty());
    }
}
