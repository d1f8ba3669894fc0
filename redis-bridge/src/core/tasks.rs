//! Tasks: one per operation, a plan and the round of commands it waits for. And the batches they are part
//! of, made of what waits in the lanes.

use super::failure::Failure;
use super::lanes::{Bounds, Lanes, Shards};
use super::latency::Verb;
use super::plan::{Answer, Get, Plan, Round};
use super::trace::Asked;
use super::types::{Batch, BatchId, Role};
use super::value::Value;
use crate::guard::{self, Guard};
use crate::script::Script;
use std::collections::BTreeMap;
use std::time::Duration;

/// One operation under way.
pub(super) struct Task {
    /// Whose.
    pub(super) exchange: u64,
    /// Which operation of the exchange.
    pub(super) slot: usize,
    /// Missing only while it decides.
    pub(super) plan: Option<Box<dyn Plan>>,
    /// What it does, and since when.
    begun: (Verb, Duration),
    answers: Vec<Option<Answer>>,
    missing: usize,
    must_run: bool,
    handed_out: bool,
    unreplicated: bool,
}

/// All tasks, their queues and the batches in flight.
#[derive(Default)]
pub(super) struct Tasks {
    all: BTreeMap<u64, Task>,
    next: u64,
    state: Lanes<Place>,
    cache: Lanes<Place>,
    durable: Lanes<Place>,
    batches: BTreeMap<BatchId, InFlight>,
    next_batch: u64,
}

/// A batch that was handed out.
struct InFlight {
    role: Role,
    lane: usize,
    since: Duration,
    places: Vec<Place>,
}

/// Where an answer belongs: a task, and which command of its round.
#[derive(Debug, Clone, Copy)]
struct Place {
    task: u64,
    at: usize,
    script: Script,
}

impl Tasks {
    /// Starts a task with its first round; its id.
    pub(super) fn begin(
        &mut self,
        exchange: u64,
        slot: usize,
        begun: (Verb, Duration),
        plan: Box<dyn Plan>,
        round: Round,
    ) -> u64 {
        let id = self.next;
        self.next += 1;
        let task = Task {
            exchange,
            slot,
            plan: Some(plan),
            begun,
            answers: Vec::new(),
            missing: 0,
            must_run: false,
            handed_out: false,
            unreplicated: false,
        };
        self.all.insert(id, task);
        self.run(id, round, begun.1);
        id
    }

    /// Queues the next round of a task.
    pub(super) fn run(&mut self, id: u64, round: Round, now: Duration) {
        let Some(task) = self.all.get_mut(&id) else {
            return;
        };
        task.answers = vec![None; round.commands.len()];
        task.missing = round.commands.len();
        task.must_run = round.must_run;
        task.unreplicated = false;
        let lanes = self.lanes(round.role);
        for (at, command) in round.commands.into_iter().enumerate() {
            let script = command.script;
            let task = id;
            let place = Place { task, at, script };
            lanes.push(place, command, round.must_run, now);
        }
    }

    /// Ends a task.
    pub(super) fn end(&mut self, id: u64) -> Option<Task> {
        self.all.remove(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Task> {
        self.all.get_mut(&id)
    }

    /// The look-up of an object that the task is.
    pub(super) fn look_up(&mut self, id: u64) -> Option<&mut Get> {
        self.all.get_mut(&id)?.plan.as_mut()?.look_up()
    }

    /// Whose it is, and which operation.
    pub(super) fn place(&self, id: u64) -> Option<(u64, usize)> {
        self.all.get(&id).map(|task| (task.exchange, task.slot))
    }

    /// What it does, and since when.
    pub(super) fn begun(&self, id: u64) -> Option<(Verb, Duration)> {
        self.all.get(&id).map(|task| task.begun)
    }

    /// Whether a command of the task was handed out.
    pub(super) fn reached_redis(&self, id: u64) -> bool {
        self.all.get(&id).is_some_and(|task| task.handed_out)
    }

    /// The next batch of `role`, of one lane, within these bounds. Commands of an exchange that has ended are
    /// dropped unless they must run; tasks that are over because of that are pushed to `over`.
    pub(super) fn batch(
        &mut self,
        role: Role,
        bounds: Bounds,
        now: Duration,
        ended: impl Fn(u64) -> bool,
        over: &mut Vec<u64>,
    ) -> Option<Batch> {
        let all = &mut self.all;
        let lanes = match role {
            Role::State => &mut self.state,
            Role::Cache => &mut self.cache,
            Role::Durable => &mut self.durable,
        };
        let (lane, batch) = lanes.next(bounds, now, |place| {
            let Some(task) = all.get_mut(&place.task) else {
                return false;
            };
            let dead = !task.must_run && guard::on(Guard::Deadline) && ended(task.exchange);
            if dead {
                task.missing -= 1;
                if task.missing == 0 {
                    over.push(place.task);
                }
            }
            !dead
        })?;
        for (place, _) in &batch {
            if let Some(task) = all.get_mut(&place.task) {
                task.handed_out = true;
            }
        }
        let (places, commands) = batch.into_iter().unzip();
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        let out = InFlight {
            role,
            lane,
            since: now,
            places,
        };
        self.batches.insert(id, out);
        Some(Batch { id, role, commands })
    }

    /// Commands of the role go by these shards from now on.
    pub(super) fn follow(&mut self, role: Role, shards: Shards) {
        self.lanes(role).follow(shards);
    }

    fn lanes(&mut self, role: Role) -> &mut Lanes<Place> {
        match role {
            Role::State => &mut self.state,
            Role::Cache => &mut self.cache,
            Role::Durable => &mut self.durable,
        }
    }

    /// What each command of a batch in flight is for; `None`: nothing any more.
    pub(super) fn asked(&self, batch: BatchId) -> impl Iterator<Item = Option<Asked>> {
        let places = self.batches.get(&batch).map(|out| out.places.iter());
        places.into_iter().flatten().map(|place| {
            let task = self.all.get(&place.task)?;
            Some(Asked {
                exchange: task.exchange,
                task: place.task,
                verb: task.begun.0,
                script: place.script,
            })
        })
    }

    /// No replica has what this batch wrote. False when there is no such batch.
    pub(super) fn unreplicated(&mut self, batch: BatchId) -> bool {
        let Some(out) = self.batches.get(&batch) else {
            return false;
        };
        for place in &out.places {
            if let Some(task) = self.all.get_mut(&place.task) {
                task.unreplicated = true;
            }
        }
        true
    }

    /// Takes the replies of a batch; returns the tasks whose round is complete, in order, and whether
    /// there were as many replies as commands: when not, each command failed. `None` when there is no
    /// such batch. `took` hears of each call, and since when it was out.
    pub(super) fn replies(
        &mut self,
        batch: BatchId,
        replies: Result<Vec<Value>, Failure>,
        now: Duration,
        mut took: impl FnMut(Script, Duration),
    ) -> Option<(Vec<u64>, bool)> {
        let InFlight {
            role,
            lane,
            since,
            places,
        } = self.batches.remove(&batch)?;
        for place in &places {
            took(place.script, since);
        }
        let answered = replies.is_ok();
        self.lanes(role)
            .back(lane, since, places.len(), answered, now);
        let (fits, answers): (bool, Vec<Answer>) = match replies {
            Ok(values) if values.len() == places.len() => {
                (true, values.into_iter().map(answer).collect())
            }
            Ok(_) => (false, vec![Err(Failure::Shape); places.len()]),
            Err(failure) => (true, vec![Err(failure); places.len()]),
        };
        let mut complete = Vec::new();
        for (place, answer) in places.into_iter().zip(answers) {
            let Some(task) = self.all.get_mut(&place.task) else {
                continue;
            };
            if let Some(slot) = task.answers.get_mut(place.at) {
                *slot = Some(answer);
                task.missing -= 1;
            }
            if task.missing == 0 {
                complete.push(place.task);
            }
        }
        Some((complete, fits))
    }

    /// Commands that wait and batches in flight, of the state, the cache and what must be durable.
    pub(super) fn load(&self) -> [(usize, usize); 3] {
        [&self.state, &self.cache, &self.durable].map(|lanes| (lanes.waiting(), lanes.in_flight()))
    }

    /// Commands that wait for a batch.
    pub(super) fn waiting(&self) -> usize {
        self.state.waiting() + self.cache.waiting() + self.durable.waiting()
    }

    /// How often commands had queued in front of a Redis.
    pub(super) fn cuts(&self) -> u64 {
        self.state.cuts() + self.cache.cuts()
    }

    /// Batches handed out and not yet answered.
    pub(super) fn in_flight(&self) -> usize {
        self.state.in_flight() + self.cache.in_flight() + self.durable.in_flight()
    }
}

impl Task {
    /// Whether a replica has what the round that is complete wrote, or there is none.
    pub(super) fn is_replicated(&self) -> bool {
        !self.unreplicated
    }

    /// The answers of the round that is complete.
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        // A command that was dropped leaves no answer; its exchange has ended.
        let missing = || Err(Failure::Timeout);
        let answers = std::mem::take(&mut self.answers);
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(missing))
            .collect()
    }
}

fn answer(value: Value) -> Answer {
    match value {
        Value::Error(line) => Err(Failure::from_redis(&line)),
        value => Ok(value),
    }
}
