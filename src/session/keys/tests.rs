use super::*;

/// 32 bytes, base64url without padding.
fn encoded(seed: u8) -> String {
    let bytes: [u8; KEY_LEN] = core::array::from_fn(|i| seed.wrapping_add(i as u8));
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn keeps_the_order_written() {
    let keys = Keys::parse(&format!(
        " 7:{} , 0:{},255:{}\n",
        encoded(1),
        encoded(2),
        encoded(3)
    ));
    assert_eq!(keys.unwrap().ids().collect::<Vec<_>>(), [7, 0, 255]);
}

#[test]
fn refuses_each_mistake_with_its_place() {
    let good = encoded(9);
    let many = (1..=5)
        .map(|kid| format!("{kid}:{good}"))
        .collect::<Vec<_>>()
        .join(",");
    for (text, error) in [
        (String::new(), KeysError::Empty { at: 1 }),
        (format!("1:{good},"), KeysError::Empty { at: 2 }),
        (good.clone(), KeysError::Separator { at: 1 }),
        (format!("256:{good}"), KeysError::Kid { at: 1 }),
        (format!("+1:{good}"), KeysError::Kid { at: 1 }),
        (format!("0001:{good}"), KeysError::Kid { at: 1 }),
        (format!(":{good}"), KeysError::Kid { at: 1 }),
        (format!("1:{good}="), KeysError::Key { at: 1 }),
        (format!("1:{}", &good[1..]), KeysError::Key { at: 1 }),
        (format!("1:{}+", &good[1..]), KeysError::Key { at: 1 }),
        ("1:".to_owned(), KeysError::Key { at: 1 }),
        (
            format!("1:{good},2:{}", "A".repeat(43)),
            KeysError::Weak { at: 2 },
        ),
        (
            format!("3:{good},3:{good}"),
            KeysError::Duplicate { at: 2, kid: 3 },
        ),
        (many, KeysError::TooMany),
    ] {
        assert_eq!(Keys::parse(&text).unwrap_err(), error, "{text}");
    }
}

/// 43 characters carry 258 bits: the two slack bits must be zero, so that a key has one spelling.
#[test]
fn refuses_slack_bits_in_a_key() {
    let good = encoded(9);
    let (head, last) = good.split_at(42);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted = alphabet
        .chars()
        .filter(|c| Keys::parse(&format!("1:{head}{c}")).is_ok());
    assert_eq!(accepted.count(), 16);
    assert!(alphabet.contains(last));
}

#[test]
fn prints_no_key_material() {
    let secret = encoded(5);
    let keys = Keys::parse(&format!("1:{secret}")).unwrap();
    assert_eq!(format!("{keys:?}"), "Keys { ids: [1], .. }");
    let error = Keys::parse(&format!("1:{secret},1:{secret}")).unwrap_err();
    assert_eq!(error.to_string(), "token keys: entry 2: key id 1 twice");
    let error = Keys::parse(&format!("1:{secret}x")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&secret));
}
