//! What of a limit depends on its algorithm: window, calendar, capacity.

use super::super::super::at::{At, Shown};
use super::super::super::field::Field;
use super::super::super::raw::{self, Algorithm as Raw};
use super::super::super::scalar::{Duration, Whole, Window};
use super::super::value::{is_bearable, lasting_us};
use super::super::zones;
use super::cost::largest;
use crate::policy::{Algorithm, Calendar, CalendarUnit, Cost, Limit};

/// Shortest and longest `max_delay`, microseconds: the bridge holds an answer so long, and the request
/// its memory in Envoy.
const MAX_DELAY_US: (u64, u64) = (1_000, 30_000_000);
/// Shortest and longest life of a slot, microseconds.
const SLOT_TTL_US: (u64, u64) = (1_000_000, 86_400_000_000);
const SLOT_TTL_DEFAULT_US: u64 = 60_000_000;

/// See the fields of [`Limit`].
pub(super) struct Shape {
    pub(super) window_us: u64,
    pub(super) calendar: Option<Calendar>,
    /// `None`: as the limit.
    pub(super) burst: Option<u64>,
}

pub(super) fn shape(raw: &raw::Limit, at: &At<'_>) -> Option<Shape> {
    let window = window(raw, at);
    let zone = timezone(raw, &at.key("timezone"));
    let burst = only(&raw.burst, raw, Raw::TokenBucket, &at.key("burst"));
    let burst = burst.and_then(|burst| positive(burst, &at.key("burst")));
    let max_delay = max_delay_us(raw, &at.key("max_delay"));
    let (window_us, unit) = window?;
    let calendar = match (unit, zone?) {
        (Some(unit), zone) => Some(Calendar { unit, zone }),
        (None, _) => None,
    };
    let (burst, max_delay) = (burst?, max_delay?);
    Some(Shape {
        window_us,
        calendar,
        burst: burst.or(max_delay),
    })
}

/// The field, which no other algorithm than `wanted` may have. One that is not known is no reason.
fn only<'a, T>(
    field: &'a Field<T>,
    raw: &raw::Limit,
    wanted: Raw,
    at: &At<'_>,
) -> Option<Option<&'a T>> {
    field.value(None, |value| match raw.algorithm.given() {
        Some(&other) if other != wanted => at.fail(format!(
            "only with algorithm: {}",
            super::compiled(wanted).name()
        )),
        _ => Some(Some(value)),
    })
}

fn positive(units: Option<&Whole>, at: &At<'_>) -> Option<Option<u64>> {
    match units {
        Some(Whole(0)) => at.fail("must be > 0, got 0"),
        units => Some(units.map(|units| units.0)),
    }
}

fn window(raw: &raw::Limit, at: &At<'_>) -> Option<(u64, Option<CalendarUnit>)> {
    let at_window = at.key("window");
    if raw.algorithm.given() == Some(&Raw::Concurrency) {
        return slot_ttl_us(raw, at).map(|us| (us, None));
    }
    let slot_ttl = only(&raw.slot_ttl, raw, Raw::Concurrency, &at.key("slot_ttl"));
    let window = match raw.window.required(&at_window)? {
        Window::Lasting(window) => (lasting_us(window, &at_window)?, None),
        Window::Calendar(unit) => {
            check_calendar(*unit, raw, &at_window)?;
            (unit.longest_us(), Some(*unit))
        }
    };
    slot_ttl.map(|_| window)
}

/// Calendar windows are of different lengths, so there is no rate to derive from one.
fn check_calendar(unit: CalendarUnit, raw: &raw::Limit, at: &At<'_>) -> Option<()> {
    match raw.algorithm.given() {
        Some(Raw::FixedWindow) | None => Some(()),
        Some(_) => at.fail(format!(
            "{} only with algorithm: fixed_window; a window of the calendar has no fixed length",
            unit.name()
        )),
    }
}

fn slot_ttl_us(raw: &raw::Limit, at: &At<'_>) -> Option<u64> {
    let (at_window, at_ttl) = (at.key("window"), at.key("slot_ttl"));
    match (&raw.window, &raw.slot_ttl) {
        (Field::Bad, _) | (_, Field::Bad) => None,
        (Field::Absent, Field::Absent) => Some(SLOT_TTL_DEFAULT_US),
        (Field::Absent, Field::Given(ttl)) => between(ttl, SLOT_TTL_US, "1s to 24h", &at_ttl),
        (Field::Given(_), Field::Given(_)) => {
            at_window.fail("excludes slot_ttl: with concurrency they are the same")
        }
        (Field::Given(Window::Calendar(unit)), Field::Absent) => {
            check_calendar(*unit, raw, &at_window)?;
            None
        }
        (Field::Given(Window::Lasting(window)), Field::Absent) => {
            at_window.warn("taken for slot_ttl: concurrency has no window");
            between(window, SLOT_TTL_US, "1s to 24h", &at_window)
        }
    }
}

fn timezone(raw: &raw::Limit, at: &At<'_>) -> Option<String> {
    raw.timezone.value("UTC".to_owned(), |name| {
        let lasting = matches!(raw.window, Field::Given(Window::Lasting(_)));
        if lasting || raw.algorithm.given() == Some(&Raw::Concurrency) {
            return at.fail("only with window: day, week, month or year");
        }
        if !zones::is_known(name) {
            return at.fail(format!(
                "must be the name of an IANA time zone, as \"Europe/Berlin\" or \"UTC\", got {}",
                Shown(name)
            ));
        }
        Some(name.clone())
    })
}

fn max_delay_us(raw: &raw::Limit, at: &At<'_>) -> Option<Option<u64>> {
    if raw.algorithm.given() == Some(&Raw::LeakyBucket) {
        let delay = raw.max_delay.required(at)?;
        return between(delay, MAX_DELAY_US, "1ms to 30s", at).map(Some);
    }
    only(&raw.max_delay, raw, Raw::LeakyBucket, at).map(|_| None)
}

fn between(
    duration: &Duration,
    (least, most): (u64, u64),
    words: &str,
    at: &At<'_>,
) -> Option<u64> {
    if duration.us < least || duration.us > most {
        return at.fail(format!("must be {words}, got {}", duration.text));
    }
    Some(duration.us)
}

/// Buckets count in whole microseconds: the time of one unit is at least one, rounded up, and that of
/// all units a key can owe is a time a key may live. Shard time plus the latter then stays below 2^53.
pub(super) fn check(limit: &Limit, raw: &raw::Limit, at: &At<'_>) -> Option<()> {
    let name = match limit.algorithm {
        Algorithm::LeakyBucket | Algorithm::TokenBucket => limit.algorithm.name(),
        _ => return Some(()),
    };
    let window = raw.window.given().map_or("", Window::text);
    if limit.limit > limit.window_us {
        return at.key("limit").fail(format!(
            "must be at most {} in {window}: {name} counts in whole microseconds, got {}",
            limit.window_us, limit.limit
        ));
    }
    let lasts = |units| is_bearable(emission_us(limit).checked_mul(units));
    let rate = format!("at {} in {window}", limit.limit);
    if limit.algorithm == Algorithm::TokenBucket && !lasts(limit.burst) {
        return at.key("burst").fail(format!(
            "must refill within 366d, got {} {rate}",
            limit.burst
        ));
    }
    // What is known to be too much for a bucket is denied; what is known afterwards is charged.
    let unbounded = limit.algorithm == Algorithm::LeakyBucket
        || matches!(limit.cost, Cost::ResponseHeader { .. });
    let most = largest(&limit.cost);
    if unbounded && !lasts(most) {
        let at_cost = at.key("cost");
        let at = match limit.cost {
            Cost::Fixed(_) => at_cost,
            _ => at_cost.key("max"),
        };
        return at.fail(format!("must be worked off within 366d, got {most} {rate}"));
    }
    Some(())
}

/// The time of one unit, microseconds.
pub(super) fn emission_us(limit: &Limit) -> u64 {
    // A limit is > 0.
    limit.window_us.div_ceil(limit.limit.max(1))
}
