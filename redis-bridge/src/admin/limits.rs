//! Limits: what one has counted for somebody, and forgetting it.

use super::query::Query;
use super::{Admin, Answer, StatusCode, json, unexpected};
use crate::core::{AdminOp, AdminReply, Limit as Target};
use crate::listener::problem::Problem;
use tidegate::limit::Subject;
use tidegate::limit::client_ip::Client;
use tidegate::policy::{Calendar, ClientIp, KeyPart, Limit};
use tidegate::session::token::parse_handle;
use tidegate::wire::reply::{TakeState, Taken};

impl Admin {
    pub(super) async fn peek_limit(&self, name: &str, query: &Query) -> Answer {
        let (limit, target) = self.target(name, query)?;
        let AdminReply::Limit(reply) = self.ask(AdminOp::LimitPeek(target)).await? else {
            return Err(unexpected());
        };
        let [taken] = reply.limits.as_slice() else {
            return Err(unexpected());
        };
        let state = match taken.state {
            TakeState::Busy => "busy",
            TakeState::Denied => "denied",
            TakeState::Never => "never",
            TakeState::Ok => "ok",
        };
        let json = json!({
            "limit": limit.name,
            "algorithm": limit.algorithm.name(),
            "quota": effective(&limit, taken),
            "override": taken.limit > 0,
            "window_ms": limit.window_us / 1000,
            "burst": limit.burst,
            "state": state,
            "available": taken.available,
            "reset_ms": taken.reset_us / 1000,
            "retry_ms": taken.retry_us / 1000,
        });
        Ok((StatusCode::OK, json))
    }

    pub(super) async fn reset_limit(&self, name: &str, query: &Query) -> Answer {
        let (_, target) = self.target(name, query)?;
        let reset = self.count(AdminOp::LimitReset(target)).await?;
        Ok((StatusCode::OK, json!({ "reset": reset })))
    }

    /// Whom of which limit the caller means.
    pub(super) fn target(&self, name: &str, query: &Query) -> Result<(Limit, Target), Problem> {
        query.only(&["key", "realm"])?;
        let limit = self
            .policy
            .limit(name)
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "the policy has no such limit"))?;
        let config = self.policy.config();
        let client_ip = config.map_or(WHOLE_ADDRESS, |config| config.client_ip);
        let values = query.all("key");
        let fixed = |part: &&KeyPart| matches!(part, KeyPart::Literal(_));
        let asked = limit.key.iter().filter(|part| !fixed(part)).count();
        if values.len() != asked {
            let names: Vec<String> = limit
                .key
                .iter()
                .filter(|part| !fixed(part))
                .map(describe)
                .collect();
            return Err(bad(format!(
                "want {asked} key parameters, in this order: {}",
                names.join(", ")
            )));
        }
        let mut values = values.into_iter();
        let mut subject = Subject::new();
        for part in &limit.key {
            let value = match part {
                KeyPart::Literal(text) => text.clone().into_bytes(),
                part => {
                    let value = values.next().unwrap_or_default();
                    self.part(part, value, &client_ip, query)?
                }
            };
            subject = subject.part(&value);
        }
        let target = Target {
            algorithm: limit.algorithm.name().to_owned(),
            subject: subject.finish(),
            id: limit.id,
            limit: limit.limit,
            window_us: limit.window_us,
            burst: limit.burst,
            calendar: limit.calendar.as_ref().map(Calendar::to_wire),
            overridable: limit.overridable.then(|| limit.name.clone()),
        };
        Ok((limit, target))
    }

    /// The bytes the filter hashes for this part.
    fn part(
        &self,
        part: &KeyPart,
        value: &str,
        client_ip: &ClientIp,
        query: &Query,
    ) -> Result<Vec<u8>, Problem> {
        match part {
            KeyPart::ClientIp => {
                // The value is the client, whatever hops stand before it.
                let rule = ClientIp {
                    trusted_hops: 0,
                    ..*client_ip
                };
                let client = Client::find(&rule, value.as_bytes(), std::iter::empty());
                let client = client.ok_or_else(|| bad("key: not an IP address"))?;
                Ok(client.key().as_bytes().to_vec())
            }
            KeyPart::Host => Ok(value.to_ascii_lowercase().into_bytes()),
            KeyPart::SessionId => match parse_handle(value.as_bytes()) {
                Some((_, hash)) => Ok(hash.to_vec()),
                None => Err(bad("key: not a session's handle")),
            },
            KeyPart::SessionUser => {
                let realm = self.realm(query.one("realm")?)?;
                Ok(self.vault.user_tag(&realm.name, value).to_vec())
            }
            KeyPart::Cookie(_)
            | KeyPart::Header(_)
            | KeyPart::Literal(_)
            | KeyPart::Method
            | KeyPart::Path
            | KeyPart::Query(_)
            | KeyPart::Route => Ok(value.as_bytes().to_vec()),
        }
    }
}

/// The limit that counts for the key: its own, if it has one.
fn effective(limit: &Limit, taken: &Taken) -> u64 {
    match taken.limit {
        0 => limit.limit,
        own => own,
    }
}

const WHOLE_ADDRESS: ClientIp = ClientIp {
    prefix_v4: 32,
    prefix_v6: 64,
    trusted_hops: 0,
};

fn describe(part: &KeyPart) -> String {
    match part {
        KeyPart::ClientIp => "client.ip".to_owned(),
        KeyPart::Cookie(name) => format!("cookie:{name}"),
        KeyPart::Header(name) => format!("header:{name}"),
        KeyPart::Host => "host".to_owned(),
        KeyPart::Literal(text) => format!("\"{text}\""),
        KeyPart::Method => "method".to_owned(),
        KeyPart::Path => "path".to_owned(),
        KeyPart::Query(name) => format!("query:{name}"),
        KeyPart::Route => "route".to_owned(),
        KeyPart::SessionId => "session.id (a handle)".to_owned(),
        KeyPart::SessionUser => "session.user (with realm=, if there are several)".to_owned(),
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
