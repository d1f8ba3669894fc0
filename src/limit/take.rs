//! A limit as it is named to a bridge.

use crate::policy::Limit;
use crate::wire::op::{Take, TakeOptions};

impl Limit {
    /// A take of nothing from a key, with what every operation on it says; `calendar`: its window of the
    /// calendar, as it travels.
    pub(crate) fn take<'a>(&'a self, subject: &'a [u8; 16], calendar: Option<&'a str>) -> Take<'a> {
        Take {
            algorithm: self.algorithm.name().as_bytes(),
            subject,
            id: &self.id,
            limit: self.limit,
            window_us: self.window_us,
            burst: self.burst,
            cost: 0,
            options: TakeOptions {
                calendar: calendar.map(str::as_bytes),
                overridable: self.overridable.then_some(self.name.as_bytes()),
                ..TakeOptions::default()
            },
        }
    }
}
