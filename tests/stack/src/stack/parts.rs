//! What tests do to single parts: kill, pause, end, start again.

use super::{END, Part, Stack};
use crate::http::Client;
use crate::proc::{Launch, Running};
use crate::redis::{Reply, Server};
use crate::{Error, Result, clock, envoy, own, wait};
use nix::sys::signal::Signal;
use std::time::Duration;

/// How long a part may take to become ready.
const READY: Duration = Duration::from_secs(30);

impl Stack {
    /// The names of all parts: `envoy-0`, `bridge-0`, `redis-state-0`, `redis-cache-0`, `sentinel-0`, `upstream`, `faults`.
    pub fn names(&self) -> Vec<String> {
        self.parts.keys().cloned().collect()
    }

    /// The process id of a part that runs.
    ///
    /// # Errors
    /// [`Error::NoPart`] when it does not.
    pub fn pid(&self, name: &str) -> Result<u32> {
        self.part(name).map(Running::pid)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// [`Error::NoPart`] when it does not run.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.take(name)?.kill()
    }

    /// SIGTERM, SIGKILL after 5 s. True when it ended by itself.
    ///
    /// # Errors
    /// [`Error::NoPart`] when it does not run.
    pub fn end(&mut self, name: &str) -> Result<bool> {
        self.take(name)?.end(END)
    }

    /// `kill -STOP`: it is there and says nothing.
    ///
    /// # Errors
    /// [`Error::NoPart`] when it does not run.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.part(name)?.signal(Signal::SIGSTOP)
    }

    /// `kill -CONT`.
    ///
    /// # Errors
    /// [`Error::NoPart`] when it does not run.
    pub fn resume(&self, name: &str) -> Result<()> {
        self.part(name)?.signal(Signal::SIGCONT)
    }

    /// Starts a part that was killed or ended, as it was, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::NoPart`] when there is none or it runs, [`Error::Exited`] or [`Error::Late`] when it does not come up.
    pub fn revive(&mut self, name: &str) -> Result<()> {
        let part = self
            .parts
            .get(name)
            .ok_or_else(|| Error::NoPart(name.into()))?;
        if part.running.is_some() {
            return Err(Error::NoPart(format!("{name} that is down")));
        }
        let launch = part.launch.clone();
        self.launch(launch)?;
        self.await_ready(name)
    }

    /// [`Stack::end`], then [`Stack::revive`].
    ///
    /// # Errors
    /// As these.
    pub fn restart(&mut self, name: &str) -> Result<()> {
        self.end(name)?;
        self.revive(name)
    }

    /// Changes how a part is started the next time: its environment, its arguments.
    ///
    /// # Errors
    /// [`Error::NoPart`] when there is none.
    pub fn alter(&mut self, name: &str, change: impl FnOnce(&mut Launch)) -> Result<()> {
        let part = self.parts.get_mut(name);
        change(&mut part.ok_or_else(|| Error::NoPart(name.into()))?.launch);
        Ok(())
    }

    /// Steps the wall clock of a part that is in [`crate::StackSpec::clocks`].
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn step_clock(&self, part: &str, ahead_s: i64) -> Result<()> {
        clock::set(self.files.dir(), part, ahead_s)
    }

    /// Starts something beside the stack that is to end with it, as a part of that name.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn beside(&mut self, launch: Launch) -> Result<()> {
        self.launch(launch)
    }

    pub(super) fn launch(&mut self, mut launch: Launch) -> Result<()> {
        let clocks = self.spec.clocks.iter();
        for clock in clocks.filter(|clock| clock.part == launch.name) {
            launch.env.extend(clock.env(self.files.dir())?);
        }
        let own = self.spec.own.network || self.spec.own.names;
        launch.group = own.then(|| own::group(&launch.name));
        let running = launch.start()?;
        if let Some(guard) = &mut self.guard {
            guard.watch(&running.known())?;
        }
        let part = Part {
            running: Some(running),
            launch,
        };
        self.parts.insert(part.launch.name.clone(), part);
        Ok(())
    }

    /// Waits until a part answers, and fails at once when it has ended.
    pub(super) fn await_ready(&mut self, name: &str) -> Result<()> {
        let mut ended = None;
        let ready = wait::until(format!("{name} answers"), READY, || {
            if let Err(e) = self.check(name) {
                ended = Some(e);
                return Ok(());
            }
            self.ready(name)
        });
        match ended {
            Some(error) => Err(error),
            None => ready,
        }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (&String, &Running)> {
        self.parts
            .iter()
            .filter_map(|(name, part)| Some((name, part.running.as_ref()?)))
    }

    fn check(&mut self, name: &str) -> Result<()> {
        match self
            .parts
            .get_mut(name)
            .and_then(|part| part.running.as_mut())
        {
            Some(running) => running.check(),
            None => Err(Error::NoPart(name.into())),
        }
    }

    fn ready(&self, name: &str) -> std::result::Result<(), String> {
        let say = |e: Error| e.to_string();
        let is = |ready: bool| {
            if ready {
                Ok(())
            } else {
                Err("not ready".into())
            }
        };
        let (kind, i) = name.rsplit_once('-').unwrap_or((name, "0"));
        let i: u16 = i.parse().unwrap_or(0);
        let status = |port: u16, target: &str| {
            let mut client =
                Client::new(&format!("127.0.0.1:{port}")).timeout(Duration::from_secs(2));
            client.get(target).map(|answer| answer.status).map_err(say)
        };
        let pong = |port: u16| {
            let reply = Server::new(format!("127.0.0.1:{port}"))
                .call(&["PING"])
                .map_err(say)?;
            is(reply == Reply::Text(b"PONG".into()))
        };
        match kind {
            "envoy" => {
                let admin = format!("127.0.0.1:{}", self.spec.envoy_admin_port(i));
                is(envoy::listening(&admin).map_err(say)?)
            }
            "bridge" => is(status(self.spec.bridge_admin_port(i), "/readyz")? == 200),
            "redis-state" => pong(self.spec.state_port(i)),
            "redis-cache" => pong(self.spec.cache_port()),
            "sentinel" => pong(self.spec.sentinel_port(i)),
            "faults" => is(status(self.spec.faults_port(), "/links")? == 200),
            "upstream" => is(status(self.spec.upstream_port(), "/__stats")? == 200),
            // A part without a port is ready once it runs.
            _ => Ok(()),
        }
    }

    fn part(&self, name: &str) -> Result<&Running> {
        let part = self.parts.get(name).and_then(|part| part.running.as_ref());
        part.ok_or_else(|| Error::NoPart(name.into()))
    }

    fn take(&mut self, name: &str) -> Result<Running> {
        let part = self
            .parts
            .get_mut(name)
            .and_then(|part| part.running.take());
        part.ok_or_else(|| Error::NoPart(name.into()))
    }
}
