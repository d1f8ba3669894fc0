//! What is seen at workers: what they were told, and what they settle in the background.

use super::{Asked, Limits};
use redis_bridge::core::Keys;
use tidegate::wire::op::LimitReturn;
use tidegate::wire::reply::LimitReply;

/// Something a worker settles, nobody waits for it.
#[derive(Clone, PartialEq, Eq)]
pub enum Noted {
    /// Units charged afterwards.
    Charge(Vec<u8>, u64),
    /// Units given back.
    Return(Vec<u8>, u64),
}

impl Limits {
    /// A worker was told at `now_us`. Returns what is broken.
    pub fn answered(
        &mut self,
        asked: &[Asked],
        reply: &LimitReply,
        cluster: bool,
        now_us: u64,
    ) -> Option<String> {
        if !reply.admitted {
            return None;
        }
        // With several calls the reply names the latest of their times.
        let now = (!cluster || asked.len() == 1).then_some(reply.now_us);
        let mut broken = None;
        for (asked, taken) in asked.iter().zip(&reply.limits) {
            let units = asked.cost + taken.leased;
            let wrong = self.ledger(&asked.key).tells(units, asked.force, now);
            let turn = self.ledger(&asked.key).turn(taken.mark);
            let early = turn.filter(|turn| asked.cost > 0 && now_us < *turn);
            let wrong = wrong.or(early.map(|turn| format!("R6: told at {now_us}, turn at {turn}")));
            let name = || String::from_utf8_lossy(&asked.key);
            broken = broken.or(wrong.map(|wrong| format!("{wrong}: {}", name())));
        }
        broken
    }

    /// A worker gives something back, for the first time by this name.
    pub fn returning(&mut self, op: &LimitReturn<'_>, keys: &Keys) -> Vec<Noted> {
        let mut noted = Vec::new();
        for give in &op.gives {
            let key = keys.take(&give.take);
            let marker = keys.limit_return(give.take.subject, op.id);
            self.ledger(&key).asked_back += give.take.cost;
            let returning = self.returns.entry(marker).or_default();
            returning.gives.push((key.clone(), give.take.cost));
            noted.push(Noted::Return(key, give.take.cost));
        }
        noted
    }
}

impl std::fmt::Debug for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, key, units) = match self {
            Self::Charge(key, units) => ("charges", key, units),
            Self::Return(key, units) => ("gives back", key, units),
        };
        write!(f, "{what} {units} of {}", String::from_utf8_lossy(key))
    }
}
