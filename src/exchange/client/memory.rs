//! What the client knows of objects kept in memory: which are no longer true, and whether it would have heard.

use super::super::link::Link;
use super::super::{Invalid, Transmit};
use super::Client;
use crate::wire::ToBridge;
use core::time::Duration;

/// URLs that wait to be forgotten, at most (and as many as one message names); beyond, all are.
const MAX_INVALID: usize = 4_096;

impl Client {
    /// Whether what is in memory may be used now. What [`Client::take_invalid`] says comes first.
    pub fn remembers(&self, now: Duration) -> bool {
        self.sync.as_ref().is_some_and(|sync| sync.holds(now))
    }

    /// Whether what is found from now on may be kept: all that makes it invalid will be said.
    pub fn is_told(&self) -> bool {
        self.sync.as_ref().is_some_and(super::Sync::is_told)
    }

    /// Whether [`Client::take_invalid`] has something to say.
    pub fn has_invalid(&self) -> bool {
        !self.invalid.is_empty()
    }

    /// What in memory is no longer true, once. A bridge was told already that it is not used any more.
    pub fn take_invalid(&mut self) -> Vec<Invalid> {
        core::mem::take(&mut self.invalid)
    }

    /// A bridge says what is no longer true.
    pub(super) fn invalidated(&mut self, stream: (usize, u64), seq: u64, urls: &[&[u8; 16]]) {
        match urls {
            [] => self.nothing_holds(),
            urls if self.invalid.len() < MAX_INVALID => {
                let urls = urls.iter().map(|url| Invalid::Url(**url));
                self.invalid.extend(urls);
            }
            _ => self.nothing_holds(),
        }
        self.say(stream.0, &ToBridge::Ack { seq });
    }

    /// A bridge confirms that it has said all.
    pub(super) fn synced(&mut self, stream: (usize, u64), seq: u64) {
        let sync = self.sync.as_mut().filter(|sync| sync.is_on(stream));
        if sync.is_some_and(|sync| sync.confirmed(seq)) {
            // What was found before this stream said everything may have changed unheard.
            self.nothing_holds();
        }
    }

    /// A stream is gone.
    pub(super) fn unsynced(&mut self, stream: (usize, u64)) {
        if let Some(sync) = self.sync.as_mut().filter(|sync| sync.is_on(stream)) {
            sync.turn_to(None);
            self.nothing_holds();
        }
    }

    /// Asks the stream that decisions travel by; it goes on being asked while it lives.
    pub(super) fn ask_for_sync(&mut self, now: Duration) {
        let first = self
            .decision_links()
            .find(|(_, link)| link.usable())
            .map(|(index, link)| (index, Link::generation(link)));
        let Some(sync) = &mut self.sync else {
            return;
        };
        if sync.is_idle() {
            sync.turn_to(first);
        }
        if let Some((link, frame)) = sync.ask(now) {
            self.say(link, &frame);
        }
    }

    fn nothing_holds(&mut self) {
        self.invalid.clear();
        self.invalid.push(Invalid::All);
    }

    fn say(&mut self, link: usize, frame: &ToBridge<'_>) {
        let mut message = Vec::new();
        frame.encode(&mut message);
        self.out.push_back(Transmit::Send { link, message });
    }
}
