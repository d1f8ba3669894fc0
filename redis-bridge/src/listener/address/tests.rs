use super::*;

#[test]
fn addresses() {
    assert_eq!(
        "unix:/run/b.sock".parse(),
        Ok(Address::Unix("/run/b.sock".into()))
    );
    assert_eq!(
        "tcp:127.0.0.1:0".parse(),
        Ok(Address::Tcp(([127, 0, 0, 1], 0).into()))
    );
    assert_eq!(
        "tls:[::1]:10030".parse(),
        Ok(Address::Tls("[::1]:10030".parse().unwrap()))
    );
    let long = format!("unix:/{}", "x".repeat(MAX_PATH));
    for (text, error) in [
        ("unix:run/b.sock", AddressError::Relative),
        (long.as_str(), AddressError::PathLength { length: 101 }),
        ("127.0.0.1:1", AddressError::Scheme),
        ("tcp:localhost:1", AddressError::Socket),
        ("tcp:127.0.0.1", AddressError::Socket),
        ("tls:bridge:1", AddressError::Socket),
    ] {
        assert_eq!(text.parse::<Address>(), Err(error), "{text}");
    }
}

#[test]
fn a_stale_socket_is_replaced_a_live_one_and_a_file_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.sock");
    let first = bind_unix(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(
        bind_unix(&path).unwrap_err().kind(),
        io::ErrorKind::AddrInUse
    );
    drop(first);
    assert!(path.exists(), "a crash leaves the socket file");
    let _second = bind_unix(&path).unwrap();
    UnixStream::connect(&path).unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "data").unwrap();
    assert_eq!(
        bind_unix(&file).unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"data");
}
