//! Limits of a key's own: the admin API reads, sets and removes them; takes read them themselves.

use crate::core::admin::{AdminReply, Override, OwnLimit};
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::plan::{Answer as Reply, Begun, Context, Next, Plan, Round, number, only};
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use tidegate::wire::OpError;
use tidegate::wire::op::{MAX_EXACT, MAX_TTL_MS};

/// One call of `limit_own`.
pub(in crate::core::plan) struct Own;

impl Own {
    pub(in crate::core::plan) fn get(at: &Override, cx: &Context<'_>) -> Begun {
        Self::call(at, Vec::new(), cx)
    }

    pub(in crate::core::plan) fn remove(at: &Override, cx: &Context<'_>) -> Begun {
        let args = vec![Vec::new(), number(0), cx.keys.forget(&at.subject)];
        Self::call(at, args, cx)
    }

    pub(in crate::core::plan) fn set(
        at: &Override,
        own: OwnLimit,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let argument = |name| Err(Failure::Op(OpError::Argument(name)));
        if !(1..MAX_EXACT).contains(&own.limit) {
            return argument("limit");
        }
        if own
            .burst
            .is_some_and(|burst| !(1..MAX_EXACT).contains(&burst))
        {
            return argument("burst");
        }
        if !(1..=MAX_TTL_MS).contains(&own.ttl_ms) {
            return argument("ttl");
        }
        let value = match own.burst {
            Some(burst) => format!("{} burst={burst}", own.limit),
            None => own.limit.to_string(),
        };
        let args = vec![
            value.into_bytes(),
            number(own.ttl_ms),
            cx.keys.forget(&at.subject),
        ];
        Ok(Self::call(at, args, cx))
    }

    fn call(at: &Override, args: Vec<Vec<u8>>, cx: &Context<'_>) -> Begun {
        let command = Command {
            script: Script::LimitOwn,
            keys: vec![cx.keys.overridden(at.name.as_bytes(), &at.subject)],
            args,
        };
        let round = Round::new(Role::State, vec![command]);
        (Box::new(Self), round)
    }
}

impl Plan for Own {
    fn next(&mut self, answers: Vec<Reply>, _cx: &mut Context<'_>) -> Next {
        Next::from(only(answers).and_then(|value| {
            let own = match value.as_array() {
                Some([]) => None,
                Some([Value::Bulk(own), left]) => Some((own.clone(), left.as_u64().unwrap_or(0))),
                _ => return Err(Failure::Shape),
            };
            Ok(Outcome::Admin(AdminReply::Override(own)))
        }))
    }
}
