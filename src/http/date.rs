//! HTTP-date (RFC 9110, 5.6.7): three forms in, one out.

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY_S: i64 = 86_400;

/// Seconds since the epoch of an IMF-fixdate, an RFC 850 date or an asctime date; `None` for anything
/// else. Names are case-sensitive, as the grammar has them; the name of the day is not compared with
/// the date.
///
/// `now_s` places two-digit years: one that would be more than 50 years ahead is the past one with
/// those digits. Without it, years below 70 are of this century.
pub fn parse(text: &[u8], now_s: Option<i64>) -> Option<i64> {
    let text = text.trim_ascii();
    if text.len() > 40 {
        return None;
    }
    let text = core::str::from_utf8(text).ok()?;
    let Some((name, rest)) = text.split_once(", ") else {
        let parts: Vec<&str> = text.split(' ').collect();
        let (name, month, day, time, year) = match parts[..] {
            [name, month, "", day, time, year] if day.len() == 1 => (name, month, day, time, year),
            [name, month, day, time, year] if day.len() == 2 => (name, month, day, time, year),
            _ => return None,
        };
        DAYS.contains(&name).then_some(())?;
        return seconds(number(year, 4)?, month, number(day, day.len())?, time);
    };
    let parts: Vec<&str> = rest.split(' ').collect();
    match parts[..] {
        [day, month, year, time, "GMT"] if DAYS.contains(&name) => {
            seconds(number(year, 4)?, month, number(day, 2)?, time)
        }
        [date, time, "GMT"] if LONG_DAYS.contains(&name) => {
            let parts: Vec<&str> = date.split('-').collect();
            let [day, month, year] = parts[..] else {
                return None;
            };
            let year = full_year(number(year, 2)?, now_s);
            seconds(year, month, number(day, 2)?, time)
        }
        _ => None,
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`; years are clamped to 0000-9999.
pub fn imf_fixdate(seconds: i64) -> String {
    let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
    let days = seconds.div_euclid(DAY_S);
    let time = seconds.rem_euclid(DAY_S);
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index).copied())
            .unwrap_or_default()
    };
    // Day 0 was a Thursday.
    let weekday = name(&DAYS, days.saturating_add(3).rem_euclid(7));
    let month = name(&MONTHS, month.saturating_sub(1));
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn full_year(short: i64, now_s: Option<i64>) -> i64 {
    let Some(now_s) = now_s else {
        return short.saturating_add(if short < 70 { 2000 } else { 1900 });
    };
    let (this_year, _, _) = civil(now_s.div_euclid(DAY_S));
    let latest = this_year.saturating_add(50);
    let ahead = latest.saturating_sub(short).rem_euclid(100);
    latest.saturating_sub(ahead)
}

fn seconds(year: i64, month: &str, day: i64, time: &str) -> Option<i64> {
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = i64::try_from(month).ok()?.saturating_add(1);
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return None;
    };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let days = days(year, month, day);
    let exists = civil(days) == (year, month, day);
    // 60 is a leap second.
    if !exists || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let time = hour
        .saturating_mul(3600)
        .saturating_add(minute.saturating_mul(60))
        .saturating_add(second);
    Some(days.saturating_mul(DAY_S).saturating_add(time))
}

/// Days since the epoch of a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level
/// date algorithms", `days_from_civil`).
#[expect(
    clippy::arithmetic_side_effects,
    reason = "|year| < 10^5, month and day < 100"
)]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month, day of a day since the epoch: the reverse of [`days`] (`civil_from_days`).
#[expect(clippy::arithmetic_side_effects, reason = "clamped to +-10^9 days")]
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.clamp(-1_000_000_000, 1_000_000_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
