use super::*;
use jiff::civil::date;

const HOUR: u64 = 3_600_000_000;

/// An instant, as RFC 3339 says it.
fn at(text: &str) -> u64 {
    let at: Timestamp = text.parse().unwrap();
    at.as_microsecond().cast_unsigned()
}

/// The window of `name` that contains this instant.
fn window(name: &str, instant: &str) -> (u64, u64) {
    let mut calendars = Calendars::default();
    let us = at(instant);
    let bounds = calendars.bounds(name.as_bytes(), us).unwrap();
    assert!(bounds.is_sorted() && bounds.len() >= 4, "{bounds:?}");
    let mut pairs = bounds.array_windows::<2>();
    let [from, to] = pairs.find(|[from, to]| (*from..*to).contains(&us)).unwrap();
    (*from, *to)
}

fn is(name: &str, instant: &str, from: &str, to: &str) {
    assert_eq!(
        window(name, instant),
        (at(from), at(to)),
        "{name} {instant}"
    );
}

#[test]
fn days_of_berlin_are_23_and_25_hours_when_the_clock_changes() {
    for (day, hours) in [
        ("2026-03-28T12:00:00Z", 24),
        ("2026-03-29T12:00:00Z", 23),
        ("2026-03-30T12:00:00Z", 24),
        ("2026-10-24T12:00:00Z", 24),
        ("2026-10-25T12:00:00Z", 25),
        ("2026-10-26T12:00:00Z", 24),
    ] {
        let (from, to) = window("day@Europe/Berlin", day);
        assert_eq!(to - from, hours * HOUR, "{day}");
    }
    is(
        "day@Europe/Berlin",
        "2026-03-29T00:59:59Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
    );
    is(
        "day@Europe/Berlin",
        "2026-10-25T00:30:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
    );
    is(
        "day@Europe/Berlin",
        "2026-10-25T01:30:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
    );
}

#[test]
fn longer_units_carry_the_change_of_the_clock() {
    is(
        "week@Europe/Berlin",
        "2026-03-29T12:00:00Z",
        "2026-03-22T23:00:00Z",
        "2026-03-29T22:00:00Z",
    );
    is(
        "month@Europe/Berlin",
        "2026-10-25T12:00:00Z",
        "2026-09-30T22:00:00Z",
        "2026-10-31T23:00:00Z",
    );
    is(
        "year@Europe/Berlin",
        "2026-07-01T00:00:00Z",
        "2025-12-31T23:00:00Z",
        "2026-12-31T23:00:00Z",
    );
    is(
        "month@UTC",
        "2028-02-29T23:59:59Z",
        "2028-02-01T00:00:00Z",
        "2028-03-01T00:00:00Z",
    );
}

#[test]
fn half_an_hour_at_lord_howe() {
    for (day, minutes) in [
        ("2026-04-05T01:00:00Z", 30),
        ("2026-10-04T01:00:00Z", -30_i64),
    ] {
        let (from, to) = window("day@Australia/Lord_Howe", day);
        let length = (24 * HOUR).checked_add_signed(minutes * 60_000_000);
        assert_eq!(Some(to - from), length, "{day}");
    }
}

#[test]
fn the_day_samoa_skipped_is_no_window() {
    // 2011-12-30 did not happen: it went from the 29th (UTC-10) to the 31st (UTC+14).
    is(
        "day@Pacific/Apia",
        "2011-12-30T09:59:59Z",
        "2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z",
    );
    is(
        "day@Pacific/Apia",
        "2011-12-30T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T10:00:00Z",
    );
}

#[test]
fn a_day_without_midnight_begins_where_the_clock_jumps_to() {
    // Sao Paulo, 2018-11-04: 00:00 (-03) became 01:00 (-02); 2018-02-18: 00:00 (-02) became 23:00 (-03).
    is(
        "day@America/Sao_Paulo",
        "2018-11-04T12:00:00Z",
        "2018-11-04T03:00:00Z",
        "2018-11-05T02:00:00Z",
    );
    is(
        "day@America/Sao_Paulo",
        "2018-02-18T02:30:00Z",
        "2018-02-17T02:00:00Z",
        "2018-02-18T03:00:00Z",
    );
}

#[test]
fn every_instant_is_in_exactly_one_window_and_windows_meet() {
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "America/St_Johns",
        "Pacific/Chatham",
        "Pacific/Apia",
        "Antarctica/Troll",
    ];
    for zone in zones {
        for unit in CalendarUnit::ALL {
            let name = format!("{}@{zone}", unit.name());
            let mut calendars = Calendars::default();
            let mut us = at("2010-12-25T00:00:00Z");
            let mut last_end = None;
            while us < at("2013-01-10T00:00:00Z") {
                let bounds = calendars.bounds(name.as_bytes(), us).unwrap();
                assert!(bounds.array_windows().all(|[a, b]| a < b), "{name}");
                let mut pairs = bounds.array_windows::<2>();
                let [from, to] = pairs.find(|[from, to]| (*from..*to).contains(&us)).unwrap();
                assert!(to - from <= unit.longest_us() + 24 * HOUR, "{name}");
                if let Some(end) = last_end.filter(|_| unit == CalendarUnit::Day) {
                    assert!(us < end || *from == end, "{name} {us}");
                }
                last_end = Some(*to);
                us += 11 * HOUR + 1;
            }
        }
    }
}

#[test]
fn what_is_no_calendar_is_refused() {
    let mut calendars = Calendars::default();
    for name in [
        "day",
        "day@",
        "day@Nowhere/Atall",
        "hour@UTC",
        "@UTC",
        "Day@UTC",
        "",
    ] {
        let us = at("2026-11-21T00:00:00Z");
        assert_eq!(
            calendars.bounds(name.as_bytes(), us),
            Err(UnknownCalendar),
            "{name}"
        );
    }
}

#[test]
fn a_time_that_is_not_known_yet_still_has_windows() {
    let mut calendars = Calendars::default();
    assert!(calendars.bounds(b"month@Europe/Berlin", 0).is_ok());
}

#[test]
fn a_week_begins_on_monday() {
    let monday = date(2026, 11, 23);
    for n in 0..7 {
        let day = monday.checked_add(n.days()).unwrap();
        assert_eq!(first_day(CalendarUnit::Week, day), Some(monday));
    }
}
