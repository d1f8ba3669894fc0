//! Sessions on a request's way: presented, looked up, told to the upstream.

use super::request::{Request, Session};
use super::{Ctx, Output, Property, session_change};
use crate::guard::{self, Guard};
use crate::http::Headers;
use crate::http::problem::{Challenge, Problem, Reason};
use crate::metrics::{Metric, RequestEvent, SessionEvent};
use crate::policy::{Config, Credential, Csrf, Realm, SessionUse};
use crate::session::credential::{find, strip};
use crate::session::token::verify;
use crate::session::{Found, Identity, Rejected, Told, csrf};
use crate::vm::Complaint;
use crate::wire::op::SessionGet;
use crate::wire::reply::{ReplyError, SessionReply};
use crate::wire::{Op, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::rc::Rc;

/// The request was refused; the answer is in the output.
#[derive(Debug)]
pub(super) struct Refused;

/// Looks at the credential: what is wrong with it is answered without an exchange.
pub(super) fn present(
    used: &SessionUse,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    let config = Rc::clone(&ctx.vm.config);
    let (Some(realm), Some(tag)) = (
        config.sessions.get(used.realm),
        ctx.vm.realms.get(used.realm).copied(),
    ) else {
        return refuse(Reason::Internal, None, request, &config, output);
    };
    let verified = match find(&realm.credential, &request.headers) {
        Found::Ambiguous => {
            ctx.vm
                .metrics
                .count(Metric::Request(RequestEvent::BadRequest));
            return refuse(
                Reason::AmbiguousCredential,
                Some(realm),
                request,
                &config,
                output,
            );
        }
        Found::None => None,
        Found::One(text) => Some(
            ctx.vm
                .keys
                .as_ref()
                .ok_or(Rejected::Key)
                .and_then(|keys| verify(keys, tag, text)),
        ),
    };
    // A bearer token of another length is somebody else's, and the upstream may want it.
    let foreign =
        realm.credential == Credential::Bearer && matches!(verified, Some(Err(Rejected::Length)));
    if !foreign && strip(&realm.credential, &mut request.headers) {
        request.edited = true;
    }
    request.session = Session::None;
    match verified {
        None => {
            ctx.vm
                .metrics
                .count(Metric::Session(used.realm, SessionEvent::Absent));
            absent(
                used,
                realm,
                Reason::SessionRequired,
                request,
                &config,
                output,
            )
        }
        Some(Err(_)) => {
            ctx.vm
                .metrics
                .count(Metric::Session(used.realm, SessionEvent::Rejected));
            absent(
                used,
                realm,
                Reason::SessionInvalid,
                request,
                &config,
                output,
            )
        }
        Some(Ok(token)) => {
            let deadline_us = token.deadline_s.saturating_mul(1_000_000);
            // Redis' clock, as a bridge told it; unknown, the script decides alone.
            let passed = ctx
                .vm
                .client
                .fleet_time_us(ctx.now)
                .is_some_and(|now_us| now_us >= deadline_us);
            if passed {
                ctx.vm
                    .metrics
                    .count(Metric::Session(used.realm, SessionEvent::Rejected));
                absent(
                    used,
                    realm,
                    Reason::SessionInvalid,
                    request,
                    &config,
                    output,
                )?;
                return Ok(());
            }
            if is_cross_site(realm, request) {
                if realm.csrf != Csrf::Report {
                    ctx.vm
                        .metrics
                        .count(Metric::Request(RequestEvent::CrossSite));
                    return refuse(Reason::CrossSite, Some(realm), request, &config, output);
                }
                ctx.vm
                    .metrics
                    .count(Metric::Session(used.realm, SessionEvent::CrossSite));
                if let Some(more) = ctx.vm.complaints.tell(Complaint::CrossSite, ctx.now) {
                    log::warn!("a request that another site may have caused (csrf: report){more}");
                }
            }
            request.session = Session::Presented(token);
            request.token = Some(token);
            Ok(())
        }
    }
}

/// The look-up.
pub(super) fn op<'a>(request: &'a Request, config: &'a Config) -> Option<Op<'a>> {
    let Session::Presented(token) = &request.session else {
        return None;
    };
    let (used, realm) = request.session_use(config)?;
    Some(Op::SessionGet(SessionGet {
        realm: realm.name.as_bytes(),
        user: &token.user,
        secret: &token.secret,
        idle_ms: realm.idle_ms,
        touch: used.touch,
        data: used.data,
    }))
}

/// Takes the look-up's answer; `None`: there was none.
pub(super) fn answered(
    value: Option<&Value<'_>>,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    let config = Rc::clone(&ctx.vm.config);
    let Session::Presented(token) = &request.session else {
        return Ok(());
    };
    let Some((used, realm)) = request.session_use(&config) else {
        return Ok(());
    };
    let handle = token.handle();
    let reply = value.map_or(Err(ReplyError::Shape), SessionReply::parse);
    match reply {
        Ok(SessionReply::Absent) => {
            request.session = Session::None;
            // Not adopted by a login: it names nothing.
            request.token = None;
            ctx.vm
                .metrics
                .count(Metric::Session(used.realm, SessionEvent::Absent));
            absent(
                used,
                realm,
                Reason::SessionInvalid,
                request,
                &config,
                output,
            )
        }
        Ok(SessionReply::Valid {
            uid, roles, data, ..
        }) => match Identity::parse(uid, roles) {
            Ok(identity) => {
                let allowed = identity.holds_any(&used.roles);
                output
                    .properties
                    .push((Property::Session, handle.clone().into_bytes()));
                request.session = Session::Valid { identity, handle };
                request.data = data.map(|data| (data.version, data.json.to_vec()));
                if !allowed {
                    ctx.vm
                        .metrics
                        .count(Metric::Session(used.realm, SessionEvent::Forbidden));
                    return refuse(Reason::RoleRequired, Some(realm), request, &config, output);
                }
                ctx.vm
                    .metrics
                    .count(Metric::Session(used.realm, SessionEvent::Valid));
                Ok(())
            }
            Err(bad) => {
                if let Some(more) = ctx.vm.complaints.tell(Complaint::BadReply, ctx.now) {
                    log::warn!("{bad}{more}");
                }
                unknown(used, realm, request, ctx, output)
            }
        },
        Err(_) => unknown(used, realm, request, ctx, output),
    }
}

/// Writes what the upstream is told of whose request it is; whether the policy has it told.
pub(super) fn introduce(request: &Request, headers: &mut Headers) -> bool {
    let Some(fields) = request.told().map(|told: Told<'_>| told.headers()) else {
        return false;
    };
    for (name, value) in fields {
        headers.append(name, value);
    }
    if let Some((version, json)) = &request.data {
        let version = version.to_string();
        headers.append("x-session-version", version);
        // JSON may hold bytes that no field may.
        let data = URL_SAFE_NO_PAD.encode(json);
        headers.append("x-session-data", data);
    }
    true
}

/// Writes what the upstream is told.
pub(super) fn tell(request: &mut Request, ctx: &mut Ctx<'_>) {
    let mut headers = core::mem::take(&mut request.headers);
    let told = introduce(request, &mut headers);
    request.headers = headers;
    if !told {
        return;
    }
    let config = Rc::clone(&ctx.vm.config);
    if let Some((used, _)) = request.session_use(&config) {
        request.nonce = session_change::nonce(used, ctx);
    }
    if !request.nonce.is_empty() {
        let nonce = request.nonce.as_bytes();
        request.headers.append("x-session-nonce", nonce);
    }
    request.edited = true;
}

/// Nobody can tell: required routes answer 503 and leave the cookie alone (invariant S4).
fn unknown(
    used: &SessionUse,
    realm: &Realm,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    request.session = Session::Unknown;
    ctx.vm
        .metrics
        .count(Metric::Session(used.realm, SessionEvent::Unknown));
    if used.required {
        let config = Rc::clone(&ctx.vm.config);
        let reason = match guard::on(Guard::Unknown) {
            true => Reason::SessionUnavailable,
            false => Reason::SessionInvalid,
        };
        let mut problem = problem(reason, Some(realm));
        problem.retry_after_s = Some(ctx.vm.retry_after_s());
        return refuse_with(problem, Some(realm), request, &config, output);
    }
    Ok(())
}

fn absent(
    used: &SessionUse,
    realm: &Realm,
    reason: Reason,
    request: &Request,
    config: &Config,
    output: &mut Output,
) -> Result<(), Refused> {
    if used.required {
        refuse(reason, Some(realm), request, config, output)
    } else {
        Ok(())
    }
}

fn refuse(
    reason: Reason,
    realm: Option<&Realm>,
    request: &Request,
    config: &Config,
    output: &mut Output,
) -> Result<(), Refused> {
    refuse_with(problem(reason, realm), realm, request, config, output)
}

fn problem(reason: Reason, realm: Option<&Realm>) -> Problem<'_> {
    let mut problem = Problem::new(reason);
    if let Some(realm) = realm {
        problem.challenge = match realm.credential {
            Credential::Bearer => Challenge::Bearer { realm: &realm.name },
            Credential::Cookie(_) => Challenge::Cookie { realm: &realm.name },
        };
    }
    problem
}

fn refuse_with(
    problem: Problem<'_>,
    realm: Option<&Realm>,
    request: &Request,
    config: &Config,
    output: &mut Output,
) -> Result<(), Refused> {
    let reason = problem.reason;
    request.refuse(problem, config, output);
    if reason == Reason::SessionInvalid
        && let Some(clear) = realm.and_then(session_change::clear)
        && let super::Verdict::Reply(reply) = &mut output.verdict
    {
        reply
            .headers
            .push(("set-cookie".to_owned(), clear.into_bytes()));
    }
    Err(Refused)
}

fn is_cross_site(realm: &Realm, request: &Request) -> bool {
    let headers = &request.headers;
    let method = headers.only(":method").unwrap_or_default();
    if realm.credential == Credential::Bearer || realm.csrf == Csrf::Disabled {
        return false;
    }
    let scheme = headers.only(":scheme").unwrap_or_default();
    let authority = headers.only(":authority").unwrap_or_default();
    csrf::check(method, scheme, authority, headers).is_err()
}
