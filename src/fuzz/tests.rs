use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn package() -> PathBuf {
    Path::new(PACKAGE).join("tests/fuzz")
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = package().join("seeds").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn each_target_has_a_program_and_seeds_and_holds_on_them() {
    let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
    for (name, entry) in TARGETS {
        assert!(
            manifest.contains(&format!("\"targets/{name}.rs\"")),
            "{name}"
        );
        assert!(
            package().join(format!("targets/{name}.rs")).is_file(),
            "{name}"
        );
        let seeds = seeds(name);
        assert!(seeds.len() >= 2, "{name}: {} seeds", seeds.len());
        seeds.iter().for_each(|seed| entry(seed));
        entry(b"");
    }
    let programs = fs::read_dir(package().join("targets")).unwrap();
    let names = programs.map(|program| program.unwrap().file_name().into_string().unwrap());
    let ours = names.filter(|name| name.starts_with("bridge_") == OF_BRIDGE);
    assert_eq!(ours.count(), TARGETS.len(), "a program without an entry");
}

#[test]
#[should_panic(expected = "no fuzz target")]
fn a_name_that_is_none_fails() {
    run("nothing", b"");
}

proptest! {
    #[test]
    fn targets_hold_on_any_bytes(data in vec(any::<u8>(), 0..300)) {
        TARGETS.iter().for_each(|(_, entry)| entry(&data));
    }

    /// Seeds with bytes changed, cut and repeated reach further than random bytes.
    #[test]
    fn targets_hold_on_damaged_seeds(
        target in 0..TARGETS.len(),
        seed in any::<prop::sample::Index>(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..6),
    ) {
        let (name, entry) = TARGETS[target];
        let seeds = seeds(name);
        let mut data = seeds[seed.index(seeds.len())].clone();
        for (at, byte, how) in edits {
            if data.is_empty() {
                break;
            }
            let at = at.index(data.len());
            match how {
                0 => data[at] = byte,
                1 => data.insert(at, byte),
                2 => data.truncate(at),
                _ => data.extend_from_within(at..),
            }
        }
        entry(&data);
    }
}
