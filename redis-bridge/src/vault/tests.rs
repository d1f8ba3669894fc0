use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const MASTER: [u8; 32] = [7; 32];

fn place<'a>(user: &'a [u8; 12], secret: &'a [u8; 18], key: &'a [u8]) -> Place<'a> {
    Place {
        realm: b"web",
        user,
        secret,
        key,
        version: 1,
    }
}

/// Whose tag a payload must live under.
fn ada(vault: &Vault) -> [u8; 12] {
    vault.user_tag("web", "ada@example")
}

fn payload() -> Payload {
    let roles = ["user".to_owned(), "admin".to_owned(), "user".to_owned()];
    Payload::new("ada@example", &roles, json!({"theme": "dark"})).unwrap()
}

#[test]
fn what_is_sealed_opens_with_sorted_roles() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = (ada(&vault), [2; 18]);
    let place = place(&user, &secret, b"tg:s:key");
    let sealed = vault
        .seal(Form::Sealed, &place, &payload(), [3; 12])
        .unwrap();
    let opened = vault.open(&place, &sealed).unwrap();
    assert_eq!(opened, payload());
    assert_eq!(opened.roles, ["admin", "user"]);
}

#[test]
fn a_sealed_value_shows_nothing_of_what_it_holds() {
    let vault = Vault::new(&MASTER);
    let sealed = vault
        .seal(
            Form::Sealed,
            &place(&[1; 12], &[2; 18], b"k"),
            &payload(),
            [3; 12],
        )
        .unwrap();
    for word in [&b"ada"[..], b"admin", b"theme", b"uid"] {
        assert!(!sealed.windows(word.len()).any(|part| part == word));
    }
}

#[test]
fn it_opens_nowhere_else() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = (ada(&vault), [2; 18]);
    let here = place(&user, &secret, b"tg:s:key");
    let sealed = vault
        .seal(Form::Sealed, &here, &payload(), [3; 12])
        .unwrap();
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
    let later = Place { version: 2, ..here };
    assert_eq!(vault.open(&later, &sealed), Err(Sealed), "replayed");
    assert_eq!(Vault::new(&[8; 32]).open(&here, &sealed), Err(Sealed));
}

#[test]
fn a_payload_that_would_not_be_made_is_not_opened() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = (ada(&vault), [2; 18]);
    let here = place(&user, &secret, b"k");
    for uid in ["", "a b", "a\r\nx: y", "ü", &"a".repeat(129)] {
        let bad = Payload {
            uid: uid.to_owned(),
            ..payload()
        };
        assert_eq!(bad.clone().checked(), Err(BadPayload::Uid));
        let sealed = vault.seal(Form::Sealed, &here, &bad, [3; 12]).unwrap();
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

const OLD: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const NEW: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";

fn vault_of(keys: &[&str]) -> Vault {
    keys.join(",").parse().unwrap()
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (old, both, new) = (vault_of(&[OLD]), vault_of(&[NEW, OLD]), vault_of(&[NEW]));
    let (before, secret) = (ada(&old), [2; 18]);
    let here = place(&before, &secret, b"k");
    let sealed = old.seal(Form::Sealed, &here, &payload(), [3; 12]).unwrap();
    assert_eq!(both.open(&here, &sealed), Ok(payload()));
    assert_eq!(new.open(&here, &sealed), Err(Sealed), "its key is retired");

    let resealed = both.seal(Form::Sealed, &here, &payload(), [4; 12]).unwrap();
    assert_eq!(old.open(&here, &resealed), Err(Sealed), "the first seals");
    assert_eq!(both.open(&here, &resealed), Ok(payload()));
    assert_eq!(
        new.open(&here, &resealed),
        Err(Sealed),
        "nobody could revoke what lives under a tag of a retired key"
    );
    assert_eq!(ada(&both), ada(&new));
    let tags = both.user_tags(b"web", "ada@example");
    assert_eq!(tags, [ada(&new), ada(&old)]);
    assert!(both.has_several() && !new.has_several());
}

#[test]
fn lists_of_keys_that_are_none() {
    let five = [NEW, OLD, NEW, OLD, NEW].join(",");
    for (text, error) in [
        ("", BadMaster::Form),
        ("short", BadMaster::Form),
        (&format!("{NEW},"), BadMaster::Form),
        (&format!("{NEW}, {OLD}"), BadMaster::Form),
        (&format!("{NEW}="), BadMaster::Form),
        (&format!("{NEW},{NEW}"), BadMaster::Doubled),
        (&five, BadMaster::Doubled),
    ] {
        assert_eq!(text.parse::<Vault>().unwrap_err(), error, "{text}");
    }
    let many: Vec<String> = (0..5_u8).map(|n| URL_SAFE_NO_PAD.encode([n; 32])).collect();
    assert_eq!(
        many.join(",").parse::<Vault>().unwrap_err(),
        BadMaster::Many
    );
    assert!(many[..4].join(",").parse::<Vault>().is_ok());
}

#[test]
fn a_successor_is_told_to_the_old_token_only() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = (ada(&vault), [2; 18]);
    let here = place(&user, &secret, b"k");
    let sealed = vault.seal_next(&here, &[5; 18], [3; 12]).unwrap();
    assert_eq!(vault.open_next(&here, &sealed), Ok([5; 18]));
    let other = place(&user, &[9; 18], b"k");
    assert_eq!(vault.open_next(&other, &sealed), Err(Sealed));
    assert_eq!(vault.open(&here, &sealed), Err(Sealed), "no payload");
    let value = vault
        .seal(Form::Sealed, &here, &payload(), [3; 12])
        .unwrap();
    assert_eq!(vault.open_next(&here, &value), Err(Sealed), "no secret");
}

#[test]
fn roles_and_data_of_an_operation() {
    assert_eq!(parse_roles(b""), Ok(vec![]));
    assert_eq!(
        parse_roles(b"b,a"),
        Ok(vec!["b".to_owned(), "a".to_owned()])
    );
    for bad in [&b","[..], b"a,", b",a", b"a,,b", b"a b", b"a\r\nb", b"\xff"] {
        assert_eq!(parse_roles(bad), Err(BadPayload::Roles), "{bad:?}");
    }
    let text = br#"{"a":[1,-2,0.5,true,null,"x"],"b":{}}"#;
    let plain: Json = serde_json::from_slice(text).unwrap();
    assert_eq!(parse_data(text), Ok(plain));
    let deep = "[".repeat(500);
    for bad in [
        "",
        "{",
        "{}x",
        "nul",
        "'a'",
        "\u{feff}{}",
        "[1,]",
        "01",
        r#"{"a":1,"a":1}"#,
        r#"[{"b":{"a":1,"a":2}}]"#,
        &deep,
    ] {
        assert_eq!(parse_data(bad.as_bytes()), Err(BadPayload::Data), "{bad}");
    }
    assert_eq!(parse_data(b"\"\xff\""), Err(BadPayload::Data));
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
        let (user, secret) = (ada(&vault), [2; 18]);
        let here = place(&user, &secret, b"k");
        let mut sealed = vault.seal(Form::Sealed, &here, &payload(), [3; 12]).unwrap();
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

#[test]
fn a_readable_value_is_read_by_anyone_and_written_by_nobody_else() {
    let vault = Vault::new(&MASTER);
    let (user, secret) = (ada(&vault), [2; 18]);
    let here = place(&user, &secret, b"tg:s:key");
    let value = vault
        .seal(Form::Readable, &here, &payload(), [3; 12])
        .unwrap();
    assert_eq!(Form::of(&value), Form::Readable);
    let text = String::from_utf8(value.clone()).unwrap();
    let (json, _signature) = text.split_once('\n').unwrap();
    assert_eq!(
        json,
        r#"{"uid":"ada@example","roles":["admin","user"],"data":{"theme":"dark"}}"#
    );
    assert_eq!(vault.open(&here, &value).unwrap(), payload());
    // Whoever writes to Redis: other roles, another session's value, an earlier one of the same session.
    let forged = text.replace("\"admin\"", "\"owner\"");
    assert_eq!(vault.open(&here, forged.as_bytes()), Err(Sealed));
    assert_eq!(vault.open(&here, json.as_bytes()), Err(Sealed), "unsigned");
    let elsewhere = place(&user, &[9; 18], b"tg:s:key");
    assert_eq!(vault.open(&elsewhere, &value), Err(Sealed));
    let renamed = place(&user, &secret, b"tg:s:other");
    assert_eq!(vault.open(&renamed, &value), Err(Sealed));
    let later = Place { version: 2, ..here };
    assert_eq!(vault.open(&later, &value), Err(Sealed), "replayed");
    assert_eq!(Vault::new(&[8; 32]).open(&here, &value), Err(Sealed));
    for bit in 0..value.len() * 8 {
        let mut value = value.clone();
        value[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(vault.open(&here, &value), Err(Sealed), "bit {bit}");
    }
}
