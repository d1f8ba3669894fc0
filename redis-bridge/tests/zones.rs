//! The filter's table of time zones is that of the database that the bridge computes calendars with.
//! After an update of `jiff`: `BLESS=1 cargo test -p redis-bridge --test zones`.

use jiff::tz::TimeZoneDatabase;
use std::collections::BTreeSet;
use std::path::Path;
use tidegate::config::zones;

const TABLE: &str = "../src/config/compile/zones/table.rs";

fn names() -> Vec<String> {
    let database = TimeZoneDatabase::bundled();
    database.available().map(|name| name.to_string()).collect()
}

/// The table as a source file, eight hashes a line as rustfmt puts them.
fn table(hashes: &BTreeSet<u32>) -> String {
    let hashes: Vec<_> = hashes.iter().map(|hash| format!("{hash:#010x}")).collect();
    let lines: Vec<_> = hashes.chunks(8).map(|line| line.join(", ")).collect();
    format!(
        "//! Written by `BLESS=1 cargo test -p redis-bridge --test zones`.\n\n\
         /// [`super::hash`] of each name, sorted.\n\
         #[rustfmt::skip]\n\
         pub const HASHES: [u32; {}] = [\n    {},\n];\n",
        hashes.len(),
        lines.join(",\n    ")
    )
}

#[test]
fn the_filter_knows_the_zones_of_the_bridge_and_no_other() {
    let names = names();
    let hashes: BTreeSet<u32> = names.iter().map(|name| zones::hash(name)).collect();
    assert_eq!(hashes.len(), names.len(), "two names with one hash");
    if std::env::var_os("BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
        std::fs::write(path, table(&hashes)).unwrap();
        return;
    }
    let known: BTreeSet<u32> = zones::HASHES.into_iter().collect();
    assert!(
        known == hashes && zones::HASHES.is_sorted(),
        "{} names the filter does not know, {} it should not; to mend it: \
         BLESS=1 cargo test -p redis-bridge --test zones",
        hashes.difference(&known).count(),
        known.difference(&hashes).count()
    );
}

#[test]
fn mistyped_names_are_not_known() {
    for name in [
        "Europe/Berlin",
        "UTC",
        "America/Port-au-Prince",
        "Etc/GMT+5",
    ] {
        assert!(zones::is_known(name), "{name}");
    }
    let names = names();
    let known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut tried = 0;
    for name in &names {
        for (at, _) in name.char_indices() {
            let left_out = format!("{}{}", &name[..at], &name[at + 1..]);
            let twice = format!("{}{}", &name[..=at], &name[at..]);
            for wrong in [left_out, twice, name.to_lowercase(), name.to_uppercase()] {
                if !known.contains(wrong.as_str()) {
                    tried += 1;
                    assert!(!zones::is_known(&wrong), "{wrong} for {name}");
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

/// What travels is `unit@zone`, bounded and of few characters.
#[test]
fn every_name_can_travel() {
    use tidegate::policy::{Calendar, CalendarUnit};
    for zone in names() {
        let calendar = Calendar {
            unit: CalendarUnit::Month,
            zone,
        };
        let wire = calendar.to_wire();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-/@_".contains(&b);
        assert!(wire.len() <= 64 && wire.bytes().all(plain), "{wire}");
    }
}
