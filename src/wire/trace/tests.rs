use super::*;
use proptest::prelude::*;

/// The example of the specification.
const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Any that is valid and sampled.
pub(in crate::wire) fn trace_parent() -> impl Strategy<Value = TraceParent> {
    any::<[u8; IDS]>().prop_filter_map("an id that is zero", |ids| TraceParent::from_bytes(&ids))
}

#[test]
fn the_example_of_the_specification_is_read() {
    let parent = TraceParent::parse(EXAMPLE.as_bytes()).expect("valid");
    assert_eq!(
        u128::from_be_bytes(parent.trace_id()),
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736
    );
    assert_eq!(
        u64::from_be_bytes(parent.parent_id()),
        0x00f0_67aa_0ba9_02b7
    );
    assert_eq!(parent.to_string(), EXAMPLE);
}

#[test]
fn only_the_sampled_flag_counts() {
    let with = |flags: &str| TraceParent::parse(format!("{}{flags}", &EXAMPLE[..53]).as_bytes());
    for sampled in ["01", "03", "ff"] {
        assert_eq!(with(sampled), TraceParent::parse(EXAMPLE.as_bytes()));
    }
    for unsampled in ["00", "02", "fe"] {
        assert_eq!(with(unsampled), None, "{unsampled}");
    }
}

#[test]
fn a_higher_version_is_read_as_far_as_it_is_known() {
    let ids = &EXAMPLE[2..];
    for good in [
        format!("01{ids}"),
        format!("fe{ids}-"),
        format!("cc{ids}-what-comes-later"),
    ] {
        let read = TraceParent::parse(good.as_bytes());
        assert_eq!(read, TraceParent::parse(EXAMPLE.as_bytes()), "{good}");
    }
    for bad in [
        format!("ff{ids}"),
        format!("01{ids}."),
        format!("00{ids}-what-comes-later"),
        format!("01{}", &ids[..52]),
    ] {
        assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn what_is_not_of_the_form_is_none() {
    for bad in [
        "",
        "00",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7--1",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
    ] {
        assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(parent in trace_parent()) {
        let text = parent.to_string();
        prop_assert_eq!(text.len(), TEXT);
        prop_assert_eq!(TraceParent::parse(text.as_bytes()), Some(parent));
        prop_assert_eq!(TraceParent::from_bytes(parent.as_bytes()), Some(parent));
    }

    #[test]
    fn any_bytes_return(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
        if let Some(parent) = TraceParent::parse(&bytes) {
            let text = parent.to_string();
            prop_assert_eq!(&text.as_bytes()[2..53], &bytes[2..53]);
        }
    }

    /// One character put in the place of another gives the same trace, another one, or none; never a panic.
    #[test]
    fn one_wrong_character_is_seen(parent in trace_parent(), at in 0..TEXT, byte in any::<u8>()) {
        let mut text = parent.to_string().into_bytes();
        text[at] = byte;
        let read = TraceParent::parse(&text);
        let dash = [2, 35, 52].contains(&at);
        let hex = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if dash {
            prop_assert_eq!(read.is_some(), byte == b'-');
        } else if !hex {
            prop_assert_eq!(read, None);
        }
    }
}
