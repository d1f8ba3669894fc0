//! R8, R10: a cost that the upstream tells is settled to the unit, by the request that has it.

use crate::check::limit::Noted;
use crate::policy::{METERED_DEFAULT, METERED_MAX, METERED_RESERVE};
use crate::request::LimitTold;
use crate::world::World;

impl World {
    /// The filter has seen what settles a request, its answer's headers or its end: `noted` is what it
    /// sent.
    pub fn check_settled(&mut self, no: usize, answered: bool, noted: &[Noted]) {
        let Some(key) = self.requests[no].metered.take() else {
            return;
        };
        let request = &self.requests[no];
        let told = request.cost.filter(|cost| answered && *cost <= METERED_MAX);
        let cost = match request.forwarded {
            Some(_) => told.unwrap_or(METERED_DEFAULT),
            None => 0,
        };
        let paid = match request.limits {
            LimitTold::Admitted => METERED_RESERVE,
            // Counted in memory, where a surplus stays charged.
            LimitTold::Nothing if self.options.on_error == "local" => cost,
            LimitTold::Nothing => 0,
            LimitTold::Denied | LimitTold::Leased | LimitTold::Remembered => cost,
        };
        let expected = match cost.checked_sub(paid) {
            Some(0) => Vec::new(),
            Some(more) => vec![Noted::Charge(key, more)],
            None => vec![Noted::Return(key, paid - cost)],
        };
        let slot = self.vms.get(&request.vm);
        let linked = slot.is_some_and(|slot| slot.vm.client.is_linked());
        if !expected.is_empty() && *noted == expected {
            self.marks.hit("settled");
        }
        // Without a stream it may be lost: a worker's calls without one are few.
        if *noted != expected && (linked || !noted.is_empty()) {
            let text = format!("R10: request {no} cost {cost}, paid {paid}, settles {noted:?}");
            self.violated(text);
        }
    }
}
