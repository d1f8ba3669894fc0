use super::*;

fn read(text: &str) -> Option<Vec<(String, Value)>> {
    dictionary(text.as_bytes())
}

fn one(text: &str) -> Option<Value> {
    read(text)?.pop().map(|(_, value)| value)
}

#[test]
fn rfc9651_4_2_2_members_with_and_without_values() {
    assert_eq!(read(""), Some(Vec::new()));
    assert_eq!(
        read("max-age=60, no-store;why=\"x\" ,\tfoo=?0"),
        Some(vec![
            ("max-age".to_owned(), Value::Integer(60)),
            ("no-store".to_owned(), Value::Boolean(true)),
            ("foo".to_owned(), Value::Boolean(false)),
        ])
    );
}

#[test]
fn rfc9651_4_2_2_the_last_of_one_key_counts() {
    let twice = read("a=1, b, a=2").unwrap();
    assert_eq!(twice.len(), 2);
    assert_eq!(twice.last(), Some(&("a".to_owned(), Value::Integer(2))));
}

#[test]
fn rfc9651_3_3_every_type_is_known() {
    for (text, value) in [
        ("a=-15", Value::Integer(-15)),
        ("a=999999999999999", Value::Integer(999_999_999_999_999)),
        ("a=1.5", Value::Other),
        ("a=tok/en:*", Value::Other),
        ("a=:aGk=:", Value::Other),
        ("a=@1659578233", Value::Other),
        ("a=%\"f%c3%bc\"", Value::Other),
        ("a=(1 \"b\";c  d)", Value::Other),
        ("a=()", Value::Other),
        (r#"a="x\"y\\""#, Value::String(b"x\"y\\".to_vec())),
    ] {
        assert_eq!(one(text), Some(value), "{text}");
    }
}

#[test]
fn rfc9651_4_2_one_byte_too_many_and_there_is_no_dictionary() {
    for text in [
        "max-age=10000, &&&&&",
        "max-age =100",
        "max-age= 100",
        "Max-Age=1",
        "a,",
        "a,,b",
        ",a",
        "a b",
        "a=",
        "a=1000000000000000",
        "a=1.",
        "a=1.2345",
        "a=1234567890123.1",
        "a=-",
        "a=--1",
        "a=\"x",
        "a=\"\\x\"",
        "a=\"\u{fc}\"",
        "a=?2",
        "a=:x",
        "a=@1.5",
        "a=%\"%C3\"",
        "a=(1",
        "a=(1,2)",
        "a=(1\"b\")",
        "a;",
        "a;B",
        "a=1;b=",
        "\u{fc}=1",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_field_is_read(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
        crate::cache::fuzz::fuzz_targeted(&data);
    }
}
