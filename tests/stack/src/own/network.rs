//! The network of one stack: loopback, and rules about which connections lose what.
//!
//! Each connection is marked when it begins with who opened it and what it was opened to, and keeps that mark in both
//! directions. What a fault is, is a set of marks.

use super::parts::{self, Port, group, id, port_id};
use super::run;
use crate::{Error, Result, StackSpec};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The rules of a stack's network.
#[derive(Debug)]
pub struct Network {
    spec: StackSpec,
}

/// Connections: those whose client and server are what this says. Numbers are those of [`id`] and [`port_id`].
pub type Connections<'a> = &'a dyn Fn(u8, u8) -> bool;

impl Network {
    /// The network that the calling thread is in, of a stack that has one.
    pub(crate) fn new(spec: &StackSpec) -> Self {
        Self { spec: spec.clone() }
    }

    /// Lays down the rules, none of which does anything yet.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    pub(crate) fn prepare(&self) -> Result<()> {
        nft(&rules(&self.spec))
    }

    /// From now on nothing passes on these connections; they stay open.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn cut(&self, which: Connections<'_>) -> Result<()> {
        self.set("cut", which)
    }

    /// Nothing passes between these parts and everybody else.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn cut_off(&self, names: &[String]) -> Result<()> {
        let ids: Vec<u8> = names.iter().map(|name| id(name)).collect();
        // The bus of a part is the part's.
        let inside = |n: u8| ids.contains(&(n % 100));
        self.cut(&|client, server| inside(client) != inside(server))
    }

    /// No new connections of these: what would open them is lost.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn close(&self, which: Connections<'_>) -> Result<()> {
        self.set("closed", which)
    }

    /// Of these connections so many packets in a thousand are lost, at random.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn lose(&self, per_mille: u16, which: Connections<'_>) -> Result<()> {
        nft(&format!(
            "flush chain inet stack loss\n\
             add rule inet stack loss ct mark @lossy numgen random mod 1000 < {per_mille} drop\n"
        ))?;
        self.set("lossy", which)
    }

    /// Everything passes again.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn heal(&self) -> Result<()> {
        for set in SETS {
            nft(&format!("flush set inet stack {set}\n"))?;
        }
        Ok(())
    }

    /// Ends the connections that are open to this part's port, at both ends.
    ///
    /// # Errors
    /// When `ss` refuses.
    pub fn kill(&self, part: &str, port: Port) -> Result<()> {
        for number in self.numbers(part, port) {
            run(
                "ss",
                &[
                    "-K",
                    "-H",
                    "-t",
                    "state",
                    "established",
                    &format!("( dport = :{number} )"),
                ],
            )?;
        }
        Ok(())
    }

    /// How many connections the part has open to this one's port.
    ///
    /// # Errors
    /// When `ss` refuses.
    pub fn count(&self, part: &str, port: Port) -> Result<usize> {
        let mut all = 0;
        for number in self.numbers(part, port) {
            let filter = format!("( dport = :{number} )");
            let list = run("ss", &["-H", "-t", "-n", "state", "established", &filter])?;
            all += list.lines().count();
        }
        Ok(all)
    }

    /// The ports that are given to clients, first and last. Nobody outside this network has others because of it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn client_ports(&self, first: u16, last: u16) -> Result<()> {
        // What is below /proc/sys/net is that of whoever writes.
        let file = "/proc/sys/net/ipv4/ip_local_port_range";
        std::fs::write(file, format!("{first} {last}")).map_err(Error::io(format!("write {file}")))
    }

    /// Asks a Redis as if a part did: in its group, so what is cut for it is cut for this too. Gives up after a second.
    ///
    /// # Errors
    /// When `redis-cli` cannot be run, or has no answer.
    pub fn ask_as(&self, part: &str, redis: &str, command: &[&str]) -> Result<String> {
        let number = self.numbers(redis, Port::Service).first().copied();
        let number = number.ok_or_else(|| Error::NoPart(redis.into()))?;
        let what = format!("ask {redis} as {part}: {}", command.join(" "));
        let output = Command::new("timeout")
            .args(["1", "redis-cli", "-p", &number.to_string()])
            .args(command)
            .gid(group(part))
            .output()
            .map_err(Error::io(what.clone()))?;
        let got = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(got),
            false => Err(Error::Answer { what, got }),
        }
    }

    fn numbers(&self, part: &str, port: Port) -> Vec<u16> {
        let all = parts::ports(&self.spec).into_iter();
        all.filter(|(name, kind, _)| name == part && *kind == port)
            .map(|(_, _, number)| number)
            .collect()
    }

    fn set(&self, name: &str, which: Connections<'_>) -> Result<()> {
        let marks = marks(&self.spec, which);
        let mut text = format!("flush set inet stack {name}\n");
        if !marks.is_empty() {
            let list: Vec<String> = marks.iter().map(u32::to_string).collect();
            // Writing to a String does not fail.
            let _ok = writeln!(
                text,
                "add element inet stack {name} {{ {} }}",
                list.join(", ")
            );
        }
        nft(&text)
    }
}

const SETS: [&str; 3] = ["closed", "cut", "lossy"];

/// Client and server in one number.
fn mark(client: u8, server: u8) -> u32 {
    u32::from(client) << 8 | u32::from(server)
}

fn marks(spec: &StackSpec, which: Connections<'_>) -> Vec<u32> {
    let ports = parts::ports(spec);
    let mut servers: Vec<u8> = ports
        .iter()
        .map(|(name, port, _)| port_id(name, *port))
        .collect();
    servers.sort_unstable();
    servers.dedup();
    let mut clients: Vec<u8> = ports.iter().map(|(name, _, _)| id(name)).collect();
    clients.push(0);
    clients.sort_unstable();
    clients.dedup();
    let pairs = clients
        .iter()
        .flat_map(|c| servers.iter().map(move |s| (*c, *s)));
    pairs
        .filter(|(client, server)| which(*client, *server))
        .map(|(client, server)| mark(client, server))
        .collect()
}

fn rules(spec: &StackSpec) -> String {
    let ports = parts::ports(spec);
    let mut text = String::from("table inet stack {\n");
    for set in SETS {
        let _ok = writeln!(text, "  set {set} {{ type mark; }}");
    }
    text.push_str(
        "  chain whose { type filter hook output priority -150; ct state new meta l4proto tcp jump mark_it; }\n  \
         chain mark_it {\n",
    );
    let mut clients: Vec<&String> = ports.iter().map(|(name, _, _)| name).collect();
    clients.dedup();
    for name in clients {
        let _ok = writeln!(
            text,
            "    meta skgid {} ct mark set {}",
            group(name),
            mark(id(name), 0)
        );
    }
    for (name, port, number) in &ports {
        let server = mark(0, port_id(name, *port));
        let _ok = writeln!(
            text,
            "    tcp dport {number} ct mark set ct mark | {server}"
        );
    }
    text.push_str(
        "  }\n  chain loss { }\n  chain pass { type filter hook output priority 0;\n    \
         ct mark @cut drop\n    ct state new ct mark @closed drop\n    jump loss\n  }\n}\n",
    );
    text
}

/// Gives `nft` a script, which it takes as a whole or not at all.
fn nft(script: &str) -> Result<()> {
    let what = || "run nft".to_owned();
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(what()))?;
    if let Some(mut input) = nft.stdin.take() {
        input
            .write_all(script.as_bytes())
            .map_err(Error::io(what()))?;
    }
    let output = nft.wait_with_output().map_err(Error::io(what()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Answer {
        what: what(),
        got: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests;
