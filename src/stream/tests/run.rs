//! One request from its headers to what became of it.

use super::rig::Rig;
use crate::http::Headers;
use crate::stream::{LocalReply, Output, Property, RequestHead, Verdict};
use crate::vm::Vm;

/// A request as a client sends it.
#[derive(Debug, Clone)]
pub(super) struct Req {
    pub(super) lines: Vec<(String, Vec<u8>)>,
    pub(super) end: bool,
    pub(super) peer: Vec<u8>,
    pub(super) policy: Option<Vec<u8>>,
}

pub(super) fn req(method: &str, path: &str) -> Req {
    let req = Req {
        lines: Vec::new(),
        end: true,
        peer: b"192.0.2.1:4711".to_vec(),
        policy: None,
    };
    req.line(":method", method)
        .line(":scheme", "https")
        .line(":authority", "shop.example")
        .line(":path", path)
}

pub(super) fn get(path: &str) -> Req {
    req("GET", path)
}

impl Req {
    pub(super) fn line(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.lines.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn cookie(self, token: &str) -> Self {
        self.line("cookie", format!("__Host-sid={token}"))
    }

    pub(super) fn metadata(mut self, policy: &str) -> Self {
        self.policy = Some(policy.as_bytes().to_vec());
        self
    }

    pub(super) fn headers(&self) -> Headers {
        Headers::from_pairs(self.lines.clone())
    }

    /// As the host would tell it.
    pub(super) fn head(&self, vm: &Vm) -> RequestHead {
        let headers = self.headers();
        let routed = vm.route(self.policy.clone(), &headers);
        let peer = match vm.wants_peer(&routed) {
            true => self.peer.clone(),
            false => Vec::new(),
        };
        RequestHead {
            headers,
            end: self.end,
            peer,
            routed,
        }
    }
}

/// What became of a request's headers.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: u32,
    pub(super) fate: Fate,
    pub(super) properties: Vec<(Property, Vec<u8>)>,
    /// Whether the machine replaced the headers.
    pub(super) edited: bool,
}

#[derive(Debug)]
pub(super) enum Fate {
    /// Gone upstream with these headers.
    Forwarded(Headers),
    Replied(LocalReply),
}

impl Rig {
    /// Sends a request and answers what it asks until it is decided.
    pub(super) fn run(&mut self, req: &Req) -> Seen {
        let id = self.stream();
        let mut output = self.headers(id, req);
        while matches!(output.verdict, Verdict::Pause) {
            let (of, next) = self.answer().expect("a paused request has asked something");
            assert_eq!(of, id);
            assert!(super::rig::resumes(&next) || self.is_paused(id));
            output = next;
        }
        seen(id, req, output)
    }

    /// Sends a request to a bridge that says nothing.
    pub(super) fn run_silent(&mut self, req: &Req) -> Seen {
        let id = self.stream();
        let output = self.headers(id, req);
        if !self.is_paused(id) {
            return seen(id, req, output);
        }
        let mut outputs = self.pass(super::rig::TIMEOUT + super::rig::TICK);
        self.open.clear();
        assert_eq!(outputs.len(), 1);
        seen(id, req, outputs.remove(0).1)
    }

    /// The upstream's answer, whole; what the client sees of its headers.
    pub(super) fn upstream(&mut self, id: u32, lines: &[(&str, &str)], body: &[u8]) -> Headers {
        let headers = Headers::from_pairs(lines.iter().map(|(n, v)| (*n, v.as_bytes())));
        let end = body.is_empty();
        let mut output = self.response(id, headers.clone(), end);
        while matches!(output.verdict, Verdict::Pause) {
            output = self
                .answer()
                .expect("a paused response has asked something")
                .1;
        }
        if !end {
            self.body(id, body, true);
        }
        output.response.unwrap_or(headers)
    }
}

fn seen(id: u32, req: &Req, output: Output) -> Seen {
    let edited = output.request.is_some();
    let fate = match output.verdict {
        Verdict::Continue => Fate::Forwarded(output.request.unwrap_or_else(|| req.headers())),
        Verdict::Reply(reply) => Fate::Replied(reply),
        Verdict::Pause => panic!("still paused"),
    };
    Seen {
        id,
        fate,
        properties: output.properties,
        edited,
    }
}

impl Seen {
    pub(super) fn forwarded(&self) -> &Headers {
        match &self.fate {
            Fate::Forwarded(headers) => headers,
            Fate::Replied(reply) => panic!("replied: {reply:?}"),
        }
    }

    pub(super) fn replied(&self) -> &LocalReply {
        match &self.fate {
            Fate::Replied(reply) => reply,
            Fate::Forwarded(headers) => panic!("forwarded: {headers:?}"),
        }
    }

    /// 0 when it was forwarded.
    pub(super) fn status(&self) -> u16 {
        match &self.fate {
            Fate::Replied(reply) => reply.status,
            Fate::Forwarded(_) => 0,
        }
    }

    pub(super) fn property(&self, wanted: Property) -> Option<String> {
        let mut values = self.properties.iter().filter(|(p, _)| *p == wanted);
        values
            .next_back()
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// All lines of a field of an answer, as text.
pub(super) fn field(reply: &LocalReply, name: &str) -> Vec<String> {
    let lines = reply.headers.iter().filter(|(other, _)| other == name);
    lines
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// All lines of a field, as text.
pub(super) fn lines(headers: &Headers, name: &str) -> Vec<String> {
    headers
        .all(name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// The body of an answer, as text.
pub(super) fn text(reply: &LocalReply) -> String {
    String::from_utf8(reply.body.clone()).expect("UTF-8")
}
