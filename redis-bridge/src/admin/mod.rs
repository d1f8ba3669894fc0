//! The admin listener: what people and login services ask for. JSON in, JSON or problem+json out.

mod limits;
mod overrides;
mod purge;
mod query;
mod sessions;
mod streams;

use crate::backend::{Backend, Health};
use crate::core::{AdminOp, AdminReply, Failure};
use crate::handle::Handle;
use crate::listener::budget::Budget;
use crate::listener::data::read_body;
use crate::listener::problem::{Problem, respond};
use crate::listener::serve::Service;
use crate::listener::{Response, guard};
use crate::policy::Policy;
use crate::purge::Purger;
use crate::repeat::Repeater;
use crate::secrets::Credential;
use crate::vault::Vault;
use http::{Method, StatusCode};
use hyper::Request;
use hyper::body::Incoming;
use query::Query;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tidegate::session::Keys;
use tokio::sync::watch;

/// Largest body, bytes.
const MAX_BODY: usize = 64 << 10;

/// This API, described in OpenAPI 3.1; checked against a running bridge by `make openapi`.
pub const OPENAPI: &str = include_str!("../../openapi.json");

/// Serves the admin listener.
pub struct Admin {
    /// The core's owner.
    pub handle: Handle,
    /// What callers must show.
    pub credential: Credential,
    /// Realms and limits.
    pub policy: Policy,
    /// For readiness.
    pub backend: Backend,
    /// Removes cached objects.
    pub purger: Purger,
    /// Revokes again what no replica has yet.
    pub repeater: Repeater,
    /// Sign the tokens of sessions made here.
    pub keys: Keys,
    /// Tells a user's tag.
    pub vault: Vault,
    /// True once the bridge is leaving.
    pub leaving: watch::Receiver<bool>,
}

/// What a route answers: a status and its JSON.
type Answer = Result<(StatusCode, Json), Problem>;

impl Service for Admin {
    async fn call(&self, request: Request<Incoming>) -> Response {
        let result = match guard::refuse_browsers(request.headers()) {
            Ok(()) => self.route(request).await,
            Err(problem) => Err(problem),
        };
        result.unwrap_or_else(|problem| {
            self.handle.metrics().refused(problem.status);
            problem.into_response()
        })
    }
}

impl Admin {
    async fn route(&self, request: Request<Incoming>) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let method = parts.method;
        if let Some(answer) = self.probe(path, &method) {
            return answer;
        }
        guard::authorize(&parts.headers, &self.credential)?;
        let segments = query::segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        if segments == ["v1", "openapi.json"] {
            return match method {
                Method::GET => Ok(respond(StatusCode::OK, "application/json", OPENAPI.into())),
                _ => Err(Problem::method("GET")),
            };
        }
        let (status, json) = match (segments.as_slice(), method) {
            (["v1", "sessions"], Method::POST) => self.create_session(read(body).await?).await?,
            (["v1", "sessions"], _) => return Err(Problem::method("POST")),
            (["v1", "sessions", "rotate"], Method::POST) => {
                self.rotate_session(read(body).await?).await?
            }
            (["v1", "sessions", "rotate"], _) => return Err(Problem::method("POST")),
            (["v1", "sessions", handle], Method::DELETE) => self.revoke(handle).await?,
            (["v1", "sessions", _], _) => return Err(Problem::method("DELETE")),
            (["v1", "users", uid, "sessions"], Method::GET) => {
                self.list_sessions(uid, &query).await?
            }
            (["v1", "users", uid, "sessions"], Method::DELETE) => {
                self.revoke_user(uid, &query).await?
            }
            (["v1", "users", _, "sessions"], _) => return Err(Problem::method("GET, DELETE")),
            (["v1", "cache", "purge"], Method::POST) => self.purge(read(body).await?).await?,
            (["v1", "cache", "purge"], _) => return Err(Problem::method("POST")),
            (["v1", "limits", name], Method::GET) => self.peek_limit(name, &query).await?,
            (["v1", "limits", name], Method::DELETE) => self.reset_limit(name, &query).await?,
            (["v1", "limits", _], _) => return Err(Problem::method("GET, DELETE")),
            (["v1", "limits", name, "override"], Method::GET) => {
                self.get_override(name, &query).await?
            }
            (["v1", "limits", name, "override"], Method::PUT) => {
                self.put_override(name, &query, read(body).await?).await?
            }
            (["v1", "limits", name, "override"], Method::DELETE) => {
                self.delete_override(name, &query).await?
            }
            (["v1", "limits", _, "override"], _) => {
                return Err(Problem::method("GET, PUT, DELETE"));
            }
            (["v1", "streams"], Method::GET) => self.streams().await?,
            (["v1", "streams"], _) => return Err(Problem::method("GET")),
            _ => return Err(Problem::new(StatusCode::NOT_FOUND, "no such resource")),
        };
        Ok(respond(status, "application/json", json.to_string().into()))
    }

    /// What needs no credential: it tells nothing about sessions, keys or users.
    fn probe(&self, path: &str, method: &Method) -> Option<Result<Response, Problem>> {
        let (status, content_type, body) = match path {
            "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/readyz" => match self.not_ready() {
                None => (StatusCode::OK, "text/plain", "ready\n".to_owned()),
                Some(reason) => {
                    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason);
                    return Some(Err(problem));
                }
            },
            "/metrics" => {
                let text = self.handle.metrics().text();
                let version = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                (StatusCode::OK, version, text)
            }
            _ => return None,
        };
        if *method != Method::GET && *method != Method::HEAD {
            return Some(Err(Problem::method("GET, HEAD")));
        }
        Some(Ok(respond(status, content_type, body.into())))
    }

    fn not_ready(&self) -> Option<String> {
        if *self.leaving.borrow() {
            return Some("the bridge is leaving".to_owned());
        }
        match self.backend.health() {
            Health::Up => None,
            Health::Broken => Some("the redis cluster is down: it takes no commands".to_owned()),
            Health::CutOff => Some(
                "cut off with a part of redis: most sentinels, or most primaries, are silent"
                    .to_owned(),
            ),
            Health::Down => Some("redis is not reachable".to_owned()),
            Health::Refused(refusal) => Some(refusal.to_string()),
        }
    }

    /// Asks the core; a failure becomes a refusal.
    async fn ask(&self, op: AdminOp) -> Result<AdminReply, Problem> {
        match self.handle.admin(op).await {
            Some(AdminReply::Failed(failure)) => Err(refusal(&failure)),
            Some(reply) => Ok(reply),
            None => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the bridge is leaving",
            )),
        }
    }

    async fn count(&self, op: AdminOp) -> Result<u64, Problem> {
        match self.ask(op).await? {
            AdminReply::Count(count) => Ok(count),
            _ => Err(unexpected()),
        }
    }
}

/// The refusal that says why an operation failed. No failure names a key or a value.
fn refusal(failure: &Failure) -> Problem {
    let status = match failure {
        Failure::Op(_) | Failure::Ops => StatusCode::BAD_REQUEST,
        Failure::Exists => StatusCode::CONFLICT,
        Failure::Busy | Failure::Down | Failure::Timeout | Failure::Redis(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Failure::Bulk | Failure::Seal | Failure::Shape => StatusCode::BAD_GATEWAY,
    };
    Problem::new(status, failure.to_string())
}

/// The core answered another kind of question: a bug.
fn unexpected() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unexpected answer")
}

/// Reads a JSON body; unknown and doubled fields are refused by the types.
async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Problem> {
    // At most so many connections times so little.
    let mut held = Budget::new(MAX_BODY).hold();
    let bytes = read_body(body, MAX_BODY, &mut held).await?;
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, format!("body: {e}")))
}

/// Everything of a request that is read before anybody is asked, for [`crate::fuzz`].
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_request(data: &[u8]) -> Vec<AdminOp> {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let head = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let body = lines.next().unwrap_or_default();
    let (path, query) = head.split_once('?').unwrap_or((&head, ""));
    if let Ok(segments) = query::segments(path) {
        assert_eq!(
            segments.len(),
            path.strip_prefix('/').unwrap_or(path).split('/').count()
        );
    }
    if let Ok(query) = Query::parse(query) {
        assert!(query.one("key").is_err() || query.all("key").len() < 2);
    }
    purge::fuzz_body(body);
    overrides::fuzz_body(body);
    sessions::fuzz_body(body).into_iter().collect()
}
