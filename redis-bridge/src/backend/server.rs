//! One Redis in one role: its connections, kept alive, and what was learned of it.

use super::backoff::{Backoff, Turns};
use super::cluster::Cluster;
use super::connect;
use super::convert;
use super::durable::{self, Followed};
use super::facts::Facts;
use super::fence::Fence;
use super::link::Link;
use super::login::Login;
use super::pipeline::{self, Ran};
use super::sentinel;
use super::target::{Node, Target, Url};
use crate::core::{BackendError, Command, Replies, Shards};
use crate::guard::{self, Guard};
use crate::metrics::Metrics;
use crate::script::Script;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, cmd};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

mod clustered;
mod fenced;

/// How often a connection must prove that it lives.
const BEAT: Duration = Duration::from_millis(500);
/// Decisions take the first that is not late, large batches the last. Four, because one that lost a packet or a reply is
/// out of use for as long as it takes to know that, and to make another: with two connections and one reply in a hundred
/// lost, both were out for half of the time.
const SHARED: usize = 4;
/// Batches larger than this take the last connection, so a stored body is never in front of a decision.
const BULK: usize = 32 << 10;
/// A Redis that evicts is asked again this often, in beats: its policy may have been mended.
const LOOK_AGAIN: u32 = 20;

/// One Redis, whatever its topology.
pub struct Redis {
    url: Url,
    logins: watch::Receiver<Login>,
    /// Whom the sentinels promoted last.
    promoted: watch::Sender<Option<Promoted>>,
    response_timeout: Duration,
    links: Links,
    /// Connections that are late are made anew one after the other.
    anew: Turns,
    followed: Arc<Followed>,
    fence: Fence,
    state: clustered::State,
    known: watch::Sender<Known>,
    time_us: watch::Sender<u64>,
    shards: watch::Sender<Shards>,
    metrics: Metrics,
}

/// Who is the primary behind sentinels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Promoted {
    node: Node,
    /// Since which election, if it was said; an earlier one is not believed.
    epoch: u64,
}

/// Connections to one server: [`SHARED`] for what is asked, and one for revocations, which wait for replicas, and nobody
/// else behind them.
pub(super) type Own = [Link<MultiplexedConnection>; SHARED + 1];

enum Links {
    /// Those of its members, each a Redis of its own.
    Cluster(Box<Cluster>),
    /// Of one server.
    Own(Box<Own>),
}

/// What is known of a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// A Cluster that answers, and takes no commands: CLUSTERDOWN.
    Broken(Facts),
    /// Not reachable.
    Down,
    /// Not tried yet.
    Nothing,
    /// Connected.
    Up(Facts),
}

/// A connection that is kept.
struct Of<'a> {
    link: &'a Link<MultiplexedConnection>,
    generation: u64,
    /// The primary it goes to, behind sentinels.
    node: Option<Node>,
}

impl Redis {
    /// Starts to connect, and goes on for as long as the process lives.
    pub fn start(
        url: Url,
        logins: watch::Receiver<Login>,
        response_timeout: Duration,
        metrics: Metrics,
    ) -> Arc<Self> {
        let redis = Arc::new(Self::new(url, logins, response_timeout, metrics));
        redis.keep();
        sentinel::follow(&redis);
        redis
    }

    fn new(
        url: Url,
        logins: watch::Receiver<Login>,
        response_timeout: Duration,
        metrics: Metrics,
    ) -> Self {
        let links = match url.target {
            Target::Cluster(_) => Links::Cluster(Box::new(Cluster::new())),
            _ => Links::Own(Box::new(std::array::from_fn(|_| Link::new()))),
        };
        let fence = Fence::of(&url.target);
        Self {
            url,
            logins,
            promoted: watch::Sender::new(None),
            response_timeout,
            links,
            anew: Turns::default(),
            followed: Arc::default(),
            fence,
            state: clustered::State::default(),
            known: watch::Sender::new(Known::Nothing),
            time_us: watch::Sender::new(0),
            shards: watch::Sender::new(Shards::one()),
            metrics,
        }
    }

    /// Starts what keeps the connections.
    fn keep(self: &Arc<Self>) -> Vec<AbortHandle> {
        match &self.links {
            Links::Cluster(_) => {
                vec![tokio::spawn(Arc::clone(self).keep_cluster()).abort_handle()]
            }
            Links::Own(links) => (0..links.len())
                .map(|at| tokio::spawn(Arc::clone(self).keep_link(at)).abort_handle())
                .collect(),
        }
    }

    /// What is known of it, as it changes.
    pub fn known(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.known.borrow(), Known::Up(_) | Known::Broken(_))
    }

    /// Until it is reached. One connection of a bridge tries that; others that were lost wait here, so that a
    /// Redis that comes back, or never does, is not asked by all of them (invariant L6).
    pub async fn reached(&self) {
        let mut known = self.known.subscribe();
        // The sender lives as long as this does.
        let _up = known
            .wait_for(|known| matches!(known, Known::Up(_) | Known::Broken(_)))
            .await;
    }

    /// Its clock, microseconds since the epoch, as it was half a round trip before it was sent here.
    pub fn time_us(&self) -> watch::Receiver<u64> {
        self.time_us.subscribe()
    }

    /// Who has which slots; of what is no cluster, one has all.
    pub fn shards(&self) -> watch::Receiver<Shards> {
        self.shards.subscribe()
    }

    /// Where it is.
    pub fn target(&self) -> &Target {
        &self.url.target
    }

    /// Its URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Who we are to it.
    pub fn login(&self) -> Login {
        self.logins.borrow().over_tls(self.url.tls)
    }

    /// The sentinels have agreed on another primary just now: every connection goes to it.
    pub(super) fn switched(&self, node: Node) {
        let epoch = self.promoted.borrow().as_ref().map_or(0, |last| last.epoch);
        self.follow_primary(Promoted { node, epoch }, true);
    }

    /// A sentinel knows of this election. One that is not newer than what is known says nothing.
    pub(super) fn elected(&self, node: Node, epoch: u64) {
        let last = self.promoted.borrow().clone();
        if last.as_ref().is_none_or(|last| last.epoch < epoch) {
            self.follow_primary(Promoted { node, epoch }, last.is_some());
        }
    }

    fn follow_primary(&self, primary: Promoted, tell: bool) {
        let node = primary.node.clone();
        let before = self.promoted.send_replace(Some(primary));
        if tell && before.is_none_or(|before| before.node != node) {
            self.metrics.switches.inc();
            tracing::warn!(redis = %self.url, "the sentinels promoted another primary");
        }
    }

    /// Runs commands, one value for each.
    ///
    /// # Errors
    ///
    /// Not connected, cut off, broken or silent.
    pub async fn run(&self, commands: &[Command]) -> Replies {
        if self.is_cut_off() {
            return Err(BackendError::Down);
        }
        match &self.links {
            Links::Cluster(cluster) => self.run_sharded(cluster, commands, false).await.0,
            Links::Own(links) => self.run_here(links, commands).await,
        }
    }

    /// Runs commands on a connection of their own; and whether a replica has what they wrote, or there is
    /// none. Without that connection they run on another one, and nobody can tell.
    pub async fn run_durable(&self, commands: &[Command]) -> (Replies, bool) {
        if self.is_cut_off() {
            return (Err(BackendError::Down), false);
        }
        match &self.links {
            Links::Cluster(cluster) => self.run_sharded(cluster, commands, true).await,
            Links::Own(links) => self.run_here_durable(links, commands).await,
        }
    }

    pub(super) async fn run_here(&self, links: &Own, commands: &[Command]) -> Replies {
        let [shared @ .., _] = links;
        match size(commands) > BULK {
            true => self.run_on_prompt(|| shared.iter().rev(), commands).await,
            false => self.run_on_prompt(|| shared.iter(), commands).await,
        }
    }

    pub(super) async fn run_here_durable(
        &self,
        links: &Own,
        commands: &[Command],
    ) -> (Replies, bool) {
        let [.., link] = links;
        let Some((generation, connection)) = link.get() else {
            return (self.run_here(links, commands).await, false);
        };
        let own = connection.clone();
        match self.run_on(link, generation, own, commands).await {
            Ok(values) => {
                let replicated = durable::is_replicated(connection, &self.followed).await;
                (Ok(values), replicated)
            }
            Err(error) => (Err(error), false),
        }
    }

    /// The connections of one server; a cluster's are its members'.
    pub(super) fn links(&self) -> Option<&Own> {
        match &self.links {
            Links::Cluster(_) => None,
            Links::Own(links) => Some(links),
        }
    }

    /// A connection for commands that no script makes: SCAN and what goes with it. Of a cluster's members each has
    /// its own; `None` when there is none.
    pub fn direct(&self) -> Option<MultiplexedConnection> {
        let [shared @ .., _] = self.links()?;
        Some(shared.iter().rev().find_map(Link::get)?.1)
    }

    /// The same for every server that holds keys of its own; `None` when one has no connection.
    pub fn directs(&self) -> Option<Vec<MultiplexedConnection>> {
        if self.is_cut_off() {
            return None;
        }
        match &self.links {
            Links::Cluster(cluster) => {
                let primaries = cluster.primaries();
                let all: Option<Vec<_>> = primaries.iter().map(|member| member.direct()).collect();
                all.filter(|all| !all.is_empty())
            }
            Links::Own(_) => Some(vec![self.direct()?]),
        }
    }

    /// On the first that is not late; when all are, it is Redis that is, and on the first.
    async fn run_on_prompt<'a, L>(&'a self, links: impl Fn() -> L, commands: &[Command]) -> Replies
    where
        L: Iterator<Item = &'a Link<MultiplexedConnection>>,
    {
        let now = Instant::now();
        let open = |link: &'a Link<MultiplexedConnection>| Some((link, link.get()?));
        let prompt = links().filter(|link| !link.is_late(now)).find_map(open);
        // The first of all is the one: two that are made anew at once are twice as many attempts (invariant L6).
        if prompt.is_none()
            && let Some([first, ..]) = self.links()
            && first.silent(now)
        {
            tracing::warn!(redis = %self.url, "all connections are late, one is made anew");
        }
        let found = prompt.or_else(|| links().find_map(open));
        let (link, (generation, connection)) = found.ok_or(BackendError::Down)?;
        let replies = self.run_on(link, generation, connection, commands).await;
        if replies.is_ok() {
            for other in links().filter(|other| !std::ptr::eq(*other, link)) {
                if other.overtaken(now, Instant::now()) {
                    tracing::warn!(redis = %self.url, "connection overtaken by another one");
                }
            }
        }
        replies
    }

    async fn run_on(
        &self,
        link: &Link<MultiplexedConnection>,
        generation: u64,
        mut connection: MultiplexedConnection,
        commands: &[Command],
    ) -> Replies {
        let flight = link.sends(generation, Instant::now());
        let ran = pipeline::run(&mut connection, commands).await;
        drop(flight);
        match ran {
            Ok(Ran { values, broken }) => {
                // A primary that became a replica: the sentinels know the new one.
                if broken || values.iter().any(convert::is_readonly) {
                    link.retire(generation);
                }
                Ok(values)
            }
            Err(error) => {
                link.retire(generation);
                Err(error)
            }
        }
    }

    async fn keep_link(self: Arc<Self>, at: usize) {
        let Links::Own(links) = &self.links else {
            return;
        };
        let Some(link) = links.get(at) else { return };
        let first = at == 0;
        let mut backoff = Backoff::default();
        let mut logins = self.logins.clone();
        let mut promoted = self.promoted.subscribe();
        loop {
            let mut opened = true;
            if !first {
                self.reached().await;
            }
            logins.mark_unchanged();
            promoted.mark_unchanged();
            match self.open().await {
                Ok((connection, facts, node)) => {
                    let generation = link.install(connection.clone());
                    if first {
                        // Whoever is told that it is ready is told its time, too.
                        self.ask_time(&mut connection.clone()).await;
                        self.learned(facts);
                        if let Ok(replication) = durable::look(&mut connection.clone()).await {
                            // Remembered: it has replicas.
                            self.followed.is_alone(&replication);
                        }
                    }
                    let of = Of {
                        link,
                        generation,
                        node,
                    };
                    self.beat(of, connection, first, &mut backoff).await;
                    self.metrics.reconnects.inc();
                    tracing::warn!(redis = %self.url, link = at, "connection lost");
                }
                Err(error) => {
                    self.failed(at, &error);
                    opened = false;
                }
            }
            if opened && link.was_stuck() {
                // Redis is there, and nobody needs to wait but for his turn.
                if guard::on(Guard::Patience) {
                    self.anew.turn().await;
                }
                continue;
            }
            if first {
                self.lost();
            }
            let pause = backoff.next(crate::random_u64());
            // Who has another login, or hears of another primary, need not wait.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = logins.changed() => {}
                Ok(()) = promoted.changed() => {}
            }
        }
    }

    /// A connection could not be opened.
    fn failed(&self, link: usize, error: &RedisError) {
        self.metrics.connect_failed(connect::category(error));
        tracing::warn!(redis = %self.url, link, %error, "not connected");
    }

    async fn open(&self) -> RedisResult<(MultiplexedConnection, Facts, Option<Node>)> {
        let (target, login) = (&self.url.target, self.login());
        let hint = self.promoted.borrow().clone().map(|promoted| promoted.node);
        let wait = self.response_timeout;
        let (mut connection, node) = connect::single(target, &login, hint.as_ref(), wait).await?;
        let mut setup = Pipeline::new();
        setup.add_command(pipeline::exist(&Script::ALL));
        setup.add_command(cmd("INFO"));
        let mut answers = connection
            .req_packed_commands(&setup, 0, setup.len())
            .await?;
        let info = answers.pop().unwrap_or(redis::Value::Nil);
        let known = answers
            .pop()
            .filter(|_| guard::on(Guard::Scripts))
            .unwrap_or(redis::Value::Nil);
        // All of them are 100 KB: a Redis that is slow must not be slowed by each connection that is made anew.
        let mut loads = Pipeline::new();
        for script in pipeline::missing(&Script::ALL, &known) {
            loads.add_command(pipeline::load(script.source()));
        }
        if !loads.is_empty() {
            let loaded = connection.req_packed_commands(&loads, 0, loads.len());
            // Loading its data, or waiting for its primary: as good as not there.
            for answer in loaded.await? {
                if let redis::Value::ServerError(error) = answer {
                    return Err(error.into());
                }
            }
        }
        Ok((connection, Facts::parse([info]), node))
    }

    /// Until the connection is retired.
    async fn beat(
        &self,
        of: Of<'_>,
        mut connection: MultiplexedConnection,
        first: bool,
        backoff: &mut Backoff,
    ) {
        let Of {
            link,
            generation,
            node,
        } = of;
        let sentinel = matches!(self.url.target, Target::Sentinel { .. });
        let mut promoted = self.promoted.subscribe();
        let mut logins = self.logins.clone();
        let mut user = self.login();
        for beats in 1_u32.. {
            let sent = Instant::now();
            let time = cmd("TIME");
            let answer = tokio::select! {
                () = link.wait_retired() => return,
                answer = time.query_async::<(u64, u64)>(&mut connection) => answer,
            };
            match answer {
                Ok(time) if first => self.tick(time, sent.elapsed()),
                Ok(_) => {}
                // An error reply is a reply too: the connection lives.
                Err(error) if is_reply(&error) => {}
                // Silent, broken, or out of step: the answer to something else came.
                Err(_) => {
                    link.retire(generation);
                    return;
                }
            }
            if sentinel && matches!(connect::is_primary(&mut connection).await, Ok(false)) {
                link.retire(generation);
                return;
            }
            if first && sentinel {
                self.watch_fence(&mut connection).await;
            }
            self.log_in_again(&mut user, &mut connection).await;
            if first && beats.is_multiple_of(LOOK_AGAIN) {
                self.look_again(&mut connection).await;
            }
            backoff.reset();
            tokio::select! {
                () = link.wait_retired() => return,
                Ok(()) = promoted.changed() => {
                    let promoted = promoted.borrow_and_update();
                    let other = |promoted: &Promoted| Some(&promoted.node) != node.as_ref();
                    if promoted.as_ref().is_some_and(other) {
                        link.retire(generation);
                        return;
                    }
                }
                Ok(()) = logins.changed() => {}
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    /// Becomes who the bridge is now. A refusal is tried again with the next beat: Redis may hear of a new
    /// password after the bridge does.
    async fn log_in_again(&self, user: &mut Login, connection: &mut MultiplexedConnection) {
        let login = self.login();
        if user.is_same_user(&login) {
            return;
        }
        match connect::auth(connection, &login).await {
            Ok(()) => {
                tracing::info!(redis = %self.url, "logged in again");
                *user = login;
            }
            Err(error) => {
                self.metrics.connect_failed(connect::category(&error));
                tracing::warn!(redis = %self.url, %error, "not logged in again");
            }
        }
    }

    async fn ask_time(&self, connection: &mut impl ConnectionLike) {
        let sent = Instant::now();
        if let Ok(time) = cmd("TIME").query_async::<(u64, u64)>(connection).await {
            self.tick(time, sent.elapsed());
        }
    }

    fn lost(&self) {
        self.known.send_replace(Known::Down);
        self.time_us.send_replace(0);
    }

    async fn look_again(&self, connection: &mut MultiplexedConnection) {
        let evicts = matches!(&*self.known.borrow(), Known::Up(facts) if facts.evicts());
        if !evicts {
            return;
        }
        if let Ok(info) = connection.req_packed_command(&cmd("INFO")).await {
            let facts = Facts::parse([info]);
            self.known.send_if_modified(|known| {
                let changed = *known != Known::Up(facts.clone());
                *known = Known::Up(facts);
                changed
            });
        }
    }

    fn learned(&self, facts: Facts) {
        if facts.policies.is_empty() {
            tracing::warn!(redis = %self.url, "INFO does not tell maxmemory_policy; it must be noeviction where sessions and limits are kept");
        }
        tracing::info!(redis = %self.url, "connected");
        self.known.send_replace(Known::Up(facts));
    }

    fn tick(&self, (seconds, micros): (u64, u64), round_trip: Duration) {
        let half = u64::try_from(round_trip.as_micros() / 2).unwrap_or(0);
        let now = seconds.saturating_mul(1_000_000).saturating_add(micros);
        self.time_us.send_replace(now.saturating_add(half));
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn is_reply(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

fn size(commands: &[Command]) -> usize {
    let args = commands.iter().flat_map(|command| &command.args);
    args.map(Vec::len).sum()
}
