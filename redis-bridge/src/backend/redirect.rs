//! Where a node of a Cluster sends a command instead (its specification, "Redirection and resharding").

use super::target::Node;
use crate::core::Value;

/// What is to be done with a command that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// The slot is on its way there: this once, behind ASKING.
    Ask(Node),
    /// The slot is there.
    Moved(Node),
    /// Some of its keys are there and some here: soon they are not.
    Again,
}

impl Redirect {
    /// Of an answer; `asked` is the host that gave it, for one that names none. `None`: it is the answer.
    pub(super) fn of(value: &Value, asked: &str) -> Option<Self> {
        let Value::Error(line) = value else {
            return None;
        };
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let what = words.next()?;
        if what == "TRYAGAIN" {
            return Some(Self::Again);
        }
        if what != "MOVED" && what != "ASK" {
            return None;
        }
        let (host, port) = words.nth(1)?.rsplit_once(':')?;
        let host = if host.is_empty() { asked } else { host };
        let node = (host.to_owned(), port.parse().ok()?);
        Some(match what {
            "ASK" => Self::Ask(node),
            _ => Self::Moved(node),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_place_is_a_redirection() {
        let of = |line: &str| Redirect::of(&Value::error(line.as_bytes().to_vec()), "asked");
        let node = |host: &str| (host.to_owned(), 6381);
        assert_eq!(
            of("MOVED 3999 10.0.0.1:6381"),
            Some(Redirect::Moved(node("10.0.0.1")))
        );
        assert_eq!(of("MOVED 3999 :6381"), Some(Redirect::Moved(node("asked"))));
        assert_eq!(of("ASK 3999 ::1:6381"), Some(Redirect::Ask(node("::1"))));
        assert_eq!(of("TRYAGAIN Multiple keys"), Some(Redirect::Again));
        for other in [
            "",
            "MOVED",
            "MOVED 1",
            "MOVED 1 host",
            "MOVED 1 h:x",
            "CLUSTERDOWN The cluster is down",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(Redirect::of(&Value::simple(*b"MOVED 1 h:1"), "asked"), None);
    }
}
