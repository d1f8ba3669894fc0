use super::*;
use proptest::prelude::*;

#[test]
fn reserved_names() {
    for name in [
        "x-session-user",
        "X-Session-User",
        "X_SESSION_USER",
        "x_session-roles",
        "x-session-",
        "x-session-anything",
        "X-SESSION_\u{e9}",
    ] {
        assert!(is_reserved(name), "{name}");
    }
    for name in [
        "",
        "x-session",
        "xx-session-user",
        "x-sessions-user",
        "x.session.user",
        "\u{e9}",
    ] {
        assert!(!is_reserved(name), "{name}");
    }
}

#[test]
fn a_valid_session_is_told_in_four_fields() {
    let identity = Identity::parse(b"42", b"user,admin,user").unwrap();
    let told = Told::Valid {
        identity: &identity,
        handle: "h",
    };
    let expected = [
        ("x-session-id", "h"),
        ("x-session-roles", "admin,user"),
        ("x-session-user", "42"),
        ("x-session-state", "valid"),
    ];
    assert_eq!(
        told.headers(),
        expected.map(|(name, value)| (name, value.to_owned()))
    );
}

#[test]
fn without_a_session_only_the_state_is_told() {
    assert_eq!(
        Told::None.headers(),
        [("x-session-state", "none".to_owned())]
    );
    assert_eq!(
        Told::Unknown.headers(),
        [("x-session-state", "unknown".to_owned())]
    );
    let identity = Identity::parse(b"a.b_c:d@e-f", b"").unwrap();
    let names = Told::Valid {
        identity: &identity,
        handle: "h",
    }
    .headers();
    assert!(names.iter().all(|(name, _)| *name != "x-session-roles"));
}

/// Whoever can write to Redis must not be able to write headers.
#[test]
fn a_stored_identity_outside_the_alphabet_is_refused() {
    for uid in [
        "",
        "a b",
        "a\r\nx-session-roles: admin",
        "a\0",
        "\u{e9}",
        "a,b",
        &"a".repeat(MAX_UID + 1),
    ] {
        assert_eq!(
            Identity::parse(uid.as_bytes(), b""),
            Err(BadIdentity::Uid),
            "{uid}"
        );
    }
    assert_eq!(Identity::parse(b"\xff", b""), Err(BadIdentity::Uid));
    for roles in [",", "a,", ",a", "a,,b", "a, b", "a\nb", "a\0"] {
        let parsed = Identity::parse(b"1", roles.as_bytes());
        assert_eq!(parsed, Err(BadIdentity::Roles), "{roles}");
    }
    let many = vec!["r"; MAX_ROLES + 1].join(",");
    assert_eq!(
        Identity::parse(b"1", many.as_bytes()),
        Err(BadIdentity::Roles)
    );
    assert!(Identity::parse(b"1", &many.as_bytes()[2..]).is_ok());
    assert!(Identity::parse("a".repeat(MAX_UID).as_bytes(), b"").is_ok());
    assert!(Identity::parse(b"1", "r".repeat(MAX_ROLE).as_bytes()).is_ok());
    let long = "r".repeat(MAX_ROLE + 1);
    assert_eq!(
        Identity::parse(b"1", long.as_bytes()),
        Err(BadIdentity::Roles)
    );
}

#[test]
fn one_wanted_role_is_enough_and_none_wanted_is_no_condition() {
    let identity = Identity::parse(b"1", b"user,editor").unwrap();
    let wanted = |roles: &[&str]| {
        roles
            .iter()
            .map(|role| (*role).to_owned())
            .collect::<Vec<_>>()
    };
    assert!(identity.holds_any(&[]));
    assert!(identity.holds_any(&wanted(&["admin", "editor"])));
    assert!(!identity.holds_any(&wanted(&["admin"])));
    assert!(!identity.holds_any(&wanted(&["use", "editors", "User"])));
}

proptest! {
    #[test]
    fn no_value_can_break_a_header(
        uid in prop::collection::vec(any::<u8>(), 0..8),
        roles in prop::collection::vec(prop::sample::select(b"ab,\r\n \0\xff".to_vec()), 0..8),
    ) {
        if let Ok(identity) = Identity::parse(&uid, &roles) {
            for (name, value) in (Told::Valid { identity: &identity, handle: "h" }).headers() {
                prop_assert!(is_reserved(name));
                prop_assert!(value.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn any_case_and_any_underscore_is_reserved(
        upper in prop::collection::vec(any::<bool>(), 10), under: [bool; 2], tail in "\\PC{0,8}",
    ) {
        let mut dashes = under.iter();
        let name: String = PREFIX.chars().zip(upper).map(|(c, upper)| match c {
            '-' if *dashes.next().unwrap() => '_',
            c if upper => c.to_ascii_uppercase(),
            c => c,
        }).collect();
        prop_assert!(is_reserved(&(name + &tail)));
    }
}
