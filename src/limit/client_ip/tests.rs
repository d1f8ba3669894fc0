use super::*;
use proptest::prelude::*;

fn rule(trusted_hops: u8) -> ClientIp {
    ClientIp {
        prefix_v4: 32,
        prefix_v6: 128,
        trusted_hops,
    }
}

fn find(rule: &ClientIp, peer: &str, lines: &[&str]) -> Option<(String, bool)> {
    let lines = lines.iter().map(|line| line.as_bytes());
    let client = Client::find(rule, peer.as_bytes(), lines)?;
    Some((client.address.to_string(), client.fell_back))
}

#[test]
fn the_peer_as_envoy_prints_it() {
    for (peer, address) in [
        ("1.2.3.4:5678", Some("1.2.3.4")),
        ("1.2.3.4", Some("1.2.3.4")),
        ("[::1]:80", Some("::1")),
        ("[::1]", Some("::1")),
        ("::1", Some("::1")),
        ("2001:DB8:0:0::1", Some("2001:db8::1")),
        ("[fe80::1%eth0]:80", Some("fe80::1")),
        ("fe80::1%2", Some("fe80::1")),
        ("::ffff:1.2.3.4", Some("1.2.3.4")),
        ("[::ffff:1.2.3.4]:5678", Some("1.2.3.4")),
        ("[::ffff:102:304]:5678", Some("1.2.3.4")),
        ("/run/envoy.sock", None),
        ("", None),
        ("1.2.3", None),
        ("1.2.3.4:", None),
        ("1.2.3.4:99999", None),
        ("01.2.3.4", None),
        ("1.2.3.4%eth0", None),
        ("localhost:80", None),
    ] {
        let found = find(&rule(0), peer, &["9.9.9.9"]);
        assert_eq!(found, address.map(|a| (a.to_owned(), false)), "{peer}");
    }
    assert_eq!(Client::find(&rule(0), b"\xff", core::iter::empty()), None);
}

#[test]
fn trusted_hops_count_from_the_right_over_all_lines() {
    let peer = "10.0.0.1:1";
    for (hops, lines, address, fell_back) in [
        (1, vec!["1.1.1.1"], "1.1.1.1", false),
        (1, vec!["6.6.6.6, 1.1.1.1"], "1.1.1.1", false),
        (2, vec!["6.6.6.6, 1.1.1.1, 2.2.2.2"], "1.1.1.1", false),
        // A client's own line does not count before the proxies' lines.
        (
            2,
            vec!["6.6.6.6", "7.7.7.7, 1.1.1.1", "2.2.2.2"],
            "1.1.1.1",
            false,
        ),
        (1, vec!["1.1.1.1, ", ", ,"], "1.1.1.1", false),
        (1, vec!["1.1.1.1:4711"], "1.1.1.1", false),
        (1, vec!["[2001:db8::1]:4711"], "2001:db8::1", false),
        (1, vec!["::ffff:1.1.1.1"], "1.1.1.1", false),
        (1, vec!["1.1.1.1, unknown"], "10.0.0.1", true),
        (1, vec!["\"1.1.1.1\""], "10.0.0.1", true),
        (3, vec!["1.1.1.1, 2.2.2.2"], "10.0.0.1", true),
        (1, vec![], "10.0.0.1", true),
        (1, vec![""], "10.0.0.1", true),
    ] {
        let found = find(&rule(hops), peer, &lines);
        assert_eq!(
            found,
            Some((address.to_owned(), fell_back)),
            "{hops} {lines:?}"
        );
    }
    // Garbage further left is not read.
    assert_eq!(
        find(&rule(1), peer, &["\u{e9}, x, 1.1.1.1"]),
        Some(("1.1.1.1".into(), false))
    );
    let long = format!("1.1.1.1{}", " ".repeat(70_000));
    assert_eq!(
        find(&rule(1), peer, &[&long]),
        Some(("1.1.1.1".into(), false))
    );
}

#[test]
fn prefixes_group_neighbours() {
    let group = |v4, v6, peer: &str| {
        let rule = ClientIp {
            prefix_v4: v4,
            prefix_v6: v6,
            trusted_hops: 0,
        };
        find(&rule, peer, &[]).unwrap().0
    };
    assert_eq!(group(24, 64, "1.2.3.255:1"), "1.2.3.0");
    assert_eq!(group(0, 64, "1.2.3.255:1"), "0.0.0.0");
    assert_eq!(group(31, 64, "1.2.3.255:1"), "1.2.3.254");
    assert_eq!(group(32, 64, "[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::");
    assert_eq!(group(32, 0, "[2001:db8:1:2:3:4:5:6]:1"), "::");
    assert_eq!(
        group(32, 128, "[2001:db8:1:2:3:4:5:6]:1"),
        "2001:db8:1:2:3:4:5:6"
    );
    // Mapped first, then masked by the IPv4 prefix.
    assert_eq!(group(24, 64, "[::ffff:1.2.3.4]:1"), "1.2.3.0");
}

#[test]
fn one_client_has_one_key() {
    let key = |peer: &str| {
        Client::find(&rule(0), peer.as_bytes(), core::iter::empty())
            .unwrap()
            .key()
    };
    assert_eq!(key("1.2.3.4:5").as_bytes(), [1, 2, 3, 4]);
    assert_eq!(key("[::ffff:1.2.3.4]:9").as_bytes(), [1, 2, 3, 4]);
    assert_eq!(
        key("::102:304").as_bytes(),
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]
    );
    assert_ne!(key("1.2.3.4"), key("::102:304"));
}

proptest! {
    #[test]
    fn every_spelling_of_an_address_is_one_client(bits: u128, v4: bool, port: u16) {
        let address = if v4 {
            IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        };
        let spellings = [address.to_string(), SocketAddr::new(address, port).to_string()];
        for spelling in spellings {
            let client = Client::find(&rule(0), spelling.as_bytes(), core::iter::empty()).unwrap();
            prop_assert_eq!(client.address, address.to_canonical());
        }
    }

    /// With n trusted hops nothing a client writes moves the address the n-th proxy saw.
    #[test]
    fn what_a_client_writes_has_no_influence(
        written in prop::collection::vec("[0-9a-f.:, ]{0,20}", 0..4), hops in 1..4_u8,
    ) {
        let proxies: Vec<String> = (0..hops).map(|i| format!("10.1.1.{i}")).collect();
        let mut lines: Vec<&str> = written.iter().map(String::as_str).collect();
        let appended = proxies.join(", ");
        lines.push(&appended);
        let found = find(&rule(hops), "10.0.0.1:1", &lines);
        prop_assert_eq!(found, Some(("10.1.1.0".to_owned(), false)));
    }

    #[test]
    fn any_bytes(
        peer in prop::collection::vec(any::<u8>(), 0..60),
        line in prop::collection::vec(any::<u8>(), 0..60),
        hops: u8, v4: u8, v6: u8,
    ) {
        let rule = ClientIp { prefix_v4: v4, prefix_v6: v6, trusted_hops: hops };
        let client = Client::find(&rule, &peer, core::iter::once(line.as_slice()));
        prop_assert!(client.is_none_or(|client| matches!(client.key().as_bytes().len(), 4 | 16)));
    }
}
