//! `LIMIT.TAKE` and `LIMIT.RETURN`.

mod give_back;
mod own;
mod take;

pub(super) use give_back::GiveBack;
pub(super) use own::Own;
pub(super) use take::{Answer, Takes};

use super::Context;
use crate::core::failure::Failure;
use crate::core::keys::Keys;
use tidegate::policy::Algorithm;
use tidegate::wire::OpError;
use tidegate::wire::op::{MAX_LOGGED, MAX_REFILL_US, Take};

/// Longest wait of a `leaky_bucket`, microseconds; the longest deadline leaves room for it.
const MAX_DELAY_US: u64 = 30_000_000;

/// One limit of an operation, as the scripts know it.
struct Limit {
    /// Position in the operation.
    at: usize,
    subject: [u8; 16],
    key: Vec<u8>,
    /// Where the key's own limit is.
    own: Option<Vec<u8>>,
    algorithm: Algorithm,
    limit: u64,
    window_us: u64,
    burst: u64,
    cost: u64,
    need: u64,
    lease: u64,
    force: bool,
    /// `unit@zone`
    calendar: Option<Vec<u8>>,
    slot: Vec<u8>,
}

impl Limit {
    fn new(at: usize, take: &Take<'_>, keys: &Keys) -> Result<Self, Failure> {
        let algorithm = check(take).map_err(Failure::Op)?;
        let options = &take.options;
        let own = |name| keys.overridden(name, take.subject);
        Ok(Self {
            at,
            subject: *take.subject,
            key: keys.take(take),
            own: options.overridable.map(own),
            algorithm,
            limit: take.limit,
            window_us: take.window_us,
            burst: take.burst,
            cost: take.cost,
            need: options.need.unwrap_or(take.cost),
            lease: options.lease.unwrap_or(0),
            force: options.force,
            calendar: options.calendar.map(<[u8]>::to_vec),
            slot: options.slot.map(|slot| slot.to_vec()).unwrap_or_default(),
        })
    }

    /// Its name in the scripts.
    fn script_name(&self) -> &'static str {
        match self.calendar {
            Some(_) => "calendar_window",
            None => self.algorithm.name(),
        }
    }

    /// What a script takes for `burst`: what the algorithm's file says.
    fn script_burst(&self, bounds: &[u64]) -> Vec<u8> {
        match self.algorithm {
            Algorithm::Concurrency => self.slot.clone(),
            _ if self.calendar.is_some() => {
                let bounds: Vec<String> = bounds.iter().map(u64::to_string).collect();
                bounds.join(" ").into_bytes()
            }
            _ => super::number(self.burst),
        }
    }

    /// Whether the script of what is asked most can take it.
    fn is_plain(&self) -> bool {
        let known = matches!(
            self.algorithm,
            Algorithm::FixedWindow | Algorithm::TokenBucket
        );
        let options = self.calendar.is_some() || self.own.is_some() || self.force;
        known && !options && self.lease == 0 && self.need == self.cost
    }

    /// Most units that can be available, as configured.
    fn capacity(&self) -> u64 {
        match self.algorithm {
            Algorithm::TokenBucket => self.burst,
            Algorithm::LeakyBucket => self.burst / self.window_us.div_ceil(self.limit) + 1,
            _ => self.limit,
        }
    }
}

/// Puts the keys of overrides behind the limits'; for each limit, which of all keys it is, 0 for none.
fn own_keys(limits: &[&Limit], keys: &mut Vec<Vec<u8>>) -> Vec<u64> {
    let place = |limit: &&Limit| {
        let Some(own) = &limit.own else {
            return 0;
        };
        keys.push(own.clone());
        keys.len() as u64
    };
    limits.iter().map(place).collect()
}

/// What the scripts rely on, beyond what the wire checks.
fn check(take: &Take<'_>) -> Result<Algorithm, OpError> {
    let argument = |name| Err(OpError::Argument(name));
    let Some(algorithm) = Algorithm::from_name(take.algorithm) else {
        return argument("algorithm");
    };
    let options = &take.options;
    let unit = take.window_us.div_ceil(take.limit.max(1));
    match algorithm {
        Algorithm::Concurrency if take.cost > 1 => return argument("cost"),
        // A unit takes whole microseconds, rounded up: never faster than the limit.
        Algorithm::LeakyBucket | Algorithm::TokenBucket if take.limit > take.window_us => {
            return argument("limit");
        }
        Algorithm::LeakyBucket if take.burst > MAX_DELAY_US => return argument("burst"),
        Algorithm::SlidingWindowLog if take.limit > MAX_LOGGED => return argument("limit"),
        Algorithm::TokenBucket => match unit.checked_mul(take.burst) {
            Some(refill) if refill <= MAX_REFILL_US => {}
            _ => return argument("burst"),
        },
        _ => {}
    }
    let leases = matches!(
        algorithm,
        Algorithm::FixedWindow | Algorithm::SlidingWindow | Algorithm::TokenBucket
    );
    if options.lease.is_some() && !leases {
        return argument("lease");
    }
    if options.calendar.is_some() && algorithm != Algorithm::FixedWindow {
        return argument("calendar");
    }
    let slots = algorithm == Algorithm::Concurrency;
    if options.slot.is_some() != (slots && take.cost > 0) && (!slots || take.cost > 0) {
        return argument("slot");
    }
    Ok(algorithm)
}

/// The limits of an operation that one script call may touch together: on a Cluster those of one subject.
fn groups(limits: Vec<Limit>, cx: &Context<'_>) -> Vec<Vec<Limit>> {
    let mut groups: Vec<Vec<Limit>> = Vec::new();
    for limit in limits {
        let of = |group: &&mut Vec<Limit>| {
            let first = group.first();
            !cx.config.cluster || first.is_some_and(|first| first.subject == limit.subject)
        };
        match groups.iter_mut().find(of) {
            Some(group) => group.push(limit),
            None => groups.push(vec![limit]),
        }
    }
    groups
}
