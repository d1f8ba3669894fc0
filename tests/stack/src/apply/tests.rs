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
