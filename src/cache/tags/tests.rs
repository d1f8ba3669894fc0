use super::*;

fn tags(lines: &[&str]) -> Option<Vec<Vec<u8>>> {
    let headers = Headers::from_pairs(lines.iter().map(|line| ("surrogate-key", *line)));
    of_response(&headers, Some("surrogate-key"))
}

#[test]
fn tags_are_separated_by_space_or_comma_and_each_counts_once() {
    assert_eq!(
        tags(&["a b,c", " b\td ,, "]),
        Some([b"a", b"b", b"c", b"d"].map(|t| t.to_vec()).to_vec())
    );
    assert_eq!(tags(&[]), Some(Vec::new()));
    assert_eq!(
        of_response(&Headers::from_pairs([("surrogate-key", "a")]), None),
        Some(Vec::new())
    );
}

#[test]
fn an_answer_with_a_tag_that_cannot_be_kept_has_no_tags_at_all() {
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("t{i}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(tags(&[&many(MAX_TAGS)]).map(|t| t.len()), Some(MAX_TAGS));
    assert_eq!(tags(&[&many(MAX_TAGS + 1)]), None);
    assert_eq!(
        tags(&[&format!("{} t0", many(MAX_TAGS))]).map(|t| t.len()),
        Some(MAX_TAGS)
    );
    assert!(tags(&[&"x".repeat(MAX_TAG)]).is_some());
    assert_eq!(tags(&[&"x".repeat(MAX_TAG + 1)]), None);
}
