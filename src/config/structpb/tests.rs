#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::super::at::{At, Report};
use super::super::tree;
use super::*;
use proptest::prelude::*;

/// What a protobuf library writes.
fn encode(node: &Node) -> Vec<u8> {
    match node {
        Node::Null => vec![0x08, 0],
        Node::Bool(b) => vec![0x20, u8::from(*b)],
        Node::Number(n) => [&[0x11][..], &n.to_le_bytes()].concat(),
        Node::Text(text) => tagged(0x1a, text.as_bytes()),
        Node::List(list) => {
            let items: Vec<u8> = list.iter().flat_map(|v| tagged(0x0a, &encode(v))).collect();
            tagged(0x32, &items)
        }
        Node::Map(_) => tagged(0x2a, &encode_struct(node)),
    }
}

fn encode_struct(node: &Node) -> Vec<u8> {
    let Node::Map(map) = node else {
        panic!("a Struct is a mapping")
    };
    let entry = |(name, value): (&String, &Node)| {
        let both = [tagged(0x0a, name.as_bytes()), tagged(0x12, &encode(value))];
        tagged(0x0a, &both.concat())
    };
    map.iter().flat_map(entry).collect()
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(bytes);
    out
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        (-1e9..1e9).prop_map(Node::Number),
        ".{0,200}".prop_map(Node::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            prop::collection::btree_map(".{0,20}", inner, 0..4).prop_map(Node::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_a_library_writes_is_read(map in prop::collection::btree_map(".{0,20}", node(), 1..5)) {
        let node = Node::Map(map);
        prop_assert_eq!(decode(&encode_struct(&node)), Some(node));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn cut_short_it_is_nothing(map in prop::collection::btree_map("[a-z]{1,9}", node(), 1..2), cut in 1_usize..9) {
        let bytes = encode_struct(&Node::Map(map));
        prop_assert_eq!(decode(&bytes[..bytes.len().saturating_sub(cut)]), None);
    }
}

#[test]
fn json_is_not_taken_for_it() {
    for json in [
        "\n{\n    \"version\": 1,\n \"namespace\": \"tg\"}",
        "{}",
        "",
        "\n",
        "\n{}",
        "\n\n",
    ] {
        assert_eq!(decode(json.as_bytes()), None, "{json:?}");
    }
}

#[test]
fn nesting_and_number_of_values_are_bounded() {
    let deep = (0..40).fold(Node::Null, |inner, _| {
        Node::Map([("a".to_owned(), inner)].into())
    });
    assert_eq!(decode(&encode_struct(&deep)), None);
    let many = vec![Node::Null; usize::try_from(MAX_VALUES).unwrap() + 1];
    let many = Node::Map([("a".to_owned(), Node::List(many))].into());
    assert_eq!(decode(&encode_struct(&many)), None);
}

#[test]
fn both_forms_of_a_configuration_are_the_same_tree() {
    let json = br#"{"version":1,"a":[true,null,"x",{"b":-2.5}]}"#;
    let report = Report::default();
    let tree = tree::read(json, &At::root(&report)).unwrap();
    assert_eq!(
        tree::read(&encode_struct(&tree), &At::root(&report)),
        Some(tree)
    );
}
