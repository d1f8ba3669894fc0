//! Background work by the tag its answer carries.

/// What an operation nobody waits for was about. Numbers are indices of limits, except as said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A cost that became known with the answer.
    Charge(usize),
    /// A grant of leased units, by its number.
    Lease(u32),
    /// What was charged too much.
    Return(usize),
    /// A limit that is not enforced.
    Shadow(usize),
    /// A slot whose request is over.
    Slot(usize),
    /// An answer for the cache of this index.
    Store(usize),
    /// Its outcome is not counted.
    Uncounted,
}

/// Above these bits a tag says what it is, below them which.
const KIND_SHIFT: u32 = 24;
/// Numbers a tag can hold: limits and caches are far fewer, grants wrap around.
pub(crate) const MAX_NUMBER: u32 = (1 << KIND_SHIFT) - 1;

impl Work {
    /// The tag. What has no number that fits is not counted.
    pub(crate) fn tag(self) -> u32 {
        let (kind, number) = match self {
            Self::Store(of) => (0, u32::try_from(of)),
            Self::Charge(of) => (1, u32::try_from(of)),
            Self::Lease(of) => (2, Ok(of)),
            Self::Return(of) => (3, u32::try_from(of)),
            Self::Shadow(of) => (4, u32::try_from(of)),
            Self::Slot(of) => (5, u32::try_from(of)),
            Self::Uncounted => (u8::MAX, Ok(MAX_NUMBER)),
        };
        match number {
            Ok(number) if number <= MAX_NUMBER => u32::from(kind) << KIND_SHIFT | number,
            _ => u32::MAX,
        }
    }

    /// The reverse of [`Work::tag`].
    pub(crate) fn of(tag: u32) -> Self {
        let number = tag & MAX_NUMBER;
        let Ok(index) = usize::try_from(number) else {
            return Self::Uncounted;
        };
        match tag >> KIND_SHIFT {
            0 => Self::Store(index),
            1 => Self::Charge(index),
            2 => Self::Lease(number),
            3 => Self::Return(index),
            4 => Self::Shadow(index),
            5 => Self::Slot(index),
            _ => Self::Uncounted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_says_what_it_is_about() {
        for work in [
            Work::Store(0),
            Work::Store(7),
            Work::Charge(3),
            Work::Lease(0),
            Work::Lease(MAX_NUMBER),
            Work::Return(1),
            Work::Shadow(2),
            Work::Slot(usize::try_from(MAX_NUMBER).unwrap()),
            Work::Uncounted,
        ] {
            assert_eq!(Work::of(work.tag()), work);
        }
        assert_eq!(Work::of(Work::Slot(usize::MAX).tag()), Work::Uncounted);
    }
}
