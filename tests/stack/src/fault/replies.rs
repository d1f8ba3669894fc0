//! Replies of Redis in a stream of bytes (RESP2 and RESP3), to put others in their place.

use super::faults::Replace;

/// Follows one direction of one connection. What is no RESP is passed as it is.
#[derive(Debug, Default)]
pub(super) struct Replies {
    frame: Frame,
    /// Replies so far.
    count: u64,
    /// The reply that began last is not passed on.
    swallow: bool,
}

impl Replies {
    /// What is passed on of `piece`.
    pub(super) fn alter(&mut self, piece: Vec<u8>, replace: Option<&Replace>) -> Vec<u8> {
        if replace.is_none() && !self.swallow {
            self.frame.follow(&piece);
            return piece;
        }
        let mut out = Vec::with_capacity(piece.len());
        let mut rest = piece.as_slice();
        while let Some(first) = rest.first() {
            if self.frame.begins() && *first != b'>' {
                self.count += 1;
                self.swallow = false;
                if let Some(replace) = replace.filter(|r| self.count.is_multiple_of(r.every.max(1)))
                {
                    self.swallow = true;
                    out.extend_from_slice(replace.with.as_bytes());
                }
            }
            let length = self.frame.next(rest);
            let (head, tail) = rest.split_at(length);
            if !self.swallow {
                out.extend_from_slice(head);
            }
            rest = tail;
        }
        if self.frame.begins() {
            self.swallow = false;
        }
        out
    }
}

/// Where in a reply the stream is.
#[derive(Debug, Default)]
struct Frame {
    /// Parts that are still to come, for each list that is open.
    open: Vec<u64>,
    /// The line that announces a part, as far as it is there.
    line: Vec<u8>,
    /// Bytes of a string that are still to come.
    bytes: u64,
    /// This is no RESP.
    lost: bool,
}

/// No line that announces something is longer; errors and simple strings are cut.
const LINE_MAX: usize = 1_024;

impl Frame {
    /// Between two replies.
    fn begins(&self) -> bool {
        self.open.is_empty() && self.line.is_empty() && self.bytes == 0 && !self.lost
    }

    /// Follows all of it.
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let length = self.next(bytes);
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }

    /// Takes bytes up to the end of the reply, or all; how many.
    fn next(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(byte) = bytes.get(taken).filter(|_| !self.lost) {
            if self.bytes > 0 {
                let rest = u64::try_from(bytes.len() - taken).unwrap_or(u64::MAX);
                let now = rest.min(self.bytes);
                self.bytes -= now;
                taken += usize::try_from(now).unwrap_or(usize::MAX);
                if self.bytes == 0 && self.part_ended() {
                    return taken;
                }
                continue;
            }
            taken += 1;
            if *byte != b'\n' {
                if self.line.len() < LINE_MAX {
                    self.line.push(*byte);
                }
                self.lost |= !b"+-:$*_#,(!=%~>|".contains(self.line.first().unwrap_or(&0));
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if self.announced(&line) {
                return taken;
            }
        }
        match self.lost {
            true => bytes.len(),
            false => taken,
        }
    }

    /// A whole line is there; true when the reply has ended with it.
    fn announced(&mut self, line: &[u8]) -> bool {
        let Some((kind, rest)) = line.split_first() else {
            self.lost = true;
            return false;
        };
        let number = std::str::from_utf8(rest)
            .ok()
            .and_then(|text| text.trim_end().parse::<i64>().ok());
        let times = match kind {
            b'%' | b'|' => 2,
            _ => 1,
        };
        match (kind, number) {
            (b'$' | b'!' | b'=', Some(n)) if n >= 0 => {
                // And CR LF.
                self.bytes = n.unsigned_abs() + 2;
                false
            }
            (b'*' | b'~' | b'>' | b'%' | b'|', Some(n)) if n > 0 => {
                // What an attribute is about is one part more.
                let about = u64::from(*kind == b'|');
                self.open.push(n.unsigned_abs() * times + about);
                false
            }
            (b'$' | b'!' | b'=' | b'*' | b'~' | b'>' | b'%' | b'|', None) => {
                self.lost = true;
                false
            }
            _ => self.part_ended(),
        }
    }

    /// One part less to come; true when there is none left in any list.
    fn part_ended(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &str =
        "+OK\r\n*3\r\n:1\r\n$3\r\na\r\n\r\n*1\r\n$-1\r\n-ERR no\r\n%1\r\n+a\r\n*0\r\n:7\r\n*-1\r\n";

    fn altered(step: usize, every: u64) -> String {
        let mut replies = Replies::default();
        let replace = Replace {
            every,
            with: "-X\r\n".into(),
        };
        let pieces = REPLIES.as_bytes().chunks(step);
        let out = pieces.flat_map(|piece| replies.alter(piece.to_vec(), Some(&replace)));
        String::from_utf8(out.collect()).unwrap()
    }

    #[test]
    fn whole_replies_are_replaced_however_they_are_cut() {
        for step in 1..=REPLIES.len() {
            assert_eq!(
                altered(step, 2),
                "+OK\r\n-X\r\n-ERR no\r\n-X\r\n:7\r\n-X\r\n",
                "pieces of {step}"
            );
            assert_eq!(altered(step, 1), "-X\r\n".repeat(6));
            assert_eq!(altered(step, 7), REPLIES);
        }
    }

    #[test]
    fn a_fault_that_comes_within_a_reply_begins_with_the_next() {
        let mut replies = Replies::default();
        let replace = Replace {
            every: 1,
            with: "-X\r\n".into(),
        };
        assert_eq!(
            replies.alter(b"*2\r\n:1\r\n".to_vec(), None),
            b"*2\r\n:1\r\n"
        );
        assert_eq!(
            replies.alter(b":2\r\n:3\r\n".to_vec(), Some(&replace)),
            b":2\r\n-X\r\n"
        );
        // And one that ends within a reply has that one to the end.
        assert_eq!(
            replies.alter(b"*2\r\n:1\r\n".to_vec(), Some(&replace)),
            b"-X\r\n"
        );
        assert_eq!(replies.alter(b":2\r\n:3\r\n".to_vec(), None), b":3\r\n");
    }

    #[test]
    fn messages_and_what_is_no_resp_are_passed() {
        let replace = Replace {
            every: 1,
            with: "-X\r\n".into(),
        };
        let push = b">2\r\n+message\r\n+a\r\n";
        assert_eq!(
            Replies::default().alter(push.to_vec(), Some(&replace)),
            push
        );
        let http = b"HTTP/1.1 200\r\n\r\n";
        assert_eq!(Replies::default().alter(http.to_vec(), None), http);
    }
}
