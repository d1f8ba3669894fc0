#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use proptest::prelude::*;

const KEY_A: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const KEY_B: &str = "2:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn token(keys: &Keys) -> String {
    mint(keys, RealmTag::of("web"), [3; 12], 1_800_000_000, [5; 18])
}

/// The layout is fixed: the bridge of one release reads the tokens of another.
#[test]
fn known_answer() {
    let token = token(&keys(KEY_A));
    let raw = URL_SAFE_NO_PAD.decode(&token).unwrap();
    assert_eq!(raw.len(), 57);
    assert_eq!(raw[..2], [1, 1]);
    assert_eq!(raw[2..6], Sha256::digest(b"tidegate realm 1\0web")[..4]);
    assert_eq!(raw[6..11], [0, 0x6b, 0x49, 0xd2, 0]);
    assert_eq!(raw[11..23], [3; 12]);
    assert_eq!(raw[23..41], [5; 18]);
    let key: [u8; 32] = core::array::from_fn(|i| i as u8);
    let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&key).unwrap();
    let tag = mac
        .chain_update(b"tidegate tok 1")
        .chain_update(&raw[..41])
        .finalize()
        .into_bytes();
    assert_eq!(raw[41..], tag[..16]);
}

#[test]
fn every_flipped_bit_is_refused() {
    let keys = keys(&format!("{KEY_A},{KEY_B}"));
    let raw = URL_SAFE_NO_PAD.decode(token(&keys)).unwrap();
    for bit in 0..raw.len() * 8 {
        let mut raw = raw.clone();
        raw[bit / 8] ^= 1 << (bit % 8);
        let token = URL_SAFE_NO_PAD.encode(&raw);
        assert!(
            verify(&keys, RealmTag::of("web"), token.as_bytes()).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn every_flipped_bit_of_the_text_is_refused() {
    let keys = keys(KEY_A);
    let token = token(&keys);
    for bit in 0..token.len() * 8 {
        let mut text = token.clone().into_bytes();
        text[bit / 8] ^= 1 << (bit % 8);
        assert!(
            verify(&keys, RealmTag::of("web"), &text).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn each_refusal_names_the_check() {
    let both = keys(&format!("{KEY_A},{KEY_B}"));
    let web = RealmTag::of("web");
    let token = token(&both);
    let with = |at: usize, byte: u8| {
        let mut raw = URL_SAFE_NO_PAD.decode(&token).unwrap();
        raw[at] = byte;
        URL_SAFE_NO_PAD.encode(raw).into_bytes()
    };
    let text = |at: usize, byte: u8| {
        let mut text = token.clone().into_bytes();
        text[at] = byte;
        text
    };
    for (bytes, rejected) in [
        (b"".to_vec(), Rejected::Length),
        (token.as_bytes()[1..].to_vec(), Rejected::Length),
        (format!("{token}A").into_bytes(), Rejected::Length),
        (format!("{token}=").into_bytes(), Rejected::Length),
        (vec![b'A'; 10_000], Rejected::Length),
        (text(75, b'='), Rejected::Alphabet),
        (text(20, b'+'), Rejected::Alphabet),
        (text(20, b'/'), Rejected::Alphabet),
        (text(20, b' '), Rejected::Alphabet),
        (text(20, 0), Rejected::Alphabet),
        (text(20, 0xff), Rejected::Alphabet),
        (with(0, 0), Rejected::Version),
        (with(0, 2), Rejected::Version),
        (with(1, 3), Rejected::Key),
        // Another active key: the id is under the MAC.
        (with(1, 2), Rejected::Mac),
        (with(2, 0), Rejected::Realm),
        (with(6, 1), Rejected::Mac),
        (with(56, 0), Rejected::Mac),
    ] {
        let found = verify(&both, web, &bytes).unwrap_err();
        assert_eq!(found, rejected, "{}", bytes.escape_ascii());
    }
    assert_eq!(
        verify(&both, RealmTag::of("api"), token.as_bytes()),
        Err(Rejected::Realm)
    );
}

#[test]
fn a_rotation_accepts_the_previous_key_until_it_is_retired() {
    let web = RealmTag::of("web");
    let old = token(&keys(KEY_A));
    let during = keys(&format!("{KEY_B},{KEY_A}"));
    assert!(verify(&during, web, old.as_bytes()).is_ok());
    let new = token(&during);
    assert!(
        verify(&keys(KEY_B), web, new.as_bytes()).is_ok(),
        "the first key signs"
    );
    assert_eq!(
        verify(&keys(KEY_B), web, old.as_bytes()),
        Err(Rejected::Key)
    );
}

#[test]
fn a_reused_key_id_with_another_key_is_refused() {
    let old = token(&keys(KEY_A));
    let reused = keys(&KEY_B.replace("2:", "1:"));
    assert_eq!(
        verify(&reused, RealmTag::of("web"), old.as_bytes()),
        Err(Rejected::Mac)
    );
}

#[test]
fn debug_shows_no_secret() {
    let token = Token {
        user: [1; 12],
        secret: *b"0123456789abcdefgh",
        deadline_s: 9,
    };
    let shown = format!("{token:?}");
    assert_eq!(
        shown,
        format!(
            "Token {{ handle: {:?}, deadline_s: 9, .. }}",
            token.handle()
        )
    );
    assert!(!shown.contains(&URL_SAFE_NO_PAD.encode(token.secret)) && !shown.contains("48, 49"));
}

proptest! {
    #[test]
    fn verify_returns_what_was_minted(
        user: [u8; 12], secret: [u8; 18], deadline_s: u64, realm in "[a-z][a-z0-9-]{0,20}",
    ) {
        let keys = keys(KEY_A);
        let realm = RealmTag::of(&realm);
        let text = mint(&keys, realm, user, deadline_s, secret);
        prop_assert_eq!(text.len(), TOKEN_LEN);
        let token = verify(&keys, realm, text.as_bytes()).unwrap();
        prop_assert_eq!(token, Token { user, secret, deadline_s: deadline_s.min(MAX_DEADLINE_S) });
        let handle = token.handle();
        prop_assert_eq!(handle.len(), HANDLE_LEN);
        prop_assert_eq!(parse_handle(handle.as_bytes()), Some((user, token.key_hash())));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify(&keys(KEY_A), RealmTag::of("web"), &bytes).is_err());
    }

    #[test]
    fn any_text_of_the_right_length_is_refused(text in "[A-Za-z0-9_-]{76}") {
        prop_assert!(verify(&keys(KEY_A), RealmTag::of("web"), text.as_bytes()).is_err());
    }

    #[test]
    fn a_handle_has_one_spelling(text in "[A-Za-z0-9_-]{36}") {
        let (user, key_hash) = parse_handle(text.as_bytes()).unwrap();
        prop_assert_eq!(handle(&user, &key_hash), text);
    }

    #[test]
    fn any_bytes_are_no_handle_unless_36_of_the_alphabet(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let plausible = bytes.len() == 36
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
        prop_assert_eq!(parse_handle(&bytes).is_some(), plausible);
    }
}
