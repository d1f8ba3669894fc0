use super::*;
use proptest::prelude::*;

const RFC_EXAMPLE: i64 = 784_111_777;

#[test]
fn rfc9110_5_6_7_three_forms() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(parse(text.as_bytes(), None), Some(RFC_EXAMPLE), "{text}");
        assert_eq!(
            parse(text.as_bytes(), Some(1_800_000_000)),
            Some(RFC_EXAMPLE),
            "{text}"
        );
    }
    assert_eq!(
        parse(b"Wed Nov 16 08:49:37 1994", None),
        Some(RFC_EXAMPLE + 10 * 86_400)
    );
    assert_eq!(imf_fixdate(RFC_EXAMPLE), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(imf_fixdate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

#[test]
fn known_days() {
    let cases = [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
        ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
        ("Sat, 01 Jan 2050 00:00:00 GMT", 2_524_608_000),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ];
    for (text, seconds) in cases {
        assert_eq!(parse(text.as_bytes(), None), Some(seconds), "{text}");
        assert_eq!(imf_fixdate(seconds), text);
    }
    assert_eq!(
        parse(b"Sat, 31 Dec 2016 23:59:60 GMT", None),
        Some(1_483_228_800),
        "leap second"
    );
}

#[test]
fn what_is_no_date_is_none() {
    for text in [
        "",
        "0",
        "-1",
        "foo",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 gMT",
        "THU, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 AUG 2050 02:01:18 GMT",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 18 Aug 2050 00:60:00 GMT",
        "Thu, 18 Aug 2050 00:00:61 GMT",
        "Tue, 30 Feb 2024 00:00:00 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Wed, 00 Jan 2023 00:00:00 GMT",
        "Wed, +1 Jan 2023 00:00:00 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  16 08:49:37 1994",
        "Sun, 06-Nov-94 08:49:37 GMT",
    ] {
        assert_eq!(parse(text.as_bytes(), None), None, "{text}");
    }
    assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GM\xff", None), None);
}

#[test]
fn rfc9110_5_6_7_two_digit_years_more_than_50_ahead_are_past() {
    let year = |short: u32, now: &str| {
        let now = parse(now.as_bytes(), None);
        let text = format!("Monday, 01-Jan-{short:02} 00:00:00 GMT");
        imf_fixdate(parse(text.as_bytes(), now).expect("valid"))[12..16].to_owned()
    };
    let now = "Sat, 21 Nov 2026 00:00:00 GMT";
    assert_eq!(year(26, now), "2026");
    assert_eq!(year(76, now), "2076");
    assert_eq!(year(77, now), "1977");
    assert_eq!(year(99, now), "1999");
    assert_eq!(year(0, now), "2000");
    assert_eq!(year(20, "Fri, 01 Jan 2077 00:00:00 GMT"), "2120");
}

#[test]
fn writing_never_fails() {
    assert_eq!(imf_fixdate(i64::MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
    assert_eq!(imf_fixdate(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(seconds in -62_167_219_200_i64..=253_402_300_799) {
        prop_assert_eq!(parse(imf_fixdate(seconds).as_bytes(), None), Some(seconds));
    }

    #[test]
    fn consecutive_days_are_a_day_apart_and_of_consecutive_names(day in -700_000_i64..2_900_000) {
        let (today, tomorrow) = (imf_fixdate(day * DAY_S), imf_fixdate((day + 1) * DAY_S));
        let index = |text: &str| DAYS.iter().position(|name| text.starts_with(name)).expect("a day");
        prop_assert_eq!((index(&today) + 1) % 7, index(&tomorrow));
        let of_month = |text: &str| text[5..7].parse::<u32>().expect("a number");
        prop_assert!(of_month(&tomorrow) == of_month(&today) + 1 || of_month(&tomorrow) == 1);
    }

    #[test]
    fn any_bytes_are_read(data in prop::collection::vec(any::<u8>(), 0..48)) {
        crate::cache::fuzz::fuzz_date(&data);
    }

    #[test]
    fn near_grammar_is_read(text in "(Sun|Sunday|Mon),? [0-9 ]{1,2}[ -](Feb|Nov)[ -][0-9]{2,4} [0-9]{2}:[0-6][0-9]:[0-9]{2}( GMT| [0-9]{4})?") {
        crate::cache::fuzz::fuzz_date(text.as_bytes());
    }
}
