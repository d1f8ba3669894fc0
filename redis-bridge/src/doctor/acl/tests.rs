use super::*;

#[test]
fn the_commands_of_the_scripts_are_read_from_their_text() {
    let called = called_by_scripts();
    for known in ["GET", "SET", "HSET", "PUBLISH", "TIME", "UNLINK", "ZADD"] {
        assert!(called.contains(known), "{known} in {called:?}");
    }
    let name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
    assert!(called.iter().all(|command| name(command)), "{called:?}");
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    assert_eq!(list(&names), "c0, c1, c2, c3, c4, c5 and 2 more");
    assert_eq!(list(&names[..2]), "c0, c1");
}

#[test]
fn a_subcommand_is_named_with_its_container() {
    let call = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>();
    assert_eq!(name_of(&call(&["SCRIPT", "LOAD", "x"])), "SCRIPT LOAD");
    assert_eq!(name_of(&call(&["GET", "x"])), "GET");
}
