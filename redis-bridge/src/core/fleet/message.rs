//! What bridges tell each other, as text: `number beat bridge n window_ms`, `number drop bridge n names|*`,
//! `number done bridge of n`.

use crate::core::keys::{hex, unhex};
use std::time::Duration;
use tidegate::wire::frame::{MAX_NAMED, MAX_SYNC_MS};

/// An invalidation: the bridge that began it, and its number there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Drop {
    pub(super) bridge: Vec<u8>,
    pub(super) n: u64,
}

/// What is invalidated: the first 16 bytes of SHA-256 of each URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) enum Names {
    All,
    These(Vec<[u8; 16]>),
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Workers of this bridge may use what is in their memory for so long, of what they asked before.
    Beat {
        bridge: Vec<u8>,
        n: u64,
        window: Duration,
    },
    /// This is no longer what Redis has.
    Drop { drop: Drop, names: Names },
    /// No worker of this bridge uses it any more.
    Done { bridge: Vec<u8>, drop: Drop },
}

impl Names {
    /// Nothing is invalidated.
    pub(in crate::core) fn is_none(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }

    /// Of so many; too many to be named are all.
    pub(in crate::core) fn of(names: Vec<[u8; 16]>) -> Self {
        match names.len() > MAX_NAMED {
            true => Self::All,
            false => Self::These(names),
        }
    }

    /// With some more, each as hex.
    pub(in crate::core) fn and<'a>(self, more: impl Iterator<Item = &'a [u8]>) -> Self {
        let Self::These(mut names) = self else {
            return self;
        };
        for name in more {
            match unhex(name) {
                Some(name) => names.push(name),
                None => return Self::All,
            }
        }
        Self::of(names)
    }
}

impl Told {
    /// The text, without the number that Redis puts before it.
    pub(super) fn text(&self) -> Vec<u8> {
        let words = |kind: &str, bridge: &[u8], rest: &[Vec<u8>]| {
            let mut text = kind.as_bytes().to_vec();
            for word in std::iter::once(bridge).chain(rest.iter().map(Vec::as_slice)) {
                text.push(b' ');
                text.extend(word);
            }
            text
        };
        let number = |n: u64| n.to_string().into_bytes();
        match self {
            Self::Beat { bridge, n, window } => {
                let window = u64::try_from(window.as_millis()).unwrap_or(0);
                words("beat", bridge, &[number(*n), number(window)])
            }
            Self::Drop { drop, names } => {
                let names = match names {
                    Names::All => b"*".to_vec(),
                    Names::These(names) => names.iter().flat_map(|name| hex(name)).collect(),
                };
                words("drop", &drop.bridge, &[number(drop.n), names])
            }
            Self::Done { bridge, drop } => {
                words("done", bridge, &[drop.bridge.clone(), number(drop.n)])
            }
        }
    }

    /// The message and its number; `None`: no bridge says that.
    pub(super) fn parse(message: &[u8]) -> Option<(u64, Self)> {
        let words: Vec<&[u8]> = message.split(|byte| *byte == b' ').collect();
        let [number, kind, bridge, first, second] = words[..] else {
            return None;
        };
        if bridge.is_empty() {
            return None;
        }
        let bridge = bridge.to_vec();
        let told = match kind {
            b"beat" => Self::Beat {
                bridge,
                n: unsigned(first)?,
                window: unsigned(second)
                    .filter(|ms| *ms <= u64::from(MAX_SYNC_MS))
                    .map(Duration::from_millis)?,
            },
            b"drop" => {
                let n = unsigned(first)?;
                let names = names(second)?;
                let drop = Drop { bridge, n };
                Self::Drop { drop, names }
            }
            b"done" if !first.is_empty() => {
                let drop = Drop {
                    bridge: first.to_vec(),
                    n: unsigned(second)?,
                };
                Self::Done { bridge, drop }
            }
            _ => return None,
        };
        Some((unsigned(number)?, told))
    }
}

fn names(text: &[u8]) -> Option<Names> {
    if text == b"*" {
        return Some(Names::All);
    }
    let (names, rest) = text.as_chunks::<32>();
    if names.is_empty() || !rest.is_empty() || names.len() > MAX_NAMED {
        return None;
    }
    let names: Option<Vec<[u8; 16]>> = names.iter().map(|name| unhex(name)).collect();
    names.map(Names::These)
}

fn unsigned(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 16 && text.iter().all(u8::is_ascii_digit);
    plain.then_some(())?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drop(bridge: &str, n: u64) -> Drop {
        Drop {
            bridge: bridge.into(),
            n,
        }
    }

    #[test]
    fn what_is_said_is_read() {
        let two = vec![[0xab; 16], [1; 16]];
        for told in [
            Told::Beat {
                bridge: b"b1".to_vec(),
                n: 7,
                window: Duration::from_millis(200),
            },
            Told::Drop {
                drop: drop("b1", 0),
                names: Names::All,
            },
            Told::Drop {
                drop: drop("b1", 8),
                names: Names::These(two),
            },
            Told::Done {
                bridge: b"b2".to_vec(),
                drop: drop("b1", 8),
            },
        ] {
            let message = [b"41 ".to_vec(), told.text()].concat();
            assert_eq!(Told::parse(&message), Some((41, told)));
        }
    }

    #[test]
    fn what_no_bridge_says_is_nothing() {
        for message in [
            "",
            "1",
            "1 beat",
            "1 beat b 1",
            "x beat b 1 200",
            "-1 beat b 1 200",
            "1 beat b 1 501",
            "1 beat b x 200",
            "1 beat  1 200",
            "1 beat b 1 200 ",
            "1 drop b 1 ",
            "1 drop b 1 abc",
            "1 drop b 1 zz000000000000000000000000000000",
            "1 done b  1",
            "1 hello b 1 1",
            "99999999999999999 beat b 1 200",
        ] {
            assert_eq!(Told::parse(message.as_bytes()), None, "{message:?}");
        }
        let many = "00".repeat(16 * (MAX_NAMED + 1));
        assert_eq!(Told::parse(format!("1 drop b 1 {many}").as_bytes()), None);
    }

    #[test]
    fn more_than_can_be_named_are_all() {
        let names = Names::of(vec![[0; 16]; MAX_NAMED]);
        assert_eq!(names, Names::These(vec![[0; 16]; MAX_NAMED]));
        let hex = [b'0'; 32];
        assert_eq!(names.and([&hex[..]].into_iter()), Names::All);
        let none = Names::of(Vec::new());
        assert_eq!(
            none.clone().and([&hex[..]].into_iter()),
            Names::of(vec![[0; 16]])
        );
        assert_eq!(none.and([&b"no hash"[..]].into_iter()), Names::All);
    }
}
