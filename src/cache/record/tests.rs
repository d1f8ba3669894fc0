use super::*;
use proptest::prelude::*;

fn sample() -> Record<'static> {
    Record {
        url: b"http://a/b?c",
        policy: "api",
        vary: vec![("accept", Some(b"x")), ("foo", None)],
        extras: vec![Some(b"u"), None],
        lifetime_ms: 60_000,
        usage: Usage {
            stale_while_ms: 5,
            stale_error_ms: 6,
            fill_ms: 7,
            validate: true,
            strict: false,
            direct: true,
        },
        status: 200,
        headers: vec![("etag", b"\"1\""), ("x", b"\xff"), ("x", b"")],
        body: b"hello",
    }
}

#[test]
fn layout_of_version_2_is_frozen() {
    let expected = [
        &b"\x02"[..],
        b"\0\x0chttp://a/b?c",
        b"\0\x03api",
        b"\x02\0\x06accept\x01\0\0\0\x01x\0\x03foo\0",
        b"\x02\x01\0\0\0\x01u\0",
        b"\0\0\0\0\0\0\xea\x60",
        b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\x07\x05",
        b"\0\xc8",
        b"\0\x03\0\x04etag\0\0\0\x03\"1\"\0\x01x\0\0\0\x01\xff\0\x01x\0\0\0\0",
        b"\0\0\0\x05hello",
    ]
    .concat();
    assert_eq!(sample().encode(), Ok(sealed(&expected)));
}

#[test]
fn version_1_is_still_read() {
    let old = [
        &b"\x01"[..],
        b"\0\x0chttp://a/b?c",
        b"\0\x03api",
        b"\x02\0\x06accept\x01\0\0\0\x01x\0\x03foo\0",
        b"\0\0\0\0\0\0\xea\x60",
        b"\0\xc8",
        b"\0\x03\0\x04etag\0\0\0\x03\"1\"\0\x01x\0\0\0\x01\xff\0\x01x\0\0\0\0",
        b"\0\0\0\x05hello",
    ]
    .concat();
    let read = Record {
        extras: Vec::new(),
        usage: Usage::default(),
        ..sample()
    };
    assert_eq!(Record::decode(&sealed(&old)), Ok(read));
}

#[test]
fn c7_any_flipped_bit_is_an_error() {
    let bytes = sample().encode().expect("valid");
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(Record::decode(&flipped).is_err(), "bit {at}");
    }
    assert_eq!(Record::decode(&bytes), Ok(sample()));
}

#[test]
fn truncated_or_extended_bytes_are_an_error() {
    let bytes = sample().encode().expect("valid");
    for len in 0..bytes.len() {
        assert!(Record::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    assert!(Record::decode(&[&bytes[..], b"\0"].concat()).is_err());
}

#[test]
fn other_versions_are_named() {
    for version in [0, 3, 255] {
        let bytes = sample().encode().expect("valid");
        let mut content = bytes[..bytes.len() - 4].to_vec();
        content[0] = version;
        let other = Record::decode(&sealed(&content)).map(|_| ());
        assert_eq!(other, Err(RecordError::Version(version)));
        let damaged = [&[version], &bytes[1..]].concat();
        assert_eq!(Record::decode(&damaged), Err(RecordError::Checksum));
    }
    assert_eq!(Record::decode(b""), Err(RecordError::Length));
}

/// `content` with a right checksum: what a writer with other rules could have stored.
fn sealed(content: &[u8]) -> Vec<u8> {
    [content, &crc32(content).to_be_bytes()].concat()
}

#[test]
fn a_right_checksum_does_not_excuse_content() {
    let bytes = sample().encode().expect("valid");
    let content = &bytes[..bytes.len() - 4];
    assert!(Record::decode(&sealed(content)).is_ok());
    assert_eq!(
        Record::decode(&sealed(&[content, b"x"].concat())),
        Err(RecordError::Length)
    );
    assert_eq!(
        Record::decode(&sealed(&content[..content.len() - 1])),
        Err(RecordError::Length)
    );
    let replaced = |from: &[u8], to: &[u8]| {
        let at = content
            .windows(from.len())
            .position(|w| w == from)
            .expect("present");
        let mut changed = content.to_vec();
        changed[at..at + from.len()].copy_from_slice(to);
        Record::decode(&sealed(&changed)).map(|_| ())
    };
    assert_eq!(
        replaced(b"etag", b"ET\r\n"),
        Err(RecordError::Field("header name"))
    );
    assert_eq!(
        replaced(b"etag", b"Etag"),
        Err(RecordError::Field("header name"))
    );
    assert_eq!(
        replaced(b"\"1\"", b"\r\nx"),
        Err(RecordError::Field("header value"))
    );
    assert_eq!(
        replaced(b"api", b"\xff\xff\xff"),
        Err(RecordError::Field("policy"))
    );
    assert_eq!(
        replaced(b"\0\xc8\0\x03", b"\0\x64\0\x03"),
        Err(RecordError::Field("status"))
    );
    assert_eq!(
        replaced(b"\x01\0\0\0\x01x", b"\x02\0\0\0\x01x"),
        Err(RecordError::Field("vary"))
    );
    assert_eq!(
        replaced(b"\x07\x05\0\xc8", b"\x07\x0d\0\xc8"),
        Err(RecordError::Field("flags"))
    );
    assert_eq!(
        replaced(b"\0\0\0\x05hello", b"\xff\xff\xff\xffhello"),
        Err(RecordError::Length)
    );
}

#[test]
fn what_a_message_cannot_carry_is_not_written() {
    let with = |change: fn(&mut Record<'static>)| {
        let mut record = sample();
        change(&mut record);
        record.encode().map(|_| ())
    };
    assert_eq!(with(|r| r.url = b""), Err(RecordError::Field("url")));
    assert_eq!(with(|r| r.status = 199), Err(RecordError::Field("status")));
    assert_eq!(with(|r| r.status = 600), Err(RecordError::Field("status")));
    assert_eq!(
        with(|r| r.headers.push(("a b", b""))),
        Err(RecordError::Field("header name"))
    );
    assert_eq!(
        with(|r| r.headers.push(("a", b"x\ny"))),
        Err(RecordError::Field("header value"))
    );
    assert_eq!(
        with(|r| r.headers = vec![("a", b""); MAX_HEADERS + 1]),
        Err(RecordError::Field("headers"))
    );
    assert_eq!(
        with(|r| r.vary = vec![("a", None); 17]),
        Err(RecordError::Field("vary"))
    );
    assert_eq!(
        with(|r| r.extras = vec![None; MAX_EXTRAS + 1]),
        Err(RecordError::Field("key"))
    );
    assert_eq!(with(|_| ()), Ok(()));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        url in prop::collection::vec(any::<u8>(), 1..64),
        policy in "[a-z-]{0,16}",
        vary in prop::collection::vec(("[a-z-]{1,8}", any::<Option<Vec<u8>>>()), 0..4),
        extras in prop::collection::vec(any::<Option<Vec<u8>>>(), 0..4),
        lifetime_ms in any::<u64>(),
        (stale_while_ms, stale_error_ms, fill_ms) in any::<(u64, u64, u32)>(),
        (validate, strict, direct) in any::<(bool, bool, bool)>(),
        status in 200_u16..=599,
        headers in prop::collection::vec(("[a-z0-9-]{1,8}", "[^\r\n\0]{0,16}"), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..256),
        flip in any::<prop::sample::Index>(),
    ) {
        let record = Record {
            url: &url,
            policy: &policy,
            vary: vary.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect(),
            extras: extras.iter().map(Option::as_deref).collect(),
            lifetime_ms,
            usage: Usage { stale_while_ms, stale_error_ms, fill_ms, validate, strict, direct },
            status,
            headers: headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect(),
            body: &body,
        };
        let mut bytes = record.encode().expect("valid");
        let decoded = Record::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Ok(&record));
        let bit = flip.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Record::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_read(data in prop::collection::vec(any::<u8>(), 0..256)) {
        crate::cache::fuzz::fuzz_record(&data);
    }

    #[test]
    fn any_content_with_a_right_checksum_is_read(data in prop::collection::vec(any::<u8>(), 0..256)) {
        crate::cache::fuzz::fuzz_record(&sealed(&[&[VERSION], &data[..]].concat()));
    }

    #[test]
    fn damaged_content_with_a_right_checksum_is_read(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let bytes = sample().encode().expect("valid");
        let mut content = bytes[..bytes.len() - 4].to_vec();
        let at = at.index(content.len());
        content[at] = byte;
        crate::cache::fuzz::fuzz_record(&sealed(&content));
    }
}
