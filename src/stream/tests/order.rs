//! Any inputs in any order: what a host may rely on (invariants L1, X9, X10, P1), and that only a host
//! that is wrong makes us count a bug.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{Change, Rig, TICK, TIMEOUT, token};
use super::run::{Req, req};
use crate::exchange::{CallError, CallId};
use crate::http::Headers;
use crate::policy::{Algorithm, Apply, Cost, Limit, StatusRule};
use crate::stream::{Direction, Input, Output, Verdict};
use core::time::Duration;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Request(Req),
    /// The bridge answers: 0 as usual, others otherwise.
    Bridge(u8),
    /// Somebody else's call, or one that ended.
    Stray(u64, bool),
    Response(Vec<(String, Vec<u8>)>, bool),
    Body(Vec<u8>, bool),
    Trailers,
    Done,
    Wait(u8),
    Cut,
}

/// What a host that is right would do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Fresh,
    Deciding,
    Decided,
    Holding,
    Answering,
    Ended,
    Done,
}

struct Watch {
    rig: Rig,
    id: u32,
    host: Host,
    lawful: bool,
    replies: u32,
    paused: Option<Direction>,
    /// Some limit has said no: what was asked with it was not taken.
    denied: bool,
}

impl Watch {
    fn new() -> Self {
        Self::of(Rig::new(POLICY))
    }

    fn of(mut rig: Rig) -> Self {
        let id = rig.stream();
        Self {
            rig,
            id,
            host: Host::Fresh,
            lawful: true,
            replies: 0,
            paused: None,
            denied: false,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Request(req) => {
                self.law(&[Host::Fresh]);
                let fresh = self.host == Host::Fresh;
                let output = self.rig.headers(self.id, &req);
                self.check(&output, Some(Direction::Request))?;
                if fresh {
                    let pauses = self.paused.is_some();
                    self.host = if pauses {
                        Host::Deciding
                    } else {
                        Host::Decided
                    };
                }
            }
            Step::Bridge(kind) => {
                self.denied |= kind == 6;
                self.rig.hook = Box::new(move |op| says(kind, op));
                if let Some((_, output)) = self.rig.answer() {
                    self.answered(&output)?;
                }
            }
            Step::Stray(call, good) => {
                self.lawful = false;
                let result = if good {
                    Ok(Vec::new())
                } else {
                    Err(CallError::Timeout)
                };
                let call = CallId(call);
                let output = self.rig.feed(self.id, Input::Answer { call, result });
                self.answered(&output)?;
            }
            Step::Response(lines, end) => {
                self.law(&[Host::Fresh, Host::Deciding, Host::Decided]);
                let output = self.rig.response(self.id, Headers::from_pairs(lines), end);
                self.check(&output, Some(Direction::Response))?;
                if self.host != Host::Done {
                    let next = if end { Host::Ended } else { Host::Answering };
                    let pauses = self.paused.is_some();
                    self.host = if pauses { Host::Holding } else { next };
                }
            }
            Step::Body(chunk, end) => {
                self.law(&[Host::Answering]);
                let output = self
                    .rig
                    .feed(self.id, Input::ResponseBody { chunk: &chunk, end });
                self.check(&output, None)?;
                if end && self.host == Host::Answering {
                    self.host = Host::Ended;
                }
            }
            Step::Trailers => {
                self.law(&[Host::Answering]);
                let output = self.rig.feed(self.id, Input::ResponseTrailers);
                self.check(&output, None)?;
                if self.host == Host::Answering {
                    self.host = Host::Ended;
                }
            }
            Step::Done => {
                let output = self.rig.feed(self.id, Input::Done);
                self.host = Host::Done;
                self.check(&output, None)?;
            }
            Step::Wait(ms) => {
                for (_, output) in self.rig.pass(Duration::from_millis(ms.into())) {
                    self.answered(&output)?;
                }
            }
            Step::Cut => {
                self.rig.cut();
                while let Some((_, output)) = self.rig.answer() {
                    self.answered(&output)?;
                }
            }
        }
        // Calls that failed while the step was carried out.
        while let Some((_, output)) = self.rig.late() {
            self.answered(&output)?;
        }
        Ok(())
    }

    fn law(&mut self, allowed: &[Host]) {
        self.lawful &= allowed.contains(&self.host);
    }

    /// A call of the stream's ended.
    fn answered(&mut self, output: &Output) -> Result<(), TestCaseError> {
        let was = self.paused;
        self.check(output, None)?;
        if was.is_some() && self.paused.is_none() {
            self.host = match self.host {
                Host::Deciding => Host::Decided,
                // Headers alone or with a body to come: either is a lawful next.
                Host::Holding => Host::Answering,
                other => other,
            };
        }
        Ok(())
    }

    /// `editing`: whose headers the host can change in this callback.
    fn check(&mut self, output: &Output, editing: Option<Direction>) -> Result<(), TestCaseError> {
        let goes_on = matches!(output.verdict, Verdict::Continue);
        let resumes = output.resume.filter(|_| goes_on);
        if let Verdict::Reply(_) = output.verdict {
            self.replies += 1;
            prop_assert!(output.request.is_none() && output.response.is_none());
        }
        prop_assert!(self.replies <= 1, "X10: one local reply");
        if resumes.is_some() {
            prop_assert_eq!(resumes, self.paused, "X10: one resume per pause");
        }
        let editable = editing.or(resumes);
        if output.request.is_some() {
            prop_assert_eq!(editable, Some(Direction::Request));
        }
        if output.response.is_some() {
            prop_assert_eq!(editable, Some(Direction::Response));
        }
        if self.host == Host::Done {
            prop_assert!(
                goes_on && output.resume.is_none(),
                "X10: none after the end"
            );
            prop_assert!(output.request.is_none() && output.response.is_none());
            prop_assert!(output.properties.is_empty());
        }
        self.paused = match output.verdict {
            Verdict::Pause => self.paused.or(editing),
            _ => None,
        };
        Ok(())
    }

    fn end(mut self) -> Result<(), TestCaseError> {
        for (_, output) in self.rig.pass(TIMEOUT + TICK) {
            self.answered(&output)?;
        }
        prop_assert!(!self.rig.is_paused(self.id), "L1");
        let bugs = self.rig.counted().get("tidegate.bug").copied().unwrap_or(0);
        prop_assert!(!self.lawful || bugs == 0, "{} bugs of a lawful host", bugs);
        Ok(())
    }
}

fn says(kind: u8, op: &Asked) -> Option<Vec<u8>> {
    match kind {
        0 => None,
        1 => Some(bridge::error("LOADING")),
        2 => Some(b"$-1\r\n".to_vec()),
        3 => Some(bridge::absent(1)),
        4 if op.is_get() => Some(bridge::vary("accept")),
        5 if op.is_get() => Some(bridge::hit(b"garbage", 1, 2)),
        6 => match op {
            Asked::Limits(takes) => Some(bridge::limits(
                false,
                &vec![bridge::denied(9); takes.len()],
                1,
            )),
            _ => None,
        },
        _ => None,
    }
}

fn lines(names: &'static str) -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    prop::collection::vec((names, prop::collection::vec(any::<u8>(), 0..16)), 0..6)
}

const NAMES: &str = "(:method|:path|:authority|:status|cookie|authorization|cache-control|vary|location|trailer|upgrade|range|x-session-set|[ -~]{0,6})";

fn request() -> impl Strategy<Value = Req> {
    let policies = [
        "full",
        "web",
        "open-web",
        "limited",
        "shadowed",
        "mixed",
        "cached",
        "open-cached",
        "plain-cached",
        "bare",
        "none",
        "share",
    ];
    (
        prop::sample::select(policies.to_vec()),
        prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE"]),
        any::<(bool, bool)>(),
        lines(NAMES),
    )
        .prop_map(|(policy, method, (token_too, end), extra)| {
            let mut req = req(method, "/x").metadata(policy);
            if token_too {
                req = req.cookie(&token("web")).line("sec-fetch-site", "none");
            }
            req.lines.extend(extra);
            req.end = end;
            req
        })
}

fn response() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let known = vec![
        vec![
            (":status", "200"),
            ("cache-control", "max-age=60"),
            ("content-length", "4"),
        ],
        vec![
            (":status", "200"),
            ("cache-control", "max-age=60"),
            ("transfer-encoding", "chunked"),
        ],
        vec![(":status", "204")],
        vec![(":status", "503")],
    ];
    let known = prop::sample::select(known).prop_map(|lines| {
        let line = |(n, v): (&str, &str)| (n.to_owned(), v.as_bytes().to_vec());
        lines.into_iter().map(line).collect()
    });
    prop_oneof![3 => known, 1 => lines(NAMES)]
}

fn step() -> impl Strategy<Value = Step> {
    let body = (prop::collection::vec(any::<u8>(), 0..8), any::<bool>());
    prop_oneof![
        3 => request().prop_map(Step::Request),
        4 => (0_u8..8).prop_map(Step::Bridge),
        1 => (0_u64..4, any::<bool>()).prop_map(|(call, good)| Step::Stray(call, good)),
        3 => (response(), any::<bool>()).prop_map(|(lines, end)| Step::Response(lines, end)),
        3 => body.prop_map(|(chunk, end)| Step::Body(chunk, end)),
        1 => Just(Step::Trailers),
        1 => Just(Step::Done),
        1 => (0_u8..120).prop_map(Step::Wait),
        1 => Just(Step::Cut),
    ]
}

/// Inputs in the order of a host that is right, cut off anywhere.
fn life() -> impl Strategy<Value = Vec<Step>> {
    let bodies = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..4);
    let answers = (0_u8..8, 0_u8..8, 0_u8..8);
    (
        request(),
        answers,
        response(),
        bodies,
        any::<(bool, bool, bool)>(),
        0_usize..12,
    )
        .prop_map(
            |(req, (first, second, third), answer, bodies, (end, trailers, wait), cut)| {
                let mut steps = vec![Step::Request(req), Step::Bridge(first)];
                steps.extend([Step::Bridge(second), Step::Wait(if wait { 115 } else { 0 })]);
                steps.extend([
                    Step::Bridge(third),
                    Step::Wait(115),
                    Step::Response(answer, end),
                ]);
                steps.extend([Step::Bridge(third), Step::Wait(115)]);
                if !end {
                    steps.extend(bodies.into_iter().map(|chunk| Step::Body(chunk, false)));
                    steps.push(if trailers {
                        Step::Trailers
                    } else {
                        Step::Body(Vec::new(), true)
                    });
                }
                steps.truncate(steps.len().saturating_sub(cut).max(1));
                steps.push(Step::Done);
                steps
            },
        )
}

/// Limits of every kind that owes something at the end, in place of the plain ones.
fn owing() -> Rig {
    let slots = |limit: &mut Limit| limit.algorithm = Algorithm::Concurrency;
    let used = |limit: &mut Limit| {
        limit.cost = Cost::ResponseHeader {
            name: "content-length".to_owned(),
            default: 9,
            max: 100,
            reserve: 5,
        };
    };
    let failed = |limit: &mut Limit| {
        limit.apply = Apply::ResponseStatus(vec![StatusRule::Class(5)]);
    };
    let changes: [Change<'_>; 6] = [
        ("per-ip", &slots),
        ("share", &slots),
        ("shadow", &slots),
        ("strict", &used),
        ("per-user", &used),
        ("open", &failed),
    ];
    Rig::changed(POLICY, &changes)
}

/// What each stream took, and what was done about it.
fn assert_settled(rig: &Rig) -> Result<(), TestCaseError> {
    let (mut slots, mut released, mut settled) = (Vec::new(), Vec::new(), Vec::new());
    for sent in &rig.sent {
        for op in &sent.ops {
            match op {
                Asked::Limits(takes) => {
                    slots.extend(takes.iter().filter_map(|take| take.slot));
                    let forced = takes.iter().filter(|take| take.force);
                    settled.extend(forced.map(|take| (sent.call, take.id)));
                }
                Asked::Returns(gives) => {
                    for give in gives {
                        match give.limit.slot {
                            Some(slot) => released.push((sent.call, slot)),
                            None => settled.push((sent.call, give.limit.id)),
                        }
                    }
                }
                _ => {}
            }
        }
    }
    // The same call twice is its retry.
    settled.sort_unstable();
    settled.dedup();
    released.sort_unstable();
    released.dedup();
    let limits: Vec<_> = settled.iter().map(|(_, id)| id).collect();
    let mut once = limits.clone();
    once.sort_unstable();
    once.dedup();
    prop_assert_eq!(once.len(), limits.len(), "settled twice");
    let released: Vec<_> = released.into_iter().map(|(_, slot)| slot).collect();
    let mut once = released.clone();
    once.sort_unstable();
    once.dedup();
    prop_assert_eq!(once.len(), released.len(), "released twice");
    prop_assert!(released.iter().all(|slot| slots.contains(slot)));
    Ok(())
}

proptest! {
    /// Whatever happens to the one request there is: nothing it owes is paid twice, and with its end
    /// every slot it may hold is given back, as long as there is a way.
    #[test]
    fn r5_r10_what_is_owed_is_settled_once(
        steps in prop::collection::vec(step(), 0..14), lawful in any::<bool>(), life in life(),
    ) {
        let mut watch = Watch::of(owing());
        let mut cut = false;
        for step in if lawful { life } else { steps } {
            cut |= matches!(step, Step::Cut);
            watch.step(step)?;
        }
        watch.step(Step::Done)?;
        assert_settled(&watch.rig)?;
        if !cut {
            let denied = watch.denied;
            let ops = || watch.rig.all_ops();
            let taken = ops().filter_map(|op| match op {
                Asked::Limits(takes) => takes.iter().find_map(|take| take.slot),
                _ => None,
            });
            let taken: Vec<_> = taken.collect();
            let back = ops().filter(|op| matches!(op, Asked::Returns(gives) if gives[0].limit.slot.is_some()));
            let back = back.count();
            prop_assert!(back == taken.len() || denied, "{} of {} slots", back, taken.len());
        }
        watch.end()?;
    }

    #[test]
    fn whatever_comes_nothing_is_done_twice_or_too_late(steps in prop::collection::vec(step(), 0..14)) {
        let mut watch = Watch::new();
        for step in steps {
            watch.step(step)?;
        }
        watch.end()?;
    }

    #[test]
    fn a_lawful_host_makes_no_bug(steps in life()) {
        let mut watch = Watch::new();
        for step in steps {
            watch.step(step)?;
        }
        prop_assert!(watch.lawful, "the test's own host");
        watch.end()?;
    }
}
