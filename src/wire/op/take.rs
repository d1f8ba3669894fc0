//! One limit of a `LIMIT.TAKE` or `LIMIT.RETURN`: seven arguments, then its options as upper-case words.
//! No algorithm has such a name, so the next limit's first argument ends the options.

use super::{MAX_EXACT, MAX_NAME, MAX_TTL_MS, OpError, Take, TakeOptions, fixed, next, number};
use crate::wire::resp;

/// Longest `unit@zone`, bytes.
const MAX_CALENDAR: usize = 64;

impl<'a> Take<'a> {
    /// How many arguments it has.
    pub(super) fn items(&self) -> usize {
        let options = &self.options;
        let pairs = [
            options.calendar.is_some(),
            options.lease.is_some(),
            options.need.is_some(),
            options.overridable.is_some(),
            options.slot.is_some(),
        ];
        let pairs = pairs.into_iter().filter(|set| *set).count();
        pairs
            .saturating_mul(2)
            .saturating_add(usize::from(options.force))
            .saturating_add(7)
    }

    /// Appends its arguments.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        resp::bulk(out, self.algorithm);
        resp::bulk(out, self.subject);
        resp::bulk(out, self.id);
        resp::bulk_int(out, self.limit);
        resp::bulk_int(out, self.window_us);
        resp::bulk_int(out, self.burst);
        resp::bulk_int(out, self.cost);
        let options = &self.options;
        if let Some(calendar) = options.calendar {
            resp::bulk(out, b"CALENDAR");
            resp::bulk(out, calendar);
        }
        if options.force {
            resp::bulk(out, b"FORCE");
        }
        if let Some(lease) = options.lease {
            resp::bulk(out, b"LEASE");
            resp::bulk_int(out, lease);
        }
        if let Some(need) = options.need {
            resp::bulk(out, b"NEED");
            resp::bulk_int(out, need);
        }
        if let Some(name) = options.overridable {
            resp::bulk(out, b"OVERRIDE");
            resp::bulk(out, name);
        }
        if let Some(slot) = options.slot {
            resp::bulk(out, b"SLOT");
            resp::bulk(out, slot);
        }
    }

    /// Takes one limit off the arguments.
    pub(super) fn parse(args: &mut &[&'a [u8]]) -> Result<Self, OpError> {
        let algorithm = next(args)?;
        if algorithm.is_empty() || algorithm.len() > MAX_NAME {
            return Err(OpError::Argument("algorithm"));
        }
        Ok(Self {
            algorithm,
            subject: fixed(next(args)?, "subject")?,
            id: fixed(next(args)?, "id")?,
            limit: number(next(args)?, 1, MAX_EXACT, "limit")?,
            window_us: number(next(args)?, 1, MAX_TTL_MS.saturating_mul(1000), "window_us")?,
            burst: number(next(args)?, 0, MAX_EXACT, "burst")?,
            cost: number(next(args)?, 0, MAX_EXACT, "cost")?,
            options: TakeOptions::parse(args)?,
        })
    }
}

impl<'a> TakeOptions<'a> {
    /// One spelling only: in this order, each at most once.
    fn parse(args: &mut &[&'a [u8]]) -> Result<Self, OpError> {
        let mut options = Self::default();
        if word(args, b"CALENDAR") {
            options.calendar = Some(text(next(args)?, MAX_CALENDAR, "calendar")?);
        }
        options.force = word(args, b"FORCE");
        if word(args, b"LEASE") {
            options.lease = Some(number(next(args)?, 1, MAX_EXACT, "lease")?);
        }
        if word(args, b"NEED") {
            options.need = Some(number(next(args)?, 0, MAX_EXACT, "need")?);
        }
        if word(args, b"OVERRIDE") {
            options.overridable = Some(text(next(args)?, MAX_NAME, "override")?);
        }
        if word(args, b"SLOT") {
            options.slot = Some(fixed(next(args)?, "slot")?);
        }
        Ok(options)
    }
}

/// Takes `word` off the arguments, when it is the first of them.
fn word(args: &mut &[&[u8]], word: &[u8]) -> bool {
    match args.split_first() {
        Some((first, rest)) if *first == word => {
            *args = rest;
            true
        }
        _ => false,
    }
}

/// Part of a Redis key or of a log line: letters, digits and a little punctuation.
fn text<'a>(text: &'a [u8], max: usize, name: &'static str) -> Result<&'a [u8], OpError> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"+-/@_".contains(b);
    if text.is_empty() || text.len() > max || !text.iter().all(plain) {
        return Err(OpError::Argument(name));
    }
    Ok(text)
}
