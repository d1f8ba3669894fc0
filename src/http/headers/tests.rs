use super::*;
use proptest::prelude::*;

fn sample() -> Headers {
    Headers::from_pairs([
        ("Accept", "a"),
        ("X-One", "1"),
        ("ACCEPT", "b"),
        ("x-two", "\u{0}\u{ff}"),
    ])
}

#[test]
fn names_are_lower_cased_and_lines_keep_their_order() {
    let names: Vec<_> = sample().iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["accept", "x-one", "accept", "x-two"]);
    assert_eq!(sample().all("accept").collect::<Vec<_>>(), [b"a", b"b"]);
}

#[test]
fn a_repeated_field_has_no_only_value() {
    let headers = sample();
    assert_eq!(headers.only("x-one"), Some(&b"1"[..]));
    assert_eq!(headers.only("accept"), None);
    assert_eq!(headers.only("absent"), None);
    assert!(headers.contains("accept") && !headers.contains("absent"));
}

#[test]
fn set_leaves_one_line_at_the_first_ones_place() {
    let mut headers = sample();
    headers.set("Accept", "c");
    headers.set("New", "n");
    let lines: Vec<_> = headers
        .iter()
        .map(|(n, v)| (n.to_owned(), v.to_vec()))
        .collect();
    assert_eq!(lines[0], ("accept".to_owned(), b"c".to_vec()));
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[3], ("new".to_owned(), b"n".to_vec()));
}

#[test]
fn remove_takes_every_line() {
    let mut headers = sample();
    assert!(headers.remove("accept"));
    assert!(!headers.remove("accept"));
    assert!(headers.remove_if(|name, value| name == "x-one" && value == b"1"));
    assert_eq!(headers.len(), 1);
}

#[test]
fn bytes_that_are_no_utf8_survive_in_values_and_name_nothing_in_names() {
    let headers = Headers::from_pairs([(&b"x-\xff"[..], &b"\xfe\xff"[..])]);
    assert_eq!(
        headers.iter().next().map(|(_, v)| v.to_vec()),
        Some(b"\xfe\xff".to_vec())
    );
    assert!(!headers.contains("x-"));
}

/// What Envoy does with the changes.
fn carry_out(mut lines: Vec<(String, Vec<u8>)>, headers: &Headers) -> Vec<(String, Vec<u8>)> {
    for change in headers.changes() {
        match change {
            Change::Add(name, value) => lines.push((name.to_owned(), value.to_vec())),
            Change::Remove(name) => lines.retain(|(other, _)| other != name),
        }
    }
    lines
}

#[test]
fn untouched_fields_are_no_changes() {
    let mut headers = sample();
    assert_eq!(headers.changes().count(), 0);
    headers.append("accept", "c");
    let added = Change::Add("accept", b"c");
    assert_eq!(headers.changes().collect::<Vec<_>>(), [added]);
    headers.remove("x-one");
    let removed = Change::Remove("x-one");
    assert_eq!(headers.changes().collect::<Vec<_>>(), [removed, added]);
}

proptest! {
    #[test]
    fn changes_lead_from_the_fields_there_were_to_those_there_are(
        pairs in prop::collection::vec(("[a-d]", "[x-z]"), 0..8),
        edits in prop::collection::vec((0..4, "[a-d]", "[x-z]"), 0..8),
    ) {
        let before = Headers::from_pairs(pairs);
        let mut after = before.clone();
        for (kind, name, value) in &edits {
            match kind {
                0 => after.append(name, value.as_str()),
                1 => after.set(name, value.as_str()),
                2 => drop(after.remove_if(|n, v| n == name && v == value.as_bytes())),
                _ => after.edit(|n, v| match (n == name, v == value.as_bytes()) {
                    (true, true) => Line::Drop,
                    (true, false) => Line::Set([v, b"!"].concat()),
                    _ => Line::Keep,
                }),
            }
        }
        let by_name = |mut lines: Vec<(String, Vec<u8>)>| {
            lines.sort_by(|(a, _), (b, _)| a.cmp(b));
            lines
        };
        let reached = carry_out(before.into_pairs(), &after);
        prop_assert_eq!(by_name(reached), by_name(after.into_pairs()));
    }

    #[test]
    fn pairs_come_back_as_they_went_in(pairs in prop::collection::vec(("[a-z-]{1,8}", any::<Vec<u8>>()), 0..12)) {
        let headers = Headers::from_pairs(pairs.clone());
        prop_assert_eq!(headers.into_pairs(), pairs);
    }

    #[test]
    fn set_then_only(pairs in prop::collection::vec(("[a-c]", any::<Vec<u8>>()), 0..12), value in any::<Vec<u8>>()) {
        let mut headers = Headers::from_pairs(pairs.clone());
        headers.set("b", value.clone());
        prop_assert_eq!(headers.only("b"), Some(&value[..]));
        let others = |pairs: Vec<(String, Vec<u8>)>| pairs.into_iter().filter(|(n, _)| n != "b").collect::<Vec<_>>();
        prop_assert_eq!(others(headers.into_pairs()), others(pairs));
    }
}
