use super::*;

#[test]
fn a_saved_file_is_noticed_once() {
    let file = std::env::temp_dir().join(format!("tidegate-watch-{}", std::process::id()));
    std::fs::write(&file, "a").unwrap();
    let mut watch = Watch::new(&file);
    assert!(!watch.changed());
    std::fs::write(&file, "ab").unwrap();
    assert!(watch.changed());
    assert!(!watch.changed());
    // Editors that save by a move leave nothing there for a moment.
    std::fs::remove_file(&file).unwrap();
    assert!(!watch.changed());
    std::fs::write(&file, "abc").unwrap();
    assert!(watch.changed());
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn of_a_log_only_what_is_new_and_severe_is_told() {
    let old = "[1][error] long ago\n";
    let new = "[2][info] x\n[2][error] limits.a.window: 0\n[2][critical] failed\n";
    let told = complaints(&format!("{old}{new}"), old.len());
    assert_eq!(told, "[2][error] limits.a.window: 0\n[2][critical] failed");
}
