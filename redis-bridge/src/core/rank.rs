//! What is refused first when too much is pending: the cache, which falls through to the upstream, then
//! limits, which have their `on_error`, and sessions last, whose refusal is a 503.

use tidegate::wire::resp::Value as Wire;

/// How much an exchange matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Nothing but the cache.
    Cache,
    /// A limit.
    Limit,
    /// A session; and whatever a person asks for.
    Session,
}

impl Rank {
    /// Of the operation that matters most.
    pub(super) fn of(ops: &[Wire<'_>]) -> Self {
        ops.iter().map(of).max().unwrap_or(Self::Session)
    }

    /// Its part of a bound: what is above it is kept for those that matter more.
    pub(super) fn share(self, bound: usize) -> usize {
        match self {
            Self::Cache => bound.div_ceil(2),
            Self::Limit => bound - bound / 8,
            Self::Session => bound,
        }
    }
}

/// By the verb; what is no operation is refused in any case, and costs nothing.
fn of(op: &Wire<'_>) -> Rank {
    let verb = match op {
        Wire::Array(items) => items.first(),
        _ => None,
    };
    match verb {
        Some(Wire::Bulk(verb)) if verb.starts_with(b"CACHE.") => Rank::Cache,
        Some(Wire::Bulk(verb)) if verb.starts_with(b"LIMIT.") => Rank::Limit,
        _ => Rank::Session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_that_matters_most_decides() {
        let op = |verb: &'static [u8]| Wire::Array(vec![Wire::Bulk(verb)]);
        let (get, take, put) = (op(b"SESSION.GET"), op(b"LIMIT.TAKE"), op(b"CACHE.PUT"));
        assert_eq!(Rank::of(std::slice::from_ref(&put)), Rank::Cache);
        assert_eq!(Rank::of(&[put.clone(), take.clone()]), Rank::Limit);
        assert_eq!(Rank::of(&[take, get, put]), Rank::Session);
        assert_eq!(Rank::of(&[]), Rank::Session);
    }

    #[test]
    fn a_share_is_never_nothing() {
        for rank in [Rank::Cache, Rank::Limit, Rank::Session] {
            for bound in 1..100 {
                assert!((1..=bound).contains(&rank.share(bound)));
            }
        }
    }
}
