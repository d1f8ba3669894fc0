//! `POST /v1/cache/purge`.

use super::{Admin, Answer, StatusCode, json};
use crate::backend::scan::Matcher;
use crate::listener::problem::Problem;
use crate::purge::Purge;
use serde::Deserialize;
use tidegate::cache::key::{Target, Url};

/// Its body: exactly one field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    url: Option<String>,
    tag: Option<String>,
    prefix: Option<String>,
}

impl Admin {
    pub(super) async fn purge(&self, body: Body) -> Answer {
        let what = body
            .into_purge()
            .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
        let purged = self.purger.purge(what).await;
        let purged = purged
            .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
        Ok((StatusCode::OK, json!({ "purged": purged })))
    }
}

impl Body {
    fn into_purge(self) -> Result<Purge, String> {
        match (self.url, self.tag, self.prefix) {
            (Some(url), None, None) => {
                let target = Target::parse(url.as_bytes()).map_err(|e| e.to_string())?;
                Ok(Purge::from(target))
            }
            (None, Some(tag), None) if (1..=256).contains(&tag.len()) => {
                Ok(Purge::Tag(tag.into_bytes()))
            }
            (None, Some(_), None) => Err("tag: 1..=256 bytes".to_owned()),
            (None, None, Some(prefix)) => prefix_matcher(&prefix).map(Purge::Scan),
            _ => Err("want exactly one of url, tag, prefix".to_owned()),
        }
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
