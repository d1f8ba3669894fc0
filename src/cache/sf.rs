//! Dictionaries and lists of Structured Fields (RFC 9651, 4.2), strictly: one byte that does not belong, and there
//! is nothing.

/// A member's value. What a member may hold besides is checked and not told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `?1`, or a member without a value.
    Boolean(bool),
    /// At most 15 digits.
    Integer(i64),
    /// A decimal, date, token, byte sequence, display string or inner list.
    Other,
    /// A string, unescaped.
    String(Vec<u8>),
}

/// The members of a dictionary, of several the last of one key, in no particular order; `None` when the
/// text is none.
pub(super) fn dictionary(text: &[u8]) -> Option<Vec<(String, Value)>> {
    let mut reader = Reader(text.trim_ascii());
    // The grammar knows no tab at the ends; fields have lost theirs before they come here.
    let mut members: Vec<(String, Value)> = Vec::new();
    while !reader.0.is_empty() {
        let key = reader.key()?;
        let value = if reader.skip(b'=') {
            reader.member()?
        } else {
            Value::Boolean(true)
        };
        reader.parameters()?;
        members.retain(|(other, _)| *other != key);
        members.push((key, value));
        reader.space();
        if reader.0.is_empty() {
            break;
        }
        reader.expect(b',')?;
        reader.space();
        // A comma at the end.
        reader.peek()?;
    }
    Some(members)
}

/// The strings of a list (RFC 9651, 4.2.1); `None` when the text is no list, or has other members.
pub(super) fn strings(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(text.trim_ascii());
    let mut members = Vec::new();
    while !reader.0.is_empty() {
        let Value::String(string) = reader.member()? else {
            return None;
        };
        reader.parameters()?;
        members.push(string);
        reader.space();
        if reader.0.is_empty() {
            break;
        }
        reader.expect(b',')?;
        reader.space();
        reader.peek()?;
    }
    Some(members)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip(byte).then_some(())
    }

    fn space(&mut self) {
        self.while_(|b| b == b' ' || b == b'\t');
    }

    fn while_(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|b| !belongs(*b));
        let (head, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        head
    }

    /// 3.1.2: `lcalpha / "*"`, then also digits, `_`, `-`, `.`.
    fn key(&mut self) -> Option<String> {
        self.peek()
            .filter(|b| b.is_ascii_lowercase() || *b == b'*')?;
        let key =
            self.while_(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b));
        Some(String::from_utf8_lossy(key).into_owned())
    }

    fn member(&mut self) -> Option<Value> {
        if !self.skip(b'(') {
            return self.bare();
        }
        loop {
            self.while_(|b| b == b' ');
            if self.skip(b')') {
                return Some(Value::Other);
            }
            self.bare()?;
            self.parameters()?;
            self.peek().filter(|b| matches!(b, b' ' | b')'))?;
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.skip(b';') {
            self.while_(|b| b == b' ');
            self.key()?;
            if self.skip(b'=') {
                self.bare()?;
            }
        }
        Some(())
    }

    fn bare(&mut self) -> Option<Value> {
        match self.peek()? {
            b'"' => self.string().map(Value::String),
            b'?' => {
                self.next();
                match self.next()? {
                    b'0' => Some(Value::Boolean(false)),
                    b'1' => Some(Value::Boolean(true)),
                    _ => None,
                }
            }
            b':' => {
                self.next();
                self.while_(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
                self.expect(b':').map(|()| Value::Other)
            }
            b'@' => {
                self.next();
                match self.number()? {
                    Value::Integer(_) => Some(Value::Other),
                    _ => None,
                }
            }
            b'%' => {
                self.next();
                self.display()
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.while_(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
                Some(Value::Other)
            }
            _ => None,
        }
    }

    /// 4.2.4: 15 digits, or 12 before and 1 to 3 after a point.
    fn number(&mut self) -> Option<Value> {
        let minus = self.skip(b'-');
        let whole = self.while_(|b| b.is_ascii_digit());
        if whole.is_empty() {
            return None;
        }
        if self.skip(b'.') {
            let rest = self.while_(|b| b.is_ascii_digit());
            return (whole.len() <= 12 && (1..=3).contains(&rest.len())).then_some(Value::Other);
        }
        if whole.len() > 15 {
            return None;
        }
        let number: i64 = core::str::from_utf8(whole).ok()?.parse().ok()?;
        Some(Value::Integer(if minus {
            number.saturating_neg()
        } else {
            number
        }))
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Some(out),
                b'\\' => out.push(self.next().filter(|b| matches!(b, b'"' | b'\\'))?),
                byte @ b' '..=b'~' => out.push(byte),
                _ => return None,
            }
        }
    }

    /// 4.2.10.
    fn display(&mut self) -> Option<Value> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(Value::Other),
                b'%' => {
                    for _ in 0..2 {
                        self.next()
                            .filter(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))?;
                    }
                }
                b' '..=b'~' => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
