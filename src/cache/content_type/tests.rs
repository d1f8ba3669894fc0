use super::*;

fn refused(path: &str, content_type: &str) -> bool {
    contradicts(
        path.as_bytes(),
        &Headers::from_pairs([("content-type", content_type)]),
    )
}

#[test]
fn an_account_page_under_the_name_of_a_style_sheet_is_refused() {
    for path in [
        "/account/x.css",
        "/account;x.css",
        "/account/x.js?a=b.html",
        "/account/%2e%2e/x.PNG",
        "/account%00.jpg",
        "/account/x%2Ecss",
        "/account/x.svg",
        "/account/x.woff2",
    ] {
        assert!(refused(path, "text/html; charset=utf-8"), "{path}");
    }
}

#[test]
fn what_fits_or_is_not_known_is_no_contradiction() {
    for (path, content_type) in [
        ("/x.css", "text/css; charset=utf-8"),
        ("/x.js", "application/javascript"),
        ("/x.mjs", "text/JavaScript"),
        ("/x.png", "image/webp"),
        ("/x.json", "application/problem+json"),
        ("/x.css", "application/octet-stream"),
        ("/x.html", "text/html"),
        ("/x", "text/html"),
        ("/", "text/html"),
        ("/x.", "text/html"),
        ("/x?y=.css", "text/html"),
        ("/.css/", "text/html"),
    ] {
        assert!(!refused(path, content_type), "{path} {content_type}");
    }
    assert!(!contradicts(b"/x.css", &Headers::new()));
}
