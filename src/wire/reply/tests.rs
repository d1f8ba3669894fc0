use super::*;
use crate::wire::resp::decode_all;
use crate::wire::resp::tests::owned_value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Times and amounts are below 2^63.
const MAX: u64 = i64::MAX as u64;

fn taken() -> impl Strategy<Value = Taken> {
    let state = select(vec![
        TakeState::Busy,
        TakeState::Denied,
        TakeState::Never,
        TakeState::Ok,
    ]);
    let more = prop_oneof![Just((0, 0)), (0..=MAX, 0..=MAX)];
    (state, [0..=MAX, 0..=MAX, 0..=MAX, 0..=MAX], more).prop_map(
        |(state, [available, reset_us, retry_us, mark], (leased, limit))| Taken {
            mark,
            leased,
            limit,
            ..Taken::new(state, available, reset_us, retry_us)
        },
    )
}

fn decoded(bytes: &[u8]) -> Value<'_> {
    let mut values = decode_all(bytes).unwrap();
    assert_eq!(values.len(), 1);
    values.remove(0)
}

proptest! {
    #[test]
    fn x6_cache_replies_parse_to_themselves(
        born_us in 0..=MAX, now_us in 0..=MAX, record in vec(any::<u8>(), 0..50),
        lease in any::<Option<[u8; 16]>>(),
    ) {
        for reply in [
            CacheReply::Hit { born_us, now_us, record: &record },
            CacheReply::Fill { now_us, lease: lease.unwrap_or([7; 16]) },
            CacheReply::Miss { now_us, lease },
            CacheReply::Stale {
                born_us,
                now_us,
                record: &record,
                lease: lease.unwrap_or([7; 16]),
                claimed: lease.is_some(),
            },
            CacheReply::Vary(&record),
        ] {
            let mut bytes = Vec::new();
            reply.encode(&mut bytes);
            prop_assert_eq!(CacheReply::parse(&decoded(&bytes)), Ok(reply));
        }
    }

    #[test]
    fn x6_limit_replies_parse_to_themselves_for_their_own_count_only(
        admitted in any::<bool>(), now_us in 0..=MAX, limits in vec(taken(), 0..5), other in 0_usize..8,
    ) {
        let count = limits.len();
        let reply = LimitReply { admitted, now_us, limits };
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let value = decoded(&bytes);
        prop_assert_eq!(LimitReply::parse(&value, count), Ok(reply));
        if other != count {
            prop_assert_eq!(LimitReply::parse(&value, other), Err(ReplyError::Shape));
        }
    }

    #[test]
    fn x6_session_replies_parse_to_themselves(
        uid in vec(any::<u8>(), 0..20), roles in vec(any::<u8>(), 0..20),
        deadline_us in 0..=MAX, now_us in 0..=MAX, version in 0..=MAX,
    ) {
        let data = Some(SessionData { version, json: &uid });
        for reply in [
            SessionReply::Absent,
            SessionReply::Valid { uid: &uid, roles: &roles, deadline_us, data: None },
            SessionReply::Valid { uid: &uid, roles: &roles, deadline_us, data },
        ] {
            let mut bytes = Vec::new();
            reply.encode(now_us, &mut bytes);
            prop_assert_eq!(SessionReply::parse(&decoded(&bytes)), Ok(reply));
        }
    }

    #[test]
    fn x6_what_is_said_of_a_changed_session_parses_to_itself(
        user in any::<[u8; 12]>(), half in any::<[u8; 9]>(), n in 0..=MAX, now_us in 0..=MAX,
    ) {
        let secret = [half, half].concat().try_into().unwrap();
        for reply in [
            SessionWritten::Absent,
            SessionWritten::Conflict { version: n },
            SessionWritten::Created { user, deadline_us: n },
            SessionWritten::Ended { sessions: n },
            SessionWritten::Rotated { secret, deadline_us: n },
            SessionWritten::Updated { version: n },
        ] {
            let mut bytes = Vec::new();
            reply.encode(now_us, &mut bytes);
            prop_assert_eq!(SessionWritten::parse(&decoded(&bytes)), Ok(reply));
        }
    }

    /// S4: garbage is never "absent" and never "valid".
    #[test]
    fn x6_any_value_returns(value in owned_value(), count in 1_usize..4) {
        // Nobody asks for no limits: their answer would be two numbers.
        let value = value.value();
        prop_assert!(LimitReply::parse(&value, count).is_err());
        prop_assert!(SessionReply::parse(&value).is_err());
        prop_assert!(CacheReply::parse(&value).is_err());
        let stored = parse_stored(&value);
        prop_assert_eq!(stored.is_ok(), matches!(value, Value::Simple(b"stored" | b"refused")));
        prop_assert_eq!(parse_removed(&value).is_ok(), matches!(value, Value::Integer(0..)));
    }

    #[test]
    fn an_error_is_known_by_its_first_word(code in "[A-Z]{1,12}", text in " [a-z{}\\\\]{0,30}") {
        let line = format!("{code}{text}");
        let value = Value::Error(line.as_bytes());
        let failed = ReplyError::Failed(code);
        prop_assert_eq!(CacheReply::parse(&value), Err(failed.clone()));
        prop_assert_eq!(LimitReply::parse(&value, 1), Err(failed.clone()));
        prop_assert_eq!(SessionReply::parse(&value), Err(failed.clone()));
        prop_assert_eq!(parse_stored(&value), Err(failed.clone()));
        prop_assert_eq!(parse_removed(&value), Err(failed));
    }
}

#[test]
fn an_errors_code_is_short_and_plain() {
    let long = [b'A'; 1000];
    let failed = |line: &[u8]| match parse_removed(&Value::Error(line)) {
        Err(ReplyError::Failed(code)) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(&long), "A".repeat(32));
    assert_eq!(failed(b"\xff\x00"), "");
    assert_eq!(failed(b"LOADING Redis is loading"), "LOADING");
}

#[test]
fn s4_near_misses_are_no_answers() {
    let sessions: &[&[u8]] = &[
        b"*1\r\n+absent\r\n",
        b"*3\r\n+absent\r\n:1\r\n:1\r\n",
        b"*2\r\n$6\r\nabsent\r\n:1\r\n",
        b"*5\r\n+valid\r\n$1\r\nu\r\n$0\r\n\r\n:-1\r\n:1\r\n",
        b"*5\r\n+valid\r\n+u\r\n$0\r\n\r\n:1\r\n:1\r\n",
        b"*5\r\n+valid\r\n$-1\r\n$0\r\n\r\n:1\r\n:1\r\n",
        b"*4\r\n+valid\r\n$1\r\nu\r\n$0\r\n\r\n:1\r\n",
        b"*2\r\n+valid\r\n:1\r\n",
        b"+absent\r\n",
        b"$-1\r\n",
        b"*0\r\n",
    ];
    for bytes in sessions {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(
            SessionReply::parse(&decoded(bytes)),
            Err(ReplyError::Shape),
            "{shown:?}"
        );
    }
    let caches: &[&[u8]] = &[
        b"*3\r\n+hit\r\n:1\r\n:1\r\n",
        b"*4\r\n+hit\r\n:-1\r\n:1\r\n$1\r\nr\r\n",
        b"*4\r\n+hit\r\n:1\r\n:1\r\n$-1\r\n",
        b"*3\r\n+miss\r\n:1\r\n$15\r\n123456789012345\r\n",
        b"*3\r\n+miss\r\n:1\r\n$0\r\n\r\n",
        b"*2\r\n+miss\r\n:1\r\n",
        b"*6\r\n+stale\r\n:1\r\n:1\r\n$1\r\nr\r\n$-1\r\n:1\r\n",
        b"*6\r\n+stale\r\n:1\r\n:1\r\n$1\r\nr\r\n$16\r\n1234567890123456\r\n:2\r\n",
        b"*5\r\n+stale\r\n:1\r\n:1\r\n$1\r\nr\r\n$16\r\n1234567890123456\r\n",
        b"*2\r\n+vary\r\n$-1\r\n",
        b"*2\r\n+vary\r\n+a\r\n",
    ];
    for bytes in caches {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(
            CacheReply::parse(&decoded(bytes)),
            Err(ReplyError::Shape),
            "{shown:?}"
        );
    }
    let limits: &[&[u8]] = &[
        b"*3\r\n:2\r\n:1\r\n*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        b"*3\r\n:1\r\n:-1\r\n*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        b"*3\r\n:1\r\n:1\r\n*4\r\n:2\r\n:1\r\n:1\r\n:1\r\n",
        b"*3\r\n:1\r\n:1\r\n*4\r\n:1\r\n:-1\r\n:1\r\n:1\r\n",
        b"*3\r\n:1\r\n:1\r\n*3\r\n:1\r\n:1\r\n:1\r\n",
        b"*2\r\n:1\r\n:1\r\n",
    ];
    for bytes in limits {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(
            LimitReply::parse(&decoded(bytes), 1),
            Err(ReplyError::Shape),
            "{shown:?}"
        );
    }
}

/// Found by reading: the clock of "absent" and "miss" was not looked at, so a reply that is garbage
/// there ended a session's look-up as "absent" (401) instead of "unknown" (503).
#[test]
fn s4_absent_without_a_clock_is_no_answer() {
    for clock in [
        Value::Null,
        Value::Integer(-1),
        Value::Bulk(b"1"),
        Value::Error(b"X"),
    ] {
        let absent = Value::Array(vec![Value::Simple(b"absent"), clock.clone()]);
        assert_eq!(SessionReply::parse(&absent), Err(ReplyError::Shape));
        let valid = vec![
            Value::Simple(b"valid"),
            Value::Bulk(b"u"),
            Value::Bulk(b""),
            Value::Integer(1),
            clock.clone(),
        ];
        assert_eq!(
            SessionReply::parse(&Value::Array(valid)),
            Err(ReplyError::Shape)
        );
        let miss = Value::Array(vec![Value::Simple(b"miss"), clock, Value::Null]);
        assert_eq!(CacheReply::parse(&miss), Err(ReplyError::Shape));
    }
}
