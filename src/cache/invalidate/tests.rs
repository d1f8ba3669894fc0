use super::*;

fn targets_of(status: u16, pairs: &[(&str, &str)]) -> Vec<String> {
    let url = Url::parse(b"http://shop.example/products/7?v=1").expect("valid");
    let found = targets(&url, status, &Headers::from_pairs(pairs.iter().copied()));
    found
        .iter()
        .map(|url| String::from_utf8_lossy(url.as_bytes()).into_owned())
        .collect()
}

#[test]
fn rfc9111_4_4_a_non_error_answer_invalidates_the_target() {
    for status in [200, 201, 204, 299, 303, 399] {
        assert_eq!(
            targets_of(status, &[]),
            ["http://shop.example/products/7?v=1"],
            "{status}"
        );
    }
    for status in [100, 103, 199, 400, 404, 409, 500, 503, 599, 600] {
        assert_eq!(
            targets_of(status, &[("location", "/x")]),
            [""; 0],
            "{status}"
        );
    }
}

#[test]
fn rfc9111_4_4_location_and_content_location_of_the_same_origin_too() {
    let found = targets_of(
        201,
        &[
            ("location", "8"),
            ("content-location", "http://SHOP.example:80/list"),
        ],
    );
    assert_eq!(
        found,
        [
            "http://shop.example/products/7?v=1",
            "http://shop.example/products/8",
            "http://shop.example/list"
        ]
    );
}

#[test]
fn rfc9111_4_4_no_host_evicts_anothers() {
    let own = ["http://shop.example/products/7?v=1"];
    for location in [
        "http://other.example/x",
        "https://shop.example/x",
        "//other/x",
        "http://shop.example:81/x",
        "mailto:x",
    ] {
        assert_eq!(
            targets_of(
                201,
                &[("location", location), ("content-location", location)]
            ),
            own,
            "{location}"
        );
    }
    assert_eq!(
        targets_of(201, &[("location", "/a"), ("location", "/b")]),
        own,
        "which one is not said"
    );
    assert_eq!(
        targets_of(
            201,
            &[("location", "?v=1#top"), ("content-location", "7?v=1")]
        ),
        own,
        "each once"
    );
}
