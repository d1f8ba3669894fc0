//! What an answer does to a session: a login, a logout, a new token, other data. The answer waits until
//! Redis has it, so a client that holds a cookie holds a session, and one that was told it is logged out
//! is (invariants S2, S3). Only a login creates: everything else is lost on a session that has ended.

use super::request::{Request, Session, refuse};
use super::{Ctx, Output, State, Verdict, respond};
use crate::exchange::CallError;
use crate::http::Headers;
use crate::http::problem::{Problem, Reason};
use crate::metrics::{Metric, SessionEvent};
use crate::policy::{Credential, Realm, SessionUse};
use crate::session::contract::{Allowed, Wish, wish};
use crate::session::token::{self, mint};
use crate::session::{RealmTag, Token, is_reserved};
use crate::vm::Complaint;
use crate::wire::op::{Change, Scope, SessionCreate, SessionEnd, SessionRotate, SessionUpdate};
use crate::wire::reply::SessionWritten;
use crate::wire::{Op, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::rc::Rc;

/// How long a token that was replaced for no reason but its age stays valid, milliseconds: requests
/// that are under way carry it.
const GRACE_MS: u64 = 10_000;

/// An upstream's answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its fields.
    pub(super) headers: Headers,
    /// The request's fields as they went to the upstream, where anybody wants them.
    /// It has no body.
    pub(super) end: bool,
}

/// An answer that waits for Redis.
#[derive(Debug)]
pub(super) struct Waiting {
    request: Box<Request>,
    answer: Answer,
    asked: Asked,
}

/// What Redis was asked for.
#[derive(Debug)]
enum Asked {
    Create {
        secret: [u8; 18],
    },
    End(Scope),
    /// Roles change: without it the application's answer would not be true.
    Roles,
    Rotate,
    Update,
}

/// What an answer carries because a session changed.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Added.
    pub(super) set_cookie: Option<String>,
    /// A session was made, ended or changed: nobody else may get this answer.
    pub(super) changed: bool,
}

/// A fresh nonce for a route whose answers may change sessions.
pub(super) fn nonce(used: &SessionUse, ctx: &mut Ctx<'_>) -> String {
    if !used.create && !used.update {
        return String::new();
    }
    let bytes = ctx.vm.entropy.take::<16>();
    bytes.map_or_else(String::new, |bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Asks for what the answer wants of the session; an answer that wants nothing goes on.
pub(super) fn begin(
    request: Box<Request>,
    mut answer: Answer,
    status: u16,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let config = Rc::clone(&ctx.vm.config);
    let Some((used, realm)) = request.session_use(&config) else {
        return respond::finish(request, answer, Fields::default(), ctx, output);
    };
    let is_cookie = matches!(realm.credential, Credential::Cookie(_));
    let allowed = Allowed {
        create: used.create && is_cookie,
        update: used.update,
        post: request.post,
        session: matches!(request.session, Session::Valid { .. }),
        // A bearer token is replaced through the admin API, whose answer carries the new one.
        replace: is_cookie,
        status,
        nonce: &request.nonce,
    };
    let wish = match wish(&answer.headers, &allowed) {
        Ok(Some(wish)) => wish,
        Ok(None) => return respond::finish(request, answer, Fields::default(), ctx, output),
        Err(why) => {
            count(used, SessionEvent::Unheeded, ctx);
            if let Some(more) = ctx.vm.complaints.tell(Complaint::BadWish, ctx.now) {
                log::warn!("{why} (realm {}){more}", realm.name);
            }
            return respond::finish(request, answer, Fields::default(), ctx, output);
        }
    };
    answer.headers.remove_if(|name, _| is_reserved(name));
    match submit(&wish, &request, realm, ctx) {
        Some((call, asked)) => {
            output.verdict = Verdict::Pause;
            let waiting = Waiting {
                request,
                answer,
                asked,
            };
            State::Changing {
                call,
                waiting: Box::new(waiting),
            }
        }
        None => failed(&request, used, Reason::SessionUnavailable, ctx, output),
    }
}

/// Takes Redis' answer and lets the upstream's go.
pub(super) fn answered(
    waiting: Waiting,
    result: Result<Vec<Value<'_>>, CallError>,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let Waiting {
        request,
        answer,
        asked,
    } = waiting;
    let config = Rc::clone(&ctx.vm.config);
    let Some((used, realm)) = request.session_use(&config) else {
        return respond::finish(request, answer, Fields::default(), ctx, output);
    };
    let written = match result.as_deref() {
        Ok([value]) => SessionWritten::parse(value).ok(),
        _ => None,
    };
    let (event, set_cookie) = match (asked, written) {
        (Asked::Create { secret }, Some(SessionWritten::Created { user, deadline_us })) => {
            let handle = token::handle(&user, &token::key_hash(&secret));
            audit("created", realm, &handle);
            (
                SessionEvent::Created,
                cookie(realm, user, deadline_us, secret, ctx),
            )
        }
        (Asked::End(scope), Some(SessionWritten::Ended { .. } | SessionWritten::Absent)) => {
            audit(scope.name(), realm, handle_of(&request));
            let cleared = (scope != Scope::Others).then(|| clear(realm)).flatten();
            (SessionEvent::Ended, cleared)
        }
        (
            Asked::Rotate | Asked::Roles,
            Some(SessionWritten::Rotated {
                secret,
                deadline_us,
            }),
        ) => {
            audit("rotated", realm, handle_of(&request));
            let user = request.token.as_ref().map(|token| token.user);
            let cookie = user.and_then(|user| cookie(realm, user, deadline_us, secret, ctx));
            (SessionEvent::Rotated, cookie)
        }
        (Asked::Update, Some(SessionWritten::Updated { .. })) => (SessionEvent::Updated, None),
        // It ended while the upstream was at work: it stays dead, and the change is lost.
        (Asked::Rotate | Asked::Roles | Asked::Update, Some(SessionWritten::Absent)) => {
            (SessionEvent::Lost, None)
        }
        (Asked::Roles | Asked::Update, Some(SessionWritten::Conflict { .. })) => {
            return failed(&request, used, Reason::SessionConflict, ctx, output);
        }
        // Its token is old, not wrong: the next answer may replace it.
        (Asked::Rotate, _) => {
            count(used, SessionEvent::Error, ctx);
            return respond::finish(request, answer, Fields::default(), ctx, output);
        }
        _ => return failed(&request, used, Reason::SessionUnavailable, ctx, output),
    };
    count(used, event, ctx);
    let fields = Fields {
        set_cookie,
        changed: true,
    };
    respond::finish(request, answer, fields, ctx, output)
}

/// `Set-Cookie` that takes the realm's cookie away: same name, path and attributes as it was set with,
/// or the browser keeps it.
pub(super) fn clear(realm: &Realm) -> Option<String> {
    let Credential::Cookie(name) = &realm.credential else {
        return None;
    };
    Some(format!(
        "{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"
    ))
}

fn cookie(
    realm: &Realm,
    user: [u8; 12],
    deadline_us: u64,
    secret: [u8; 18],
    ctx: &Ctx<'_>,
) -> Option<String> {
    let (Credential::Cookie(name), Some(keys)) = (&realm.credential, &ctx.vm.keys) else {
        return None;
    };
    let deadline_s = deadline_us / 1_000_000;
    let token = mint(keys, RealmTag::of(&realm.name), user, deadline_s, secret);
    Some(format!(
        "{name}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"
    ))
}

/// Sends the operation; `None`: it cannot be sent, or there is no randomness for it.
fn submit(
    wish: &Wish,
    request: &Request,
    realm: &Realm,
    ctx: &mut Ctx<'_>,
) -> Option<(crate::exchange::CallId, Asked)> {
    let nonce = ctx.vm.entropy.take::<12>()?;
    let secret = ctx.vm.entropy.take::<18>()?;
    let name = realm.name.as_bytes();
    let token = request.token.as_ref();
    let (op, asked) = match (wish, token) {
        (Wish::Create { uid, roles, data }, old) => {
            let op = Op::SessionCreate(SessionCreate {
                realm: name,
                secret: &secret,
                nonce: &nonce,
                idle_ms: realm.idle_ms,
                absolute_ms: realm.absolute_ms,
                uid: uid.as_bytes(),
                roles: roles.as_bytes(),
                data: data.as_bytes(),
                old: old.map(|old| (&old.user, &old.secret)),
                readable: !realm.seal,
            });
            (op, Asked::Create { secret })
        }
        (Wish::End(scope), Some(Token { user, secret, .. })) => {
            let op = Op::SessionEnd(SessionEnd {
                realm: name,
                user,
                secret,
                scope: *scope,
            });
            (op, Asked::End(*scope))
        }
        (
            Wish::Update {
                version,
                data: Some(data),
                roles: None,
            },
            Some(token),
        ) => {
            let op = Op::SessionUpdate(SessionUpdate {
                realm: name,
                user: &token.user,
                secret: &token.secret,
                nonce: &nonce,
                version: *version,
                data: data.as_bytes(),
            });
            (op, Asked::Update)
        }
        (Wish::Rotate | Wish::Update { .. }, Some(token)) => {
            let change = match wish {
                Wish::Update {
                    version,
                    data,
                    roles,
                } => Some(Change {
                    version: *version,
                    roles: roles.as_ref()?.as_bytes(),
                    data: data.as_deref().unwrap_or_default().as_bytes(),
                }),
                _ => None,
            };
            let op = Op::SessionRotate(SessionRotate {
                realm: name,
                user: &token.user,
                secret: &token.secret,
                successor: &secret,
                nonce: &nonce,
                idle_ms: realm.idle_ms,
                grace_ms: change.map_or(GRACE_MS, |_| 0),
                change,
            });
            (op, change.map_or(Asked::Rotate, |_| Asked::Roles))
        }
        (Wish::End(_) | Wish::Update { .. } | Wish::Rotate, None) => return None,
    };
    let (client, terms) = (&mut ctx.vm.client, request.terms());
    let call = client
        .submit_with(ctx.context, &[op], terms, ctx.now)
        .ok()?;
    Some((call, asked))
}

/// What the upstream said is not true: the client does not get it.
fn failed(
    request: &Request,
    used: &SessionUse,
    reason: Reason,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let event = if reason == Reason::SessionConflict {
        SessionEvent::Conflict
    } else {
        SessionEvent::Error
    };
    count(used, event, ctx);
    let mut problem = Problem::new(reason);
    if reason == Reason::SessionUnavailable {
        problem.retry_after_s = Some(ctx.vm.retry_after_s());
    }
    let policy = ctx.vm.config.policies.get(request.policy);
    problem.policy = policy.map(|policy| policy.name.as_str());
    refuse(&problem, &request.limit_fields, output);
    State::Answered
}

fn handle_of(request: &Request) -> &str {
    match &request.session {
        Session::Valid { handle, .. } => handle,
        _ => "-",
    }
}

/// Who did what, without what opens a session.
fn audit(what: &str, realm: &Realm, handle: &str) {
    log::info!("audit: session {what} realm={} handle={handle}", realm.name);
}

fn count(used: &SessionUse, event: SessionEvent, ctx: &mut Ctx<'_>) {
    ctx.vm.metrics.count(Metric::Session(used.realm, event));
}
