//! What is refreshed in the background: Envoy asks the upstream, and no client waits.

use crate::options::Mutant;
use crate::origin::Asked;
use crate::queue::{Event, VmId};
use crate::request::{Kind, SessionTold};
use crate::rng::MS;
use crate::world::World;
use tidegate::http::Headers;
use tidegate::stream::Refresh;

/// A refresh on its way.
#[derive(Debug)]
pub struct Refreshing {
    vm: VmId,
    refresh: Box<Refresh>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// On its way to the upstream.
    Asked(Asked),
    /// On its way back.
    Answered(Headers, Vec<u8>),
}

impl World {
    /// A request that is answered wants this.
    pub fn refresh(&mut self, no: usize, refresh: Box<Refresh>) {
        self.marks.hit("refreshed_in_background");
        let request = &self.requests[no];
        let Kind::Get { resource, lang, .. } = request.kind else {
            return self.violated(format!("request {no} is no GET and refreshes"));
        };
        let user = match &request.session {
            SessionTold::Valid(uid) => Some(uid.clone()),
            _ => None,
        };
        let told = refresh.headers.only("x-session-user");
        if told != user.as_deref().map(str::as_bytes) {
            let told = told.map(String::from_utf8_lossy);
            let text = format!("S12: a refresh by request {no} goes as {told:?}, is {user:?}");
            return self.violated(text);
        }
        let vm = request.vm;
        // Envoy sends it from the filter's next tick.
        let wait = self
            .rng
            .latency(10 * MS, 2_000 * MS, self.options.tail_permille);
        self.last_request += 1;
        let id = self.last_request;
        let asked = Asked {
            resource,
            lang,
            principal: user,
            sent: self.now,
        };
        let step = Step::Asked(asked);
        self.refreshes.insert(id, Refreshing { vm, refresh, step });
        self.queue.at(self.now + wait, Event::Refresh(id));
    }

    /// The upstream gets it; then its answer comes back, complete or not at all.
    pub fn refreshing(&mut self, id: u64) {
        let Some(refreshing) = self.refreshes.remove(&id) else {
            return;
        };
        let Refreshing { vm, refresh, step } = refreshing;
        let asked = match step {
            Step::Answered(headers, body) => return self.refreshed(vm, &refresh, &headers, &body),
            Step::Asked(asked) => asked,
        };
        let page = self.page(asked);
        let cut = page.aborted && self.options.mutant != Some(Mutant::TruncatedIsComplete);
        let step = match cut {
            true => Step::Answered(Headers::new(), Vec::new()),
            false => Step::Answered(Headers::from_lower(page.headers), page.body),
        };
        self.refreshes.insert(id, Refreshing { vm, refresh, step });
        let wait = self.rng.latency(MS, 2_000 * MS, self.options.tail_permille);
        self.queue.at(self.now + wait, Event::Refresh(id));
    }

    fn refreshed(&mut self, vm: VmId, refresh: &Refresh, headers: &Headers, body: &[u8]) {
        let now = self.worker_time(vm);
        if let Some(slot) = self.vms.get_mut(&vm) {
            slot.vm.refreshed(refresh, headers, body, now);
            self.pump(vm);
        }
    }
}
