//! R11: what workers spend of leases, against what they were granted, by the documented rule: a grant
//! lives from when it was asked for, by the worker's clock, for as long as Redis said its window does,
//! and a second at most.

use crate::check::limit::{Asked, Noted};
use crate::queue::VmId;
use crate::request::LimitTold;
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::keys::hex;
use std::collections::BTreeMap;
use tidegate::limit::lease::LIFE;
use tidegate::wire::reply::Taken;

/// One grant.
#[derive(Debug)]
struct Grant {
    sent: u64,
    until: u64,
    /// Its charge outlives it.
    early: bool,
    units: u64,
}

/// What each VM holds of each key.
#[derive(Debug, Default)]
pub struct Leases {
    grants: BTreeMap<(VmId, Vec<u8>), Vec<Grant>>,
    /// When a VM heard last that a subject's limits were reset.
    forgot: BTreeMap<(VmId, [u8; 16]), u64>,
    granted: BTreeMap<Vec<u8>, u64>,
    spent: BTreeMap<Vec<u8>, u64>,
}

impl World {
    /// A worker was told of a lease it has asked for at `sent`.
    pub fn lease_told(&mut self, vm: VmId, asked: &Asked, sent: u64, taken: Taken) {
        let at = (vm, asked.key.clone());
        let forgot = self.leases.forgot.get(&(vm, asked.subject));
        if taken.leased == 0 || forgot.is_some_and(|heard| sent <= *heard) {
            return;
        }
        let rest = taken.reset_us.saturating_mul(1000);
        let life = u64::try_from(LIFE.as_nanos()).unwrap_or(u64::MAX);
        let grant = Grant {
            sent,
            until: sent + rest.min(life),
            early: rest >= life,
            units: taken.leased,
        };
        let granted = self.leases.granted.entry(asked.key.clone()).or_default();
        *granted += taken.leased;
        let (granted, debited) = (*granted, self.limits.debited(&asked.key));
        if granted > debited {
            let text = format!("R11: {granted} units are granted, {debited} debited");
            return self.violated(text);
        }
        let grants = self.leases.grants.entry(at).or_default();
        grants.push(grant);
        let held: u64 = grants
            .iter()
            .filter(|g| g.until > self.now)
            .map(|g| g.units)
            .sum();
        let most = self.vms.get(&vm).and_then(|slot| {
            let limits = slot.vm.config.limits.iter();
            limits.map(|limit| limit.lease_max).max()
        });
        if Some(held) > most {
            self.violated(format!("R11: vm {vm} holds {held} units of {most:?}"));
        }
    }

    /// A request goes upstream and nobody was asked: all its limits must be leased.
    pub fn passes_at_once(&mut self, no: usize) {
        let vm = self.requests[no].vm;
        for applied in self.applied(no) {
            if !applied.leased {
                let name = applied.name;
                return self.violated(format!("R1: request {no} passes {name} unasked"));
            }
            self.requests[no].limits = LimitTold::Leased;
            self.lease_spent(vm, &applied.key, 1);
        }
    }

    fn lease_spent(&mut self, vm: VmId, key: &[u8], units: u64) {
        self.marks.hit("leased");
        let now = self.now;
        let spent = self.leases.spent.entry(key.to_vec()).or_default();
        *spent += units;
        let granted = self.leases.granted.get(key).copied().unwrap_or(0);
        if *spent > granted {
            let text = format!("R11: {spent} units are spent of {granted}");
            return self.violated(text);
        }
        let grants = self.leases.grants.get_mut(&(vm, key.to_vec()));
        let grants = grants.into_iter().flatten();
        let mut live = grants.filter(|grant| grant.until > now && grant.units >= units);
        match live.next() {
            Some(grant) => grant.units -= units,
            None => self.violated(format!("R11: vm {vm} spends what no live grant holds")),
        }
    }

    /// A worker gives units back: they must be its own.
    pub fn lease_given_back(&mut self, vm: VmId, noted: &Noted) {
        let Noted::Return(key, units) = noted else {
            return;
        };
        let Some(grants) = self.leases.grants.get_mut(&(vm, key.clone())) else {
            return;
        };
        let now = self.now;
        let of = |grant: &&mut Grant| grant.until > now && grant.units == *units;
        match grants.iter_mut().find(of) {
            Some(grant) => grant.units = 0,
            None => self.violated(format!("R11: vm {vm} gives back {units}, not of a grant")),
        }
    }

    /// A worker heard that a subject's limits were reset: what it holds counts no more.
    pub fn lease_forgotten(&mut self, vm: VmId, subject: [u8; 16]) {
        let tag = String::from_utf8_lossy(&hex(&subject)).into_owned();
        let of = |key: &[u8]| String::from_utf8_lossy(key).contains(&tag);
        let grants = &mut self.leases.grants;
        grants.retain(|(held, key), _| *held != vm || !of(key));
        self.leases.forgot.insert((vm, subject), self.now);
    }

    /// What nobody needed was given back, after everything was mended.
    pub fn leases_at_the_end(&mut self, mended: u64) {
        let stranded = self.leases.grants.iter().find(|((vm, _), grants)| {
            let idle = |grant: &&Grant| grant.early && grant.sent > mended && grant.units > 0;
            self.vms.contains_key(vm) && grants.iter().any(|grant| idle(&grant))
        });
        if let Some(((vm, _), grants)) = stranded {
            let text = format!("R11: vm {vm} gives nothing back of {grants:?}");
            self.violated(text);
        }
    }
}

/// How long after a request a bridge's word may be late when everything works.
pub const PROMPT: u64 = 20 * MS;
