use super::*;
use proptest::prelude::*;
use serde_json::json;

const MASTER: [u8; 32] = [7; 32];

fn place<'a>(user: &'a [u8; 12], secret: &'a [u8; 18], key: &'a [u8]) -> Place<'a> {
    Place {
        realm: b"web",
        user,
        secret,
        key,
    }
}

fn payload() -> Payload {
    let roles = ["user".to_owned(), "admin".to_owned(), "user".to_owned()];
    Payload::new("ada@example", &roles, json!({"theme": "dark"})).unwrap()
}

#[test]
fn what_is_sealed_opens_with_sorted_roles() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = ([1; 12], [2; 18]);
    let place = place(&user, &secret, b"tg:s:key");
    let sealed = vault.seal(&place, &payload(), [3; 12]).unwrap();
    let opened = vault.open(&place, &sealed).unwrap();
    assert_eq!(opened, payload());
    assert_eq!(opened.roles, ["admin", "user"]);
}

#[test]
fn a_sealed_value_shows_nothing_of_what_it_holds() {
    let vault = Vault::new(&MASTER);
    let sealed = vault
        .seal(&place(&[1; 12], &[2; 18], b"k"), &payload(), [3; 12])
        .unwrap();
    for word in [&b"ada"[..], b"admin", b"theme", b"uid"] {
        assert!(!sealed.windows(word.len()).any(|part| part == word));
    }
}

#[test]
fn it_opens_nowhere_else() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = ([1; 12], [2; 18]);
    let here = place(&user, &secret, b"tg:s:key");
    let sealed = vault.seal(&here, &payload(), [3; 12]).unwrap();
    assert_eq!(
        vault.open(&place(&[9; 12], &secret, b"tg:s:key"), &sealed),
        Err(Sealed)
    );
    assert_eq!(
        vault.open(&place(&user, &[9; 18], b"tg:s:key"), &sealed),
        Err(Sealed)
    );
    assert_eq!(
        vault.open(&place(&user, &secret, b"tg:s:other"), &sealed),
        Err(Sealed)
    );
    let realm = Place {
        realm: b"api",
        ..here
    };
    assert_eq!(vault.open(&realm, &sealed), Err(Sealed));
    assert_eq!(Vault::new(&[8; 32]).open(&here, &sealed), Err(Sealed));
}

#[test]
fn a_payload_that_would_not_be_made_is_not_opened() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = ([1; 12], [2; 18]);
    let here = place(&user, &secret, b"k");
    for uid in ["", "a b", "a\r\nx: y", "ü", &"a".repeat(129)] {
        let bad = Payload {
            uid: uid.to_owned(),
            ..payload()
        };
        assert_eq!(bad.clone().checked(), Err(BadPayload::Uid));
        let sealed = vault.seal(&here, &bad, [3; 12]).unwrap();
        assert_eq!(vault.open(&here, &sealed), Err(Sealed), "{uid:?}");
    }
    for roles in [
        vec![String::new()],
        vec!["a,b".to_owned()],
        vec!["r".to_owned(); 33],
    ] {
        let bad = Payload { roles, ..payload() };
        assert_eq!(bad.checked(), Err(BadPayload::Roles));
    }
    let bad = Payload {
        data: json!("x".repeat(2047)),
        ..payload()
    };
    assert_eq!(bad.checked(), Err(BadPayload::Data));
}

#[test]
fn realm_and_user_do_not_run_together() {
    let vault = Vault::new(&MASTER);
    assert_ne!(vault.user_tag("ab", "c"), vault.user_tag("a", "bc"));
    assert_ne!(
        vault.user_tag("a", "b"),
        Vault::new(&[8; 32]).user_tag("a", "b")
    );
    assert_eq!(vault.user_tag("a", "b"), vault.user_tag("a", "b"));
}

proptest! {
    #[test]
    fn any_flipped_bit_is_noticed(at in 0_usize..1000, bit in 0_u8..8) {
        let vault = Vault::new(&MASTER);
        let (user, secret) = ([1; 12], [2; 18]);
        let here = place(&user, &secret, b"k");
        let mut sealed = vault.seal(&here, &payload(), [3; 12]).unwrap();
        let at = at % sealed.len();
        sealed[at] ^= 1 << bit;
        prop_assert_eq!(vault.open(&here, &sealed), Err(Sealed));
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let vault = Vault::new(&MASTER);
        prop_assert_eq!(vault.open(&place(&[1; 12], &[2; 18], b"k"), &bytes), Err(Sealed));
    }
}
