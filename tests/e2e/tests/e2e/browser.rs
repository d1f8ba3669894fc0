//! Sessions in a real browser, which keeps the cookie by its own rules: `__Host-`, `Secure`, `HttpOnly`, `SameSite`.
//!
//! `localhost` counts as trustworthy, so `Secure` works without TLS. Cookies know no ports: what the sample
//! upstream sets on its own port the browser sends to the proxy, and a page on that port is another origin of the
//! same site. `evil.example` is another site on the same machine.

use crate::kit::with_cookie;
use crate::webdriver::Browser;
use tidegate_e2e::{Lab, SAMPLE};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: __Host-sid }
policies:
  account: { session: web }
routes:
  - { match: { path: /account }, policy: account }
  - { match: { path: /logout }, policy: account }
";

const COOKIE: &str = "__Host-sid";

/// The URL of `path` behind the proxy.
fn app(lab: &Lab, path: &str) -> String {
    format!("http://localhost:{}{path}", lab.spec().proxy_port(0))
}

/// The URL at `host` of an answer with these fields and this page, made by the sample upstream.
fn page(lab: &Lab, host: &str, fields: &str, html: &str) -> String {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n{fields}\r\n{html}",
        html.len()
    );
    let hex: String = answer.bytes().map(|b| format!("{b:02x}")).collect();
    let port = lab.spec().upstream_port();
    format!("http://{host}:{port}/raw?hex={hex}")
}

/// A page at `host` with a button that posts to the application's logout, and a link to the account.
fn trap(lab: &Lab, host: &str) -> String {
    let html = format!(
        "<form method=post action={}><button id=go>A kitten</button></form><a id=link href={}>More</a>",
        app(lab, "/logout"),
        app(lab, "/account"),
    );
    page(lab, host, "", &html)
}

/// Other sites cannot act with the session of whoever visits them, nor log them out.
fn other_sites_get_nothing(lab: &Lab, browser: &Browser, user: &str) {
    let before = lab.upstream_count("/logout").unwrap();
    for (host, reason) in [
        // SameSite=Lax: the cookie stays at home, so nobody asks.
        ("evil.example", "session-required"),
        // Another origin of the same site gets the cookie sent: Sec-Fetch-Site tells.
        ("localhost", "cross-site"),
    ] {
        browser.open(&trap(lab, host));
        browser.click("#go");
        browser.says(reason);
        assert_eq!(browser.url(), app(lab, "/logout"));
        // A link is no forgery: it shows what anybody sees who goes there.
        browser.open(&trap(lab, host));
        browser.click("#link");
        browser.says(&format!("You are {user}."));
    }
    assert_eq!(lab.upstream_count("/logout").unwrap(), before);
}

/// Fills in the form of the page it is on.
fn log_in(browser: &Browser, name: &str, password: &str) {
    browser.type_into("#name", name);
    browser.type_into("#password", password);
    browser.click("#login");
}

#[test]
fn a_browser_keeps_a_session_other_sites_cannot_use_and_forgets_it_when_it_is_revoked() {
    let lab = Lab::new(POLICY);
    let browser = Browser::start(&lab.files().dir().join("browser"));
    browser.open(&app(&lab, "/account"));
    browser.says("session-required");

    let token = lab.login("web", "ada", &["user"]).unwrap();
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
    let set = format!("set-cookie: {COOKIE}={token}; {attributes}\r\n");
    browser.open(&page(&lab, "localhost", &set, "set"));
    browser.open(&app(&lab, "/account"));
    browser.says("You are ada.");
    browser.reload();
    browser.says("You are ada.");
    let cookie = browser.cookie(COOKIE).unwrap();
    assert_eq!(cookie["value"], token.as_str());
    assert_eq!(browser.script("return document.cookie"), "", "HttpOnly");

    other_sites_get_nothing(&lab, &browser, "ada");

    let gone = lab
        .admin()
        .delete("/v1/users/ada/sessions?realm=web")
        .unwrap();
    assert_eq!(gone.status, 200);
    browser.open(&app(&lab, "/account"));
    browser.says("session-invalid");
    assert_eq!(browser.cookie(COOKIE), None, "the proxy took it away");
    browser.reload();
    browser.says("session-required");
}

/// The page, the form and the way of the form to the upstream, on a route that lets nobody log in.
#[test]
fn a_form_without_a_nonce_logs_nobody_in() {
    let lab = Lab::new(POLICY);
    let browser = Browser::start(&lab.files().dir().join("browser"));
    browser.open(&app(&lab, "/login"));
    for (name, password, complaint) in [
        ("ada", "wrong", "Wrong name or password."),
        ("a<b>", "tide", "A name is made of letters"),
        ("ada", "tide", "The proxy lets nobody log in on this route."),
    ] {
        log_in(&browser, name, password);
        browser.says(complaint);
        assert_eq!(browser.url(), app(&lab, "/login"));
        assert_eq!(browser.cookie(COOKIE), None);
    }
}

/// The sample policy and the sample upstream, as `make run` shows them to people.
#[test]
fn people_log_in_stay_are_somebody_else_and_log_out() {
    let lab = Lab::new(SAMPLE);
    let browser = Browser::start(&lab.files().dir().join("browser"));
    let status = |token: &str| {
        let answer = lab.client(0).send(&with_cookie("/account", COOKIE, token));
        answer.unwrap().status
    };
    browser.open(&app(&lab, "/account"));
    browser.says("session-required");
    browser.open(&app(&lab, "/login"));
    log_in(&browser, "ada", "wrong");
    browser.says("Wrong name or password.");
    assert_eq!(browser.cookie(COOKIE), None);

    log_in(&browser, "ada", "tide");
    browser.says("You are ada.");
    assert_eq!(browser.url(), app(&lab, "/account"));
    let cookie = browser.cookie(COOKIE).unwrap();
    for (attribute, wanted) in [
        ("path", serde_json::json!("/")),
        ("domain", "localhost".into()),
        ("secure", true.into()),
        ("httpOnly", true.into()),
        ("sameSite", "Lax".into()),
    ] {
        assert_eq!(cookie[attribute], wanted, "{attribute}");
    }
    assert_eq!(browser.script("return document.cookie"), "");
    browser.reload();
    browser.says("You are ada.");
    other_sites_get_nothing(&lab, &browser, "ada");
    // Neither does a link log anybody out.
    browser.open(&app(&lab, "/logout"));
    browser.says("only POST");

    // Who logs in again has one session, the new one.
    let first = cookie["value"].as_str().unwrap().to_owned();
    assert_eq!(status(&first), 200);
    browser.open(&app(&lab, "/login"));
    log_in(&browser, "admin", "tide");
    browser.says("You are admin.");
    browser.says("admin,user");
    assert_eq!(status(&first), 401);
    browser.open(&app(&lab, "/admin/"));
    browser.says("\"target\":\"/admin/\"");

    browser.open(&app(&lab, "/account"));
    let second = browser.cookie(COOKIE).unwrap()["value"].clone();
    let second = second.as_str().unwrap();
    assert_eq!(status(second), 200);
    browser.click("#logout");
    browser.says("Log in");
    assert_eq!(browser.url(), app(&lab, "/login"));
    assert_eq!(browser.cookie(COOKIE), None);
    assert_eq!(status(second), 401);
    browser.open(&app(&lab, "/account"));
    browser.says("session-required");
}
