//! Calendar windows: where days, weeks, months and years meet in a time zone.
//!
//! Redis knows no calendar, so the bridge names the boundaries around its idea of Redis' time and the
//! script picks the window by Redis' clock. The time zone database is compiled in, so all bridges of one
//! release agree, whatever their machines have installed.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use std::collections::BTreeMap;
use tidegate::policy::CalendarUnit;

/// Calendars remembered, at most; policies have a handful.
const REMEMBERED: usize = 256;

/// A calendar that is none: its unit or its zone is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownCalendar;

/// Boundaries that were computed, by `unit@zone`.
#[derive(Debug, Default)]
pub(super) struct Calendars {
    known: BTreeMap<Vec<u8>, Vec<u64>>,
}

impl Calendars {
    /// Boundaries of consecutive windows of `unit@zone`, microseconds since the epoch, ascending: the
    /// window that contains `at_us`, the one before and at least one after.
    pub(super) fn bounds(&mut self, name: &[u8], at_us: u64) -> Result<&[u64], UnknownCalendar> {
        let fits = self
            .known
            .get(name)
            .is_some_and(|known| contains(known, at_us));
        if !fits {
            let found = find(name, at_us).ok_or(UnknownCalendar)?;
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            self.known.insert(name.to_vec(), found);
        }
        Ok(self.known.get(name).map_or(&[], Vec::as_slice))
    }
}

/// Whether the time is in a window with one before and one after.
fn contains(bounds: &[u64], at_us: u64) -> bool {
    match bounds {
        [_, from, .., to, _] => (*from..*to).contains(&at_us),
        _ => false,
    }
}

fn find(name: &[u8], at_us: u64) -> Option<Vec<u64>> {
    let (unit, zone) = std::str::from_utf8(name).ok()?.split_once('@')?;
    let unit = CalendarUnit::from_name(unit)?;
    let zone = TimeZone::get(zone).ok()?;
    let at = Timestamp::from_microsecond(i64::try_from(at_us).ok()?).ok()?;
    let first = first_day(unit, zone.to_datetime(at).date())?;
    // One more on each side: a day may be skipped, and one may begin twice.
    let bounds = (-2_i64..=3).filter_map(|n| begins(first, unit, n, &zone));
    let mut bounds: Vec<u64> = bounds.collect();
    bounds.dedup();
    Some(bounds)
}

/// The first day of the unit that contains this day.
fn first_day(unit: CalendarUnit, day: Date) -> Option<Date> {
    match unit {
        CalendarUnit::Day => Some(day),
        CalendarUnit::Week => {
            let since = i64::from(day.weekday().to_monday_zero_offset());
            day.checked_sub(since.days()).ok()
        }
        CalendarUnit::Month => Some(day.first_of_month()),
        CalendarUnit::Year => Some(day.first_of_year()),
    }
}

/// When the `n`-th unit after this one begins: the first instant of its first day, which is not midnight
/// where the clock jumps over it. 0 before the epoch.
fn begins(first: Date, unit: CalendarUnit, n: i64, zone: &TimeZone) -> Option<u64> {
    let span = match unit {
        CalendarUnit::Day => n.days(),
        CalendarUnit::Week => n.weeks(),
        CalendarUnit::Month => n.months(),
        CalendarUnit::Year => n.years(),
    };
    let day = first.checked_add(span).ok()?;
    let midnight = day.at(0, 0, 0, 0);
    let us = zone.to_timestamp(midnight).ok()?.as_microsecond();
    Some(u64::try_from(us).unwrap_or(0))
}

#[cfg(test)]
mod tests;
