//! A name server for one name, which answers what a file says at the time.

use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// These addresses, for a second.
    Are(Vec<Ipv4Addr>),
    /// There is no such name.
    Unknown,
    /// It cannot say.
    Failing,
    /// Nothing at all.
    Silent,
}

impl Names {
    /// Says so from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| Error::Answer {
            what: "encode what a name is".into(),
            got: e.to_string(),
        })?;
        files::replace(file, &text)
    }

    fn load(file: &Path) -> Result<Self> {
        serde_json::from_str(&files::read(file)?).map_err(|e| Error::Answer {
            what: format!("read {}", file.display()),
            got: e.to_string(),
        })
    }
}

/// Answers at `address` (UDP) for ever.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(file: &Path, address: &str) -> Result<()> {
    let socket = UdpSocket::bind(address).map_err(Error::io(format!("listen on {address}")))?;
    let mut query = [0; 1_500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut query) else {
            continue;
        };
        let names = Names::load(file)?;
        if let Some(answer) = query.get(..length).and_then(|q| answer(q, &names)) {
            // Whoever asked and went away needs none.
            let _sent = socket.send_to(&answer, from);
        }
    }
}

/// The answer to a query (RFC 1035, 4.1), `None` for silence and for what is none.
fn answer(query: &[u8], names: &Names) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut at = HEADER;
    // One name: labels, each behind its length, up to an empty one; then type and class.
    while *query.get(at)? != 0 {
        at += 1 + usize::from(*query.get(at)?);
    }
    let question = query.get(HEADER..at + 5)?;
    let asks_for_a = question.get(question.len() - 4..question.len() - 2)? == [0, 1];
    let (code, addresses): (u8, &[Ipv4Addr]) = match names {
        Names::Are(addresses) if asks_for_a => (0, addresses),
        Names::Are(_) => (0, &[]),
        Names::Unknown => (3, &[]),
        Names::Failing => (2, &[]),
        Names::Silent => return None,
    };
    let mut answer = query.get(..2)?.to_vec();
    // A response, recursion desired and available.
    answer.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::try_from(addresses.len()).ok()?,
        0,
        0,
        0,
        0,
    ]);
    answer.extend_from_slice(question);
    for address in addresses {
        // The name is that of the question, at byte 12; type A, class IN, a TTL of one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What glibc asks for `redis.test`, as seen on the wire.
    fn query(kind: u8) -> Vec<u8> {
        let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(b"\x05redis\x04test\0");
        query.extend([0, kind, 0, 1]);
        query
    }

    #[test]
    fn every_answer_repeats_the_question() {
        let local = Names::Are(vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]);
        let given = answer(&query(1), &local).unwrap();
        assert_eq!(given[..2], [0xab, 0xcd]);
        assert_eq!((given[3] & 15, given[7]), (0, 2));
        assert_eq!(given[12..28], query(1)[12..]);
        assert!(given.ends_with(&[0, 4, 127, 0, 0, 2]));
        // It has no other addresses than these (28: AAAA).
        assert_eq!(answer(&query(28), &local).unwrap()[7], 0);
        assert_eq!(answer(&query(1), &Names::Unknown).unwrap()[3] & 15, 3);
        assert_eq!(answer(&query(1), &Names::Failing).unwrap()[3] & 15, 2);
        assert_eq!(answer(&query(1), &Names::Silent), None);
    }

    #[test]
    fn what_is_no_query_has_no_answer() {
        for cut in 0..query(1).len() {
            assert_eq!(answer(&query(1)[..cut], &Names::Unknown), None, "{cut}");
        }
    }
}
