use super::*;
use proptest::prelude::*;

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn allowed() -> Allowed<'static> {
    Allowed {
        create: true,
        update: true,
        post: true,
        session: true,
        replace: true,
        status: 200,
        nonce: NONCE,
    }
}

fn read(fields: &[(&str, &str)], allowed: &Allowed<'_>) -> Result<Option<Wish>, Unheeded> {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    wish(&Headers::from_pairs(fields), allowed)
}

fn set(rest: &str) -> String {
    format!("{{\"n\":\"{NONCE}\"{rest}}}")
}

#[test]
fn what_an_upstream_may_wish() {
    let create = |uid: &str, roles: &str, data: &str| Wish::Create {
        uid: uid.into(),
        roles: roles.into(),
        data: data.into(),
    };
    let update = |version, data: Option<&str>, roles: Option<&str>| Wish::Update {
        version,
        data: data.map(str::to_owned),
        roles: roles.map(str::to_owned),
    };
    for (name, value, want) in [
        (SET, set(r#","uid":"42""#), create("42", "", "null")),
        (
            SET,
            set(r#","uid":"a@b","roles":["user","admin","user"],"data":{"k":[1]}"#),
            create("a@b", "admin,user", "{\"k\":[1]}"),
        ),
        (
            UPDATE,
            set(r#","v":3,"data":{}"#),
            update(3, Some("{}"), None),
        ),
        (
            UPDATE,
            set(r#","v":3,"roles":[]"#),
            update(3, None, Some("")),
        ),
        (ROTATE, "?1".into(), Wish::Rotate),
        (END, "this".into(), Wish::End(Scope::This)),
        (END, "others".into(), Wish::End(Scope::Others)),
        (END, "all".into(), Wish::End(Scope::All)),
    ] {
        assert_eq!(
            read(&[(name, &value)], &allowed()),
            Ok(Some(want)),
            "{value}"
        );
    }
    assert_eq!(read(&[("x-session-user", "42")], &allowed()), Ok(None));
}

#[test]
fn what_is_not_exactly_that_is_not_heeded() {
    let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
    let data = |n: usize| set(&format!(r#","uid":"42","data":"{}""#, "x".repeat(n)));
    for (name, value, want) in [
        (SET, String::new(), Unheeded::Syntax),
        (SET, "null".into(), Unheeded::Syntax),
        (SET, set(""), Unheeded::Syntax),
        (SET, set(r#","uid":42"#), Unheeded::Syntax),
        (SET, set(r#","uid":"42","extra":1"#), Unheeded::Syntax),
        (SET, set(r#","uid":"42","uid":"43""#), Unheeded::Syntax),
        (SET, set(r#","uid":"42"} {"#), Unheeded::Syntax),
        (
            SET,
            set(&format!(r#","uid":"42","data":{deep}"#)),
            Unheeded::Syntax,
        ),
        (SET, data(MAX_FIELD), Unheeded::Syntax),
        (SET, data(MAX_DATA), Unheeded::Data),
        (SET, set(r#","uid":"""#), Unheeded::Identity),
        (SET, set(r#","uid":"4\r\n2""#), Unheeded::Identity),
        (SET, set(r#","uid":"4\u00002""#), Unheeded::Identity),
        (
            SET,
            set(r#","uid":"42","roles":["a,b"]"#),
            Unheeded::Identity,
        ),
        (SET, set(r#","uid":"42","roles":[""]"#), Unheeded::Identity),
        (SET, set(r#","uid":"42","v":1"#), Unheeded::Syntax),
        (
            UPDATE,
            set(r#","v":1,"data":1,"uid":"42""#),
            Unheeded::Syntax,
        ),
        (SET, set(r#","uid":"42","data":tru"#), Unheeded::Syntax),
        (SET, r#"{"uid":"42"}"#.into(), Unheeded::Syntax),
        (SET, r#"{"n":"","uid":"42"}"#.into(), Unheeded::Nonce),
        (
            SET,
            r#"{"n":"BAAAAAAAAAAAAAAAAAAAAA","uid":"42"}"#.into(),
            Unheeded::Nonce,
        ),
        (UPDATE, set(r#","v":1"#), Unheeded::Syntax),
        (UPDATE, set(r#","v":-1,"data":1"#), Unheeded::Syntax),
        (UPDATE, set(r#","v":1,"roles":["b c"]"#), Unheeded::Identity),
        (ROTATE, "1".into(), Unheeded::Syntax),
        (END, "This".into(), Unheeded::Syntax),
        (END, "this, all".into(), Unheeded::Syntax),
    ] {
        assert_eq!(
            read(&[(name, &value)], &allowed()),
            Err(want),
            "{name} {value}"
        );
    }
}

#[test]
fn depth_is_that_of_lists_and_mappings_only() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    for (json, want) in [
        ("1", 0),
        ("[]", 1),
        (r#"{"[[[":"\"[[{","b":[[1],[{}]]}"#, 4),
        (&deep(MAX_DEPTH), MAX_DEPTH),
        (&deep(MAX_DEPTH + 1), MAX_DEPTH + 1),
    ] {
        assert_eq!(depth(json), want, "{json}");
    }
}

#[test]
fn a_route_heeds_what_it_allows() {
    let plain = Allowed {
        create: false,
        update: false,
        ..allowed()
    };
    let set = set(r#","uid":"42""#);
    let update = format!("{{\"n\":\"{NONCE}\",\"v\":1,\"roles\":[]}}");
    assert_eq!(read(&[(SET, &set)], &plain), Err(Unheeded::Route));
    assert_eq!(read(&[(UPDATE, &update)], &plain), Err(Unheeded::Route));
    let get = Allowed {
        post: false,
        ..allowed()
    };
    assert_eq!(read(&[(END, "this")], &get), Err(Unheeded::Route));
    let stranger = Allowed {
        session: false,
        ..allowed()
    };
    assert_eq!(
        read(&[(END, "this")], &stranger),
        Ok(None),
        "logged out already"
    );
    assert_eq!(read(&[(ROTATE, "?1")], &stranger), Err(Unheeded::Route));
    assert_eq!(read(&[(UPDATE, &update)], &stranger), Err(Unheeded::Route));
    let bearer = Allowed {
        replace: false,
        ..allowed()
    };
    assert_eq!(read(&[(ROTATE, "?1")], &bearer), Err(Unheeded::Route));
    assert_eq!(read(&[(UPDATE, &update)], &bearer), Err(Unheeded::Route));
    for status in [400, 401, 500] {
        let failed = Allowed {
            status,
            ..allowed()
        };
        assert_eq!(read(&[(SET, &set)], &failed), Err(Unheeded::Status));
    }
    let without = Allowed {
        nonce: "",
        ..allowed()
    };
    assert_eq!(read(&[(SET, &set)], &without), Err(Unheeded::Nonce));
    let twice = [(SET, set.as_str()), (SET, set.as_str())];
    assert_eq!(read(&twice, &allowed()), Err(Unheeded::Several));
    let both = [(SET, set.as_str()), (END, "this")];
    assert_eq!(read(&both, &allowed()), Err(Unheeded::Several));
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_what_is_heeded_can_be_said_again(
        name in prop::sample::select(vec![SET, UPDATE, ROTATE, END]),
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "\\{(\"(n|v|uid|roles|data)\":(\"A{0,23}\"|[0-9]{1,20}|\\[\"a\"\\]),?){0,5}\\}".prop_map(String::into_bytes),
        ],
    ) {
        let headers = Headers::from_pairs([(name, value)]);
        if let Ok(Some(Wish::Create { uid, roles, data })) = wish(&headers, &allowed()) {
            prop_assert!(Identity::parse(uid.as_bytes(), roles.as_bytes()).is_ok());
            prop_assert!(data.len() <= MAX_DATA);
        }
    }
}
