//! `LIMIT.RETURN`: what takes have charged, or what a lease has not spent, goes back. It is carried out
//! even when its caller is gone: what it returns belongs to everybody.

use super::{Limit, groups, own_keys};
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::plan::{Answer as Reply, Begun, Context, Next, Plan, Round, number};
use crate::core::types::{Command, Role};
use crate::script::Script;
use tidegate::wire::op::LimitReturn;
use tidegate::wire::resp;

/// The returns of one operation.
pub(in crate::core::plan) struct GiveBack {
    /// Per call, where in the operation its limits stand.
    places: Vec<Vec<usize>>,
    count: usize,
}

/// One charge to undo.
pub(super) struct Charge<'a> {
    pub(super) limit: &'a Limit,
    pub(super) units: u64,
    pub(super) mark: u64,
}

impl GiveBack {
    pub(in crate::core::plan) fn begin(
        op: &LimitReturn<'_>,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let limits = op.gives.iter().enumerate();
        let limits = limits.map(|(at, give)| Limit::new(at, &give.take, cx.keys));
        let groups = groups(limits.collect::<Result<_, _>>()?, cx);
        let commands = groups.iter().filter_map(|group| {
            let charges = group.iter().map(|limit| Charge {
                limit,
                units: limit.cost,
                mark: op.gives.get(limit.at).map_or(0, |give| give.mark),
            });
            let marker = cx.keys.limit_return(&group.first()?.subject, op.id);
            Some(give_back(&charges.collect::<Vec<_>>(), marker))
        });
        let commands = commands.collect();
        let places = groups
            .iter()
            .map(|group| group.iter().map(|limit| limit.at).collect());
        let plan = Self {
            places: places.collect(),
            count: op.gives.len(),
        };
        let round = Round {
            role: Role::State,
            commands,
            must_run: true,
        };
        Ok((Box::new(plan), round))
    }

    fn merge(&self, answers: Vec<Reply>) -> Result<Vec<u64>, Failure> {
        let mut given = vec![0; self.count];
        for (answer, places) in answers.into_iter().zip(&self.places) {
            let answer = answer?;
            let units = answer.as_array().ok_or(Failure::Shape)?;
            if units.len() != places.len() {
                return Err(Failure::Shape);
            }
            for (at, units) in places.iter().zip(units) {
                if let Some(slot) = given.get_mut(*at) {
                    *slot = units.as_u64().ok_or(Failure::Shape)?;
                }
            }
        }
        Ok(given)
    }
}

impl Plan for GiveBack {
    fn next(&mut self, answers: Vec<Reply>, _cx: &mut Context<'_>) -> Next {
        Next::from(self.merge(answers).map(|given| {
            let mut out = Vec::new();
            resp::array(&mut out, given.len());
            for units in given {
                resp::integer(&mut out, i64::try_from(units).unwrap_or(i64::MAX));
            }
            Outcome::Value(out)
        }))
    }
}

/// The call that undoes these charges, once; all of one subject.
pub(super) fn give_back(charges: &[Charge<'_>], marker: Vec<u8>) -> Command {
    let limits: Vec<&Limit> = charges.iter().map(|charge| charge.limit).collect();
    let mut keys: Vec<_> = limits.iter().map(|limit| limit.key.clone()).collect();
    let own = own_keys(&limits, &mut keys);
    let mut args = Vec::new();
    for (charge, own) in charges.iter().zip(own) {
        let limit = charge.limit;
        args.extend([
            limit.script_name().into(),
            number(limit.limit),
            number(limit.window_us),
            limit.script_burst(&[]),
            number(charge.units),
            number(charge.mark),
            number(own),
        ]);
    }
    keys.push(marker);
    Command {
        script: Script::LimitReturn,
        keys,
        args,
    }
}
