//! One key's books: each algorithm's rule on the calls Redis has run, one after the other.

use crate::marks::Marks;
use std::collections::BTreeMap;
use tidegate::policy::Algorithm;

/// A take as Redis has run it.
#[derive(Debug)]
pub(super) struct Ran<'a> {
    /// How it counts; none of the sim's is unknown.
    pub(super) algorithm: Algorithm,
    /// Units per window, or slots.
    pub(super) limit: u64,
    /// Microseconds.
    pub(super) window_us: u64,
    /// Units, or the longest wait in microseconds.
    pub(super) burst: u64,
    /// The slot's name, of a limit on what is in flight.
    pub(super) slot: &'a [u8],
    /// Units to charge.
    pub(super) cost: u64,
    /// Units that must be available.
    pub(super) need: u64,
    /// Charged whatever is available.
    pub(super) force: bool,
}

/// What Redis said of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// Redis' clock.
    pub(super) now: u64,
    /// Its own verdict.
    pub(super) state: i64,
    /// Of a denial, when it may fit; of a paced admission, how long it waits.
    pub(super) retry: u64,
    /// Names the charge.
    pub(super) mark: u64,
    /// Units granted beyond the cost.
    pub(super) leased: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    algorithm: Option<Algorithm>,
    limit: u64,
    window_us: u64,
    burst: u64,
    /// Units in each fixed window since the last reset.
    windows: BTreeMap<u64, u64>,
    /// Admissions of the other algorithms.
    entries: Vec<Entry>,
    /// Slots that are held, and when each ends by itself.
    slots: BTreeMap<Vec<u8>, u64>,
    /// When it was reset, microseconds.
    resets: Vec<u64>,
    /// Units charged.
    pub(super) charged: u64,
    /// Units really given back.
    pub(super) returned: u64,
    /// Units workers were told are charged.
    pub(super) told: u64,
    /// Units workers wanted to give back.
    pub(super) asked_back: u64,
    /// Units that may have been charged unnoticed.
    pub(super) unsure: u64,
    /// Units granted as leases.
    pub(super) leased: u64,
    told_in: BTreeMap<u64, u64>,
    returned_in: BTreeMap<u64, u64>,
    told_at: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// When it was admitted; of a leaky bucket, when it may leave.
    at: u64,
    mark: u64,
    units: u64,
    /// Resets before it.
    resets: usize,
}

impl Ledger {
    /// A take was admitted. Returns what is broken.
    pub(super) fn admits(
        &mut self,
        ran: &Ran<'_>,
        said: Said,
        marks: &mut Marks,
    ) -> Option<String> {
        self.is_of(ran.algorithm, ran.limit, ran.window_us, ran.burst);
        let (now, units) = (said.now, ran.cost + said.leased);
        self.charged += units;
        self.leased += said.leased;
        let mut entry = Entry {
            at: now,
            mark: said.mark,
            units,
            resets: self.resets.len(),
        };
        let broken = match ran.algorithm {
            Algorithm::FixedWindow => {
                let used = self.used(now);
                *self.windows.entry(now / ran.window_us).or_default() += units;
                let over = used + ran.need.max(units) > ran.limit && !ran.force;
                over.then(|| format!("R1: {units} more admitted at {used} of {}", ran.limit))
            }
            Algorithm::SlidingWindowLog => {
                let used = self.logged(now);
                let over = used + ran.need > ran.limit && !ran.force;
                over.then(|| format!("R3: {units} more admitted at {used} of {}", ran.limit))
            }
            Algorithm::LeakyBucket => {
                entry.at = now + said.retry;
                if said.retry > 0 && units > 0 {
                    marks.hit("paced");
                }
                let early = units > 0 && self.next().is_some_and(|next| entry.at < next);
                let long = said.retry > ran.burst;
                (early || long).then(|| {
                    let next = self.next();
                    format!("R6: at {now} waits {} us, next is {next:?}", said.retry)
                })
            }
            Algorithm::Concurrency => {
                self.expire(now, marks);
                if ran.cost > 0 {
                    self.slots.insert(ran.slot.to_vec(), now + ran.window_us);
                }
                let live = self.slots.len() as u64;
                (live > ran.limit).then(|| format!("R5: {live} slots of {}", ran.limit))
            }
            Algorithm::TokenBucket | Algorithm::SlidingWindow => None,
        };
        if units > 0 {
            self.entries.push(entry);
        }
        broken
    }

    /// A take was denied by this limit: with demand, all of it is given.
    pub(super) fn denies(
        &mut self,
        ran: &Ran<'_>,
        said: Said,
        marks: &mut Marks,
    ) -> Option<String> {
        self.is_of(ran.algorithm, ran.limit, ran.window_us, ran.burst);
        let now = said.now;
        match ran.algorithm {
            Algorithm::FixedWindow => {
                let used = self.used(now);
                let fits = used + ran.need <= ran.limit;
                fits.then(|| format!("R1: denies at {used} of {}", ran.limit))
            }
            Algorithm::SlidingWindowLog => {
                let used = self.logged(now);
                let fits = used + ran.need <= ran.limit;
                fits.then(|| format!("R3: denies at {used} of {}", ran.limit))
            }
            Algorithm::LeakyBucket => {
                let wait = self.next().map_or(0, |next| next.saturating_sub(now));
                (wait <= ran.burst).then(|| format!("R6: denies for a wait of {wait} us"))
            }
            Algorithm::Concurrency => {
                marks.hit("slots_full");
                self.expire(now, marks);
                let live = self.slots.len() as u64;
                let fits = live < ran.limit || self.slots.contains_key(ran.slot);
                fits.then(|| format!("R5: denies at {live} slots of {}", ran.limit))
            }
            Algorithm::TokenBucket | Algorithm::SlidingWindow => None,
        }
    }

    /// `given` of `ran.cost` units were given back; `asked`: by a worker, which was told of them.
    pub(super) fn gives(
        &mut self,
        ran: &Ran<'_>,
        (given, asked): (u64, bool),
        said: Said,
        marks: &mut Marks,
    ) -> Option<String> {
        self.is_of(ran.algorithm, ran.limit, ran.window_us, ran.burst);
        if given > ran.cost {
            return Some(format!("R10: {given} of {} given back", ran.cost));
        }
        if ran.algorithm == Algorithm::Concurrency {
            self.expire(said.now, marks);
            let live = self.slots.remove(ran.slot).is_some();
            let wrong = live != (given == 1);
            return wrong.then(|| format!("R5: gives back {given}, of a slot held: {live}"));
        }
        self.returned += given;
        self.unsure += ran.cost - given;
        if ran.algorithm == Algorithm::FixedWindow {
            let window = (said.mark / ran.window_us).saturating_sub(1);
            if asked {
                *self.returned_in.entry(window).or_default() += given;
            }
            let used = self.windows.entry(window).or_default();
            let Some(left) = used.checked_sub(given) else {
                return Some(format!("R10: {given} given back of {used}"));
            };
            *used = left;
            return None;
        }
        let of = |entry: &Entry| entry.mark == said.mark;
        if given > 0
            && let Some(at) = self.entries.iter().rposition(of)
        {
            self.entries[at].units = self.entries[at].units.saturating_sub(given);
        }
        None
    }

    /// What was counted is forgotten.
    pub(super) fn reset(&mut self, now: u64) {
        self.windows.clear();
        self.slots.clear();
        self.resets.push(now);
    }

    /// A worker was told. Returns what is broken. `now`: when it was charged, where that is known.
    pub(super) fn tells(&mut self, units: u64, force: bool, now: Option<u64>) -> Option<String> {
        self.told += units;
        let now = now.filter(|_| !force)?;
        match self.algorithm? {
            Algorithm::TokenBucket => self.told_at.extend((0..units).map(|_| now)),
            Algorithm::FixedWindow => {
                let window = now / self.window_us;
                let resets = self
                    .resets
                    .iter()
                    .filter(|at| *at / self.window_us == window);
                let returned = self.returned_in.get(&window).copied().unwrap_or(0);
                let most = self.limit * (1 + resets.count() as u64) + returned;
                let told = self.told_in.entry(window).or_default();
                *told += units;
                if *told > most {
                    return Some(format!("R1: {told} admitted of {most} in window {window}"));
                }
            }
            _ => {}
        }
        None
    }

    /// When the request of a leaky bucket's charge may leave, the latest that has this mark.
    pub(super) fn turn(&self, mark: u64) -> Option<u64> {
        let paced = self.algorithm == Some(Algorithm::LeakyBucket);
        let mut entries = self.entries.iter().filter(|_| paced).rev();
        let entry = entries.find(|entry| entry.mark == mark);
        entry.map(|entry| entry.at)
    }

    /// R8 and R2.
    pub(super) fn at_the_end(&self, marks: &mut Marks) -> Option<String> {
        let algorithm = self.algorithm?;
        if algorithm != Algorithm::Concurrency {
            let (charged, returned) = (self.charged, self.returned);
            let (told, back) = (self.told, self.asked_back);
            let said = format!("{charged} - {returned} charged, {told} - {back} told");
            let Some(excess) = (charged + back).checked_sub(returned + told) else {
                return Some(format!("R8: {said}"));
            };
            if excess > 0 {
                marks.hit("retry_charged_twice");
            }
            if excess > self.unsure {
                return Some(format!("R8: {said}, {} uncertain", self.unsure));
            }
        }
        if algorithm != Algorithm::TokenBucket {
            return None;
        }
        for resets in 0..=self.resets.len() {
            let taken = self.entries.iter().filter(|entry| entry.resets == resets);
            let taken = taken.flat_map(|entry| (0..entry.units).map(|_| entry.at));
            // At the very microsecond of a reset nobody can tell.
            let told = self.told_at.iter().copied().filter(|at| {
                let before = self.resets.iter().filter(|reset| *reset < at).count();
                before == resets && !self.resets.contains(at)
            });
            for mut times in [taken.collect::<Vec<_>>(), told.collect()] {
                times.sort_unstable();
                if let Some(broken) = self.over_rate(&times) {
                    return Some(format!("R2: {broken}"));
                }
            }
        }
        None
    }

    fn is_of(&mut self, algorithm: Algorithm, limit: u64, window_us: u64, burst: u64) {
        self.algorithm = Some(algorithm);
        (self.limit, self.window_us, self.burst) = (limit, window_us.max(1), burst);
    }

    fn used(&self, now: u64) -> u64 {
        let used = self.windows.get(&(now / self.window_us));
        used.copied().unwrap_or(0)
    }

    /// Units of a log that count now.
    fn logged(&self, now: u64) -> u64 {
        let counts = |entry: &&Entry| entry.mark + self.window_us > now;
        self.since_reset()
            .filter(counts)
            .map(|entry| entry.units)
            .sum()
    }

    /// When a leaky bucket's next unit may leave.
    fn next(&self) -> Option<u64> {
        let emission = self.window_us.div_ceil(self.limit.max(1));
        let ends = self
            .since_reset()
            .map(|entry| entry.at + entry.units * emission);
        ends.max()
    }

    fn since_reset(&self) -> impl Iterator<Item = &Entry> {
        let resets = self.resets.len();
        self.entries
            .iter()
            .rev()
            .take_while(move |entry| entry.resets == resets)
    }

    fn expire(&mut self, now: u64, marks: &mut Marks) {
        let before = self.slots.len();
        self.slots.retain(|_, ends| *ends > now);
        marks.add("slot_expired", (before - self.slots.len()) as u64);
    }

    /// R2 over all pairs of times.
    fn over_rate(&self, times: &[u64]) -> Option<String> {
        for (from, start) in times.iter().enumerate() {
            for (to, end) in times.iter().enumerate().skip(from) {
                let sum = (to - from + 1) as u64;
                let span = end - start;
                let refill = span * self.limit / self.window_us.max(1);
                if sum > self.burst + refill + 1 {
                    return Some(format!("{sum} admitted within {span} us"));
                }
            }
        }
        None
    }
}
