use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Any value that survives its own encoding: lines without CR and LF.
pub(in crate::wire) fn owned_value() -> impl Strategy<Value = Owned> {
    let line = || {
        vec(any::<u8>(), 0..20).prop_map(|mut line| {
            line.retain(|b| !matches!(b, b'\r' | b'\n'));
            line
        })
    };
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Owned::Bulk),
        "[\r\n{}\0*$:+-]{0,8}".prop_map(|s| Owned::Bulk(s.into_bytes())),
        line().prop_map(Owned::Simple),
        line().prop_map(Owned::Error),
        any::<i64>().prop_map(Owned::Integer),
        (-3_i64..3).prop_map(Owned::Integer),
        Just(Owned::Null),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| vec(inner, 0..6).prop_map(Owned::Array))
}

/// A [`Value`] that owns its bytes, for strategies.
#[derive(Debug, Clone)]
pub(in crate::wire) enum Owned {
    Array(Vec<Owned>),
    Bulk(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Null,
    Simple(Vec<u8>),
}

impl Owned {
    pub(in crate::wire) fn value(&self) -> Value<'_> {
        match self {
            Self::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Bulk(bytes) => Value::Bulk(bytes),
            Self::Error(line) => Value::Error(line),
            Self::Integer(n) => Value::Integer(*n),
            Self::Null => Value::Null,
            Self::Simple(line) => Value::Simple(line),
        }
    }
}

fn encoded(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

proptest! {
    #[test]
    fn x6_what_is_encoded_decodes_to_itself(values in vec(owned_value(), 0..5)) {
        let values: Vec<_> = values.iter().map(Owned::value).collect();
        let bytes: Vec<u8> = values.iter().flat_map(encoded).collect();
        prop_assert_eq!(decode_all(&bytes), Ok(values));
    }

    #[test]
    fn x6_any_bytes_return(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_all(&bytes);
    }

    #[test]
    fn x6_any_resp_like_bytes_return_and_what_decodes_encodes_to_the_same_bytes(
        text in "([*$:+-]|-?[0-3]|\r\n|[a-z]){0,60}",
    ) {
        if let Ok(values) = decode_all(text.as_bytes()) {
            let again: Vec<u8> = values.iter().flat_map(encoded).collect();
            // The two nulls are the only two spellings of one value.
            prop_assert_eq!(again, text.replace("*-1\r\n", "$-1\r\n").into_bytes());
        }
    }

    #[test]
    fn a_value_cut_anywhere_is_incomplete(value in owned_value()) {
        let bytes = encoded(&value.value());
        prop_assert_eq!(decode_all(b""), Ok(vec![]));
        for cut in 1..bytes.len() {
            prop_assert_eq!(decode_all(&bytes[..cut]), Err(DecodeError::Incomplete), "at {}", cut);
        }
    }

    #[test]
    fn what_follows_a_value_is_left_alone(value in owned_value(), rest in vec(any::<u8>(), 0..20)) {
        let mut bytes = encoded(&value.value());
        bytes.extend_from_slice(&rest);
        let mut decoder = Decoder::new(&bytes, Bounds::default());
        prop_assert_eq!(decoder.next_value(), Ok(Some(value.value())));
        prop_assert_eq!(decoder.rest(), &rest[..]);
    }

    #[test]
    fn integers_are_canonical(n in any::<i64>(), pad in "[+0 ]|00|-0") {
        prop_assert_eq!(parse_int(n.to_string().as_bytes()), Some(n));
        prop_assert_eq!(parse_int(format!("{pad}{}", n.unsigned_abs()).as_bytes()), None);
        let mut bulk = Vec::new();
        bulk_int(&mut bulk, n.unsigned_abs());
        let text = n.unsigned_abs().to_string();
        prop_assert_eq!(bulk, format!("${}\r\n{text}\r\n", text.len()).into_bytes());
    }
}

#[test]
fn lines_cannot_be_broken_out_of() {
    for value in [Value::Simple(b"a\r\n:1"), Value::Error(b"a\r\n:1")] {
        let bytes = encoded(&value);
        let values = decode_all(&bytes).unwrap();
        assert!(matches!(
            values[..],
            [Value::Simple(b"a  :1") | Value::Error(b"a  :1")]
        ));
    }
}

#[test]
fn bulk_strings_hold_any_bytes() {
    for bytes in [
        &b"\r\n"[..],
        b"\0",
        b"\xff\xfe",
        b"{tag}",
        b"$5\r\nhello\r\n",
        b"*1\r\n",
        b"",
    ] {
        let encoded = encoded(&Value::Bulk(bytes));
        assert_eq!(decode_all(&encoded), Ok(vec![Value::Bulk(bytes)]));
    }
}

#[test]
fn malformed_input_is_refused_by_kind() {
    use DecodeError::{Depth, Incomplete, Items, Number, Syntax};
    let table: &[(&[u8], DecodeError)] = &[
        (b"$-2\r\n", Number),
        (b"*-2\r\n", Number),
        (b"$+1\r\na\r\n", Number),
        (b"$01\r\na\r\n", Number),
        (b"$ 1\r\na\r\n", Number),
        (b"$\r\n", Number),
        (b"$1a\r\n", Number),
        (b":\r\n", Number),
        (b":-\r\n", Number),
        (b":-0\r\n", Number),
        (b":1.5\r\n", Number),
        (b":9223372036854775808\r\n", Number),
        (b":-9223372036854775809\r\n", Number),
        (b"$536870913\r\n", Number),
        (b"$536870912\r\n", Incomplete),
        (b"$99999999999999999999\r\n", Number),
        (b"*2147483647\r\n", Number),
        (b"*536870912\r\n", Items),
        (b"*16384\r\n", Items),
        (b"*16383\r\n", Incomplete),
        (b"PING\r\n", Syntax),
        (b"PING", Syntax),
        (b"GET / HTTP/1.1\r\n", Syntax),
        (b"\r\n", Syntax),
        (b"\0", Syntax),
        (b"_\r\n", Syntax),
        (b"#t\r\n", Syntax),
        (b"%1\r\n+a\r\n+b\r\n", Syntax),
        (b"+a\nb\r\n", Syntax),
        (b"+a\rb\r\n", Syntax),
        (b"$1\r\nab\r\n", Syntax),
        (b"$2\r\na\r\n\r\n", Syntax),
        (b"$1\r\na\n\n", Syntax),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", Depth),
    ];
    for (input, error) in table {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(decode_all(input), Err(*error), "{shown:?}");
    }
}

#[test]
fn six_arrays_may_be_nested() {
    assert!(decode_all(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n").is_ok());
    assert!(decode_all(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n").is_ok());
}

/// Found by reading: a first byte that is no type, or a length without an end, was "incomplete" until
/// a line end came, so a reader of a stream would have kept buffering it.
#[test]
fn garbage_without_a_line_end_is_refused_at_once() {
    assert_eq!(decode_all(b"hello"), Err(DecodeError::Syntax));
    assert_eq!(
        decode_all(&[b"$", &[b'1'; 21][..]].concat()),
        Err(DecodeError::Number)
    );
    assert_eq!(
        decode_all(&[b"*", &[b'0'; 1 << 20][..]].concat()),
        Err(DecodeError::Number)
    );
    assert_eq!(
        decode_all(b":-922337203685477580"),
        Err(DecodeError::Incomplete)
    );
    assert_eq!(
        decode_all(b":-9223372036854775808"),
        Err(DecodeError::Incomplete)
    );
    assert_eq!(
        decode_all(b":-9223372036854775808\r"),
        Err(DecodeError::Incomplete)
    );
    assert_eq!(
        decode_all(b":-9223372036854775808\r\n"),
        Ok(vec![Value::Integer(i64::MIN)])
    );
}

/// faults.md, I7. Address space is the measure: what is only announced must not even be reserved.
#[test]
#[cfg(target_os = "linux")]
fn i7_bombs_cost_no_memory() {
    let peak_kib = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmPeak:")).unwrap();
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    let bombs = [
        b"*2147483647\r\n".to_vec(),
        b"*16383\r\n".to_vec(),
        b"$536870912\r\n".to_vec(),
        b"*1\r\n".repeat(1_000_000),
        b"*1000\r\n".repeat(100_000),
        b"*16000\r\n".repeat(100_000),
        b"*0\r\n".repeat(1_000_000),
        b"$-1\r\n".repeat(1_000_000),
        b"+\r\n".repeat(1_000_000),
    ];
    let before = peak_kib();
    for bomb in &bombs {
        assert!(decode_all(bomb).is_err());
    }
    let grown = peak_kib() - before;
    assert!(grown < 128 << 10, "address space grew by {grown} KiB");
}

#[test]
fn items_are_counted_over_the_whole_message() {
    let bounds = Bounds { depth: 2, items: 4 };
    let decode = |input| Decoder::new(input, bounds).all();
    assert!(decode(&b":1\r\n:1\r\n:1\r\n:1\r\n"[..]).is_ok());
    assert!(decode(b"*3\r\n:1\r\n:1\r\n:1\r\n").is_ok());
    assert_eq!(
        decode(b":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
        Err(DecodeError::Items)
    );
    assert_eq!(
        decode(b"*3\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
        Err(DecodeError::Items)
    );
    assert_eq!(
        decode(b"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
        Err(DecodeError::Items)
    );
}
