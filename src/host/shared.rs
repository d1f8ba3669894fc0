//! What a root context and its requests share.

use super::{apply, calls, clock, panic};
use crate::exchange::{AT_ONCE, Answer, Backlog, CallId, LINKS, Later, Owner, Transmit};
use crate::http::Headers;
use crate::policy::Routed;
use crate::stream::{Input, MAX_REFRESHES, Output, REFRESH_TIMEOUT, Refresh, Stream};
use crate::vm::Vm;
use core::time::Duration;
use hashbrown::HashMap;
use proxy_wasm::types::Action;

/// Counts are written at most this often while requests come in; the tick writes the rest.
const FLUSH_EVERY: Duration = Duration::from_millis(2);

/// How often time passes: deadlines are late by at most this much, and it costs an idle worker next to nothing.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// The same while answers are put off.
const SOON: Duration = Duration::from_millis(1);

/// How long the end of a plugin waits for what it gives back to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long after its deadline a unary exchange's end may still be told.
const POST_GRACE: Duration = Duration::from_secs(1);

/// One plugin configuration's state in one VM.
#[derive(Debug)]
pub(super) struct Shared {
    root: u32,
    vm: Vm,
    token: Option<String>,
    streams: HashMap<u32, Stream>,
    links: [Option<u32>; LINKS],
    /// Unary exchanges by token, and until when they are remembered: of one whose request is gone the
    /// SDK never says how it ended.
    ///
    /// Lists, as there are few and each table of another type costs the module 3 KiB.
    posts: Vec<(u32, CallId, Duration)>,
    late: Vec<(u32, apply::Late)>,
    /// Refreshes to be sent: from the tick, because the SDK hands the answer of a callout to the context
    /// whose callback sent it, and this one outlives its stream.
    wishes: Vec<apply::Wish>,
    /// Answers for which there was no room in the callback that brought them.
    backlog: Backlog,
    /// Requests that were told something in this callback.
    told: usize,
    /// Refreshes under way by token, and until when they are remembered.
    refreshes: Vec<(u32, Box<Refresh>, Duration)>,
    counters: Vec<Option<u32>>,
    flushed: Duration,
    /// The plugin is to end; until then what it has said last may be answered.
    ending: Option<Duration>,
}

impl Shared {
    pub(super) fn new(root: u32, vm: Vm, token: Option<String>) -> Self {
        let counters = vm
            .metrics
            .names()
            .iter()
            .map(|name| calls::define_counter(name))
            .collect();
        Self {
            root,
            vm,
            token,
            streams: HashMap::new(),
            links: [None; LINKS],
            posts: Vec::new(),
            late: Vec::new(),
            wishes: Vec::new(),
            backlog: Backlog::default(),
            told: 0,
            refreshes: Vec::new(),
            counters,
            flushed: Duration::ZERO,
            ending: None,
        }
    }

    /// Where a request belongs, and whether its peer's address is needed there.
    pub(super) fn route(&self, named: Option<Vec<u8>>, headers: &Headers) -> (Routed, bool) {
        let routed = self.vm.route(named, headers);
        let by_peer = self.vm.wants_peer(&routed);
        (routed, by_peer)
    }

    /// Whether the request wants to see its response body.
    pub(super) fn wants_body(&self, context: u32) -> bool {
        self.streams.get(&context).is_some_and(Stream::wants_body)
    }

    /// Whether the request wants to see its response's headers.
    pub(super) fn wants_response(&self, context: u32) -> bool {
        let stream = self.streams.get(&context);
        stream.is_none_or(Stream::wants_response)
    }

    /// Feeds an input of the request in `context`, which the host is calling back for.
    pub(super) fn input(&mut self, context: u32, input: Input<'_>) -> Action {
        let now = clock::now();
        self.told = 0;
        self.fetch_entropy();
        let stream = self.streams.entry(context).or_default();
        let mut output = stream.handle(context, input, now, &mut self.vm);
        loop {
            self.wish(&mut output);
            let (action, late) = apply::inline(output);
            self.keep(context, late);
            // What it asked may have failed by now. It is not paused before this callback returns, so
            // there is nothing to resume yet: the callback's own result says how it goes on.
            match self.pump(now, Some(context)) {
                Some(next) => output = next,
                None => {
                    if action == Action::Pause {
                        panic::paused(context);
                    }
                    return action;
                }
            }
        }
    }

    /// Remembers the refresh that an output wants; its request is effective.
    fn wish(&mut self, output: &mut Output) {
        let under_way = self.wishes.len().saturating_add(self.refreshes.len());
        if let Some(wish) = apply::wish(output)
            && under_way < MAX_REFRESHES
        {
            self.wishes.push(wish);
        }
    }

    /// Sends the refreshes that were wished for.
    fn send_wishes(&mut self, now: Duration) {
        for (refresh, cluster) in core::mem::take(&mut self.wishes) {
            calls::act_for(self.root);
            let cluster = cluster.and_then(|name| String::from_utf8(name).ok());
            let sent = cluster
                .filter(|name| !name.is_empty())
                .and_then(|name| calls::fetch(&name, &refresh.headers, REFRESH_TIMEOUT));
            match sent {
                Some(token) => {
                    let patience = REFRESH_TIMEOUT.saturating_add(POST_GRACE);
                    self.refreshes
                        .push((token, refresh, now.saturating_add(patience)));
                }
                None if self.vm.refreshes => {
                    log::warn!(
                        "a refresh in the background could not be sent: the next request fetches instead"
                    );
                    self.vm.refreshes = false;
                }
                None => {}
            }
        }
    }

    /// A refresh was answered, if `token` is one's; what of it is not there yet is read then.
    pub(super) fn fetched(&mut self, token: u32, body: usize) -> bool {
        let Some(at) = self.refreshes.iter().position(|(sent, ..)| *sent == token) else {
            return false;
        };
        let (_, refresh, _) = self.refreshes.swap_remove(at);
        // Not stored, and this VM's memory would not shrink again.
        if body > refresh.max_body {
            return true;
        }
        let now = clock::now();
        let (headers, body) = calls::fetched(body);
        self.vm.refreshed(&refresh, &headers, &body, now);
        self.pump(now, None);
        true
    }

    /// From WASI's `random_get`. Without it no session is made: the answer that wants one becomes 503.
    fn fetch_entropy(&mut self) {
        let mut bytes = vec![0; self.vm.wants_entropy()];
        if !bytes.is_empty() && getrandom::fill(&mut bytes).is_ok() {
            self.vm.entropy.refill(&bytes);
        }
    }

    /// The request in `context` is over.
    pub(super) fn done(&mut self, context: u32) {
        let Some(mut stream) = self.streams.remove(&context) else {
            return;
        };
        panic::resumed(context);
        let now = clock::now();
        self.take_late(context);
        let _ = stream.handle(context, Input::Done, now, &mut self.vm);
        self.pump(now, None);
        if now.saturating_sub(self.flushed) >= FLUSH_EVERY {
            self.flush(now);
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self) {
        let now = clock::now();
        self.posts.retain(|(_, _, until)| *until > now);
        self.refreshes.retain(|(_, _, until)| *until > now);
        self.send_wishes(now);
        self.told = 0;
        self.hand_on(now);
        let answers = self.vm.client.handle_tick(now);
        self.deliver(answers, now, None);
        self.vm.tick(now);
        self.pump(now, None);
        if let Some(reason) = self.vm.client.take_refusal() {
            log::error!("a bridge refused the stream: {reason}");
        }
        self.flush(now);
        let quiet = self.vm.client.pending() == 0 && self.backlog.is_empty();
        let over = |until| now >= until || quiet;
        if self.ending.is_some_and(over) {
            self.ending = None;
            calls::done();
        }
    }

    /// The host wants to end this plugin: its policy is replaced, or Envoy stops. What is held goes back
    /// first. Returns whether it may end at once; else [`calls::done`] is said later.
    ///
    /// Seen on Envoy 1.40: when a policy is replaced, this comes in each VM, the main thread's too, after
    /// the last request under the old one; put off, streams and ticks live on until `done`. What is sent
    /// from `on_delete` instead never leaves, because the streams are reset with it. At SIGTERM this is
    /// called and nothing sent leaves any more: then leases stay charged until their window ends, unless
    /// Envoy was drained before and they went back because nobody used them.
    ///
    /// The shipped configuration does not allow `proxy_on_done`, which would cost each request 1.5 µs: a
    /// policy that is replaced hears of it by [`Shared::replaced`], a module that is replaced does not.
    pub(super) fn end(&mut self) -> bool {
        let now = clock::now();
        let held = self.vm.end(now);
        self.pump(now, None);
        self.ending = held.then(|| now.saturating_add(LAST_WORDS));
        !held
    }

    /// Another policy was configured in this VM, most likely in place of this one. What is held goes back
    /// while streams are still there.
    pub(super) fn replaced(&mut self) {
        let now = clock::now();
        self.vm.end(now);
        self.pump(now, None);
    }

    /// A message arrived on a stream.
    pub(super) fn message(&mut self, token: u32, message: &[u8]) {
        let now = clock::now();
        self.told = 0;
        let Some(link) = self.link_of(token) else {
            return;
        };
        let answers = self.vm.client.handle_message(link, message, now);
        self.deliver(answers, now, None);
        self.pump(now, None);
    }

    /// A stream closed.
    pub(super) fn closed(&mut self, token: u32) {
        let now = clock::now();
        self.told = 0;
        let Some(link) = self.link_of(token) else {
            return;
        };
        self.forget(link);
        let answers = self.vm.client.handle_closed(link, now);
        self.deliver(answers, now, None);
        self.pump(now, None);
    }

    /// A unary exchange ended.
    pub(super) fn posted(&mut self, token: u32, body: Option<&[u8]>) {
        let now = clock::now();
        self.told = 0;
        let Some(at) = self.posts.iter().position(|(sent, ..)| *sent == token) else {
            return;
        };
        let (_, call, _) = self.posts.swap_remove(at);
        let answers = self.vm.client.handle_posted(call, body, now);
        self.deliver(answers, now, None);
        self.pump(now, None);
    }

    /// Adds what a local reply could not carry, when it passes on its way to the client.
    pub(super) fn add_late(&mut self, context: u32) {
        if let Some(late) = self.take_late(context) {
            calls::add_response_headers(&late);
        }
    }

    fn keep(&mut self, context: u32, late: apply::Late) {
        if !late.is_empty() {
            self.take_late(context);
            self.late.push((context, late));
        }
    }

    fn take_late(&mut self, context: u32) -> Option<apply::Late> {
        let at = self.late.iter().position(|(of, _)| *of == context)?;
        Some(self.late.swap_remove(at).1)
    }

    fn link_of(&self, token: u32) -> Option<usize> {
        self.links.iter().position(|link| *link == Some(token))
    }

    fn forget(&mut self, link: usize) {
        if let Some(slot) = self.links.get_mut(link) {
            *slot = None;
        }
    }

    /// Hands answers to the requests that wait, as many as there is room for in one callback. What the one whose
    /// callback we are `inside` shall do is returned instead.
    fn deliver(
        &mut self,
        answers: Vec<Answer<'_>>,
        now: Duration,
        inside: Option<u32>,
    ) -> Option<Output> {
        let mut own = None;
        for Answer {
            owner,
            call,
            result,
        } in answers
        {
            match owner {
                Owner::Background(tag) => self.vm.background(tag, result),
                Owner::Client => {}
                Owner::Context(context) if inside == Some(context) => {
                    own = self.heard(context, Input::Answer { call, result }, now);
                }
                Owner::Context(context) if self.told < AT_ONCE => {
                    self.tell(context, Input::Answer { call, result }, now);
                }
                Owner::Context(context) => {
                    if self.backlog.is_empty() {
                        calls::tick_every(SOON);
                    }
                    self.backlog.push(context, call, result);
                }
            }
        }
        own
    }

    /// What a request that waits shall do now; `None`: it is gone.
    fn heard(&mut self, context: u32, answer: Input<'_>, now: Duration) -> Option<Output> {
        let stream = self.streams.get_mut(&context)?;
        Some(stream.handle(context, answer, now, &mut self.vm))
    }

    /// Hands an answer to a request that waits. One that is gone is not spoken for: no host call is made with its
    /// context (invariant X9).
    fn tell(&mut self, context: u32, answer: Input<'_>, now: Duration) {
        let Some(mut output) = self.heard(context, answer, now) else {
            return;
        };
        if calls::act_for(context) {
            self.told = self.told.saturating_add(1);
            self.wish(&mut output);
            let late = apply::resumed(context, output);
            self.keep(context, late);
        }
    }

    /// Hands on what is left of callbacks before this one. More than one of them fills comes back in a millisecond.
    fn hand_on(&mut self, now: Duration) {
        if self.backlog.is_empty() {
            return;
        }
        while self.told < AT_ONCE
            && let Some(later) = self.backlog.pop()
        {
            let Later { context, call, .. } = later;
            let result = later.result();
            self.tell(context, Input::Answer { call, result }, now);
        }
        if self.backlog.is_empty() {
            calls::tick_every(TICK);
        }
    }

    /// Does what the exchange client wants done. Streams belong to the root context; afterwards the one
    /// we are `inside` is effective again. Returns what it shall do, if a call of its own ended by this.
    fn pump(&mut self, now: Duration, inside: Option<u32>) -> Option<Output> {
        let mut own = None;
        let (mut acting, mut strayed) = (false, false);
        // Bounded, because opening may fail at once and be wanted again only after a back-off.
        while let Some(transmit) = self.vm.client.poll_transmit() {
            if !acting {
                acting = calls::act_for(self.root);
                strayed = true;
            }
            let answers = self.transmit(transmit, now);
            if !answers.is_empty() {
                own = self.deliver(answers, now, inside).or(own);
                acting = false;
            }
        }
        if let (true, Some(context)) = (strayed, inside) {
            calls::act_for(context);
        }
        own
    }

    fn transmit(&mut self, transmit: Transmit, now: Duration) -> Vec<Answer<'static>> {
        let cluster = self.vm.config.bridge.cluster.as_str();
        let token = self.token.as_deref();
        match transmit {
            Transmit::Open { link } => match calls::open_stream(cluster, token) {
                Some(opened) => {
                    if let Some(slot) = self.links.get_mut(link) {
                        *slot = Some(opened);
                    }
                    self.vm.client.handle_opened(link);
                    Vec::new()
                }
                None => self.vm.client.handle_closed(link, now),
            },
            Transmit::Post {
                call,
                body,
                trace,
                timeout_ms,
            } => {
                match calls::post(cluster, token, &body, trace, timeout_ms) {
                    Some(sent) => {
                        let patience =
                            POST_GRACE.saturating_add(Duration::from_millis(timeout_ms.into()));
                        self.posts.push((sent, call, now.saturating_add(patience)));
                        Vec::new()
                    }
                    // Refused at once: no callback will come (host behaviour B9.3).
                    None => self
                        .vm
                        .client
                        .handle_posted(call, None, now)
                        .into_iter()
                        .collect(),
                }
            }
            Transmit::Reset { link } => {
                if let Some(stream) = self.links.get(link).copied().flatten() {
                    calls::reset(stream);
                }
                self.forget(link);
                Vec::new()
            }
            Transmit::Send { link, message } => {
                let stream = self.links.get(link).copied().flatten();
                if stream.is_some_and(|stream| calls::send(stream, &message)) {
                    return Vec::new();
                }
                self.forget(link);
                self.vm.client.handle_closed(link, now)
            }
        }
    }

    fn flush(&mut self, now: Duration) {
        self.vm.metrics.absorb(self.vm.client.counters());
        if !self.vm.metrics.is_dirty() {
            return;
        }
        // Only a flush that wrote something holds the next one back: the counts of a lone request are
        // there when it has been logged.
        self.flushed = now;
        let counters = &self.counters;
        self.vm.metrics.drain(|index, n| {
            if let Some(id) = counters.get(index).copied().flatten() {
                calls::add(id, n);
            }
        });
    }
}
