//! A real browser: headless Chromium, driven over WebDriver (W3C) by chromedriver.

use crate::kit::SOON;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tidegate_e2e::{Client, Request, wait};
use tidegate_stack::proc::{Guard, Launch, Running};

/// How an element is referred to (WebDriver, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Other sites than `localhost`: both are this machine, and nothing else is reached.
const HOSTS: &str =
    "MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1";
/// A browser that starts on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with an empty profile. It ends with this value; when this program is killed the guard kills
/// chromedriver, and Chromium ends with the pipe they share.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Option<Running>,
    port: u16,
    session: String,
    _guard: Guard,
}

impl Browser {
    /// Starts one whose files are in `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let log = dir.join("chromedriver.log");
        let launch = Launch {
            name: "chromedriver".into(),
            program: "chromedriver".into(),
            args: vec!["--port=0".into()],
            log: log.clone(),
            ..Launch::default()
        };
        let driver = launch.start().unwrap_or_else(|error| {
            panic!("{error}: tests/scripts/setup.sh browser (Debian: apt-get install chromium chromium-driver)")
        });
        let mut guard = Guard::start().unwrap();
        guard.watch(&driver.known()).unwrap();
        let port = wait::until("chromedriver's port", PATIENCE, || {
            let text = fs::read_to_string(&log).map_err(|e| e.to_string())?;
            let port = text.split("successfully on port ").nth(1);
            let digits = port
                .and_then(|rest| rest.split_once('.'))
                .map(|(digits, _)| digits);
            digits.and_then(|digits| digits.parse().ok()).ok_or(text)
        })
        .unwrap();
        let mut browser = Self {
            driver: Some(driver),
            port,
            session: String::new(),
            _guard: guard,
        };
        let profile = format!("--user-data-dir={}", dir.join("profile").display());
        let hosts = format!("--host-resolver-rules={HOSTS}");
        let args = [
            "--headless=new",
            // As root, as in a container, Chromium has no sandbox.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-pipe",
            &hosts,
            &profile,
        ];
        let wanted = json!({ "alwaysMatch": { "goog:chromeOptions": { "args": args } } });
        let session = browser.call("POST", "/session", &json!({ "capabilities": wanted }));
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Goes to `url` and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// What the page says, as a person reads it.
    pub(crate) fn text(&self) -> String {
        let text = self.script("return document.body ? document.body.innerText : ''");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says `wanted`.
    #[track_caller]
    pub(crate) fn says(&self, wanted: &str) {
        let said = wait::until("the page", SOON, || match self.text() {
            text if text.contains(wanted) => Ok(()),
            text => Err(text),
        });
        if let Err(error) = said {
            panic!("{wanted:?}: {error} at {}", self.url());
        }
    }

    /// Types `text` into the element `css`, in place of what is there.
    pub(crate) fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Clicks on the element `css`.
    pub(crate) fn click(&self, css: &str) {
        let element = self.element(css);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// The result of a script of the page.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The cookie `name` that it would send to where it is, with its attributes; also one no script can see.
    pub(crate) fn cookie(&self, name: &str) -> Option<Value> {
        let all = self.get("/cookie");
        all.as_array()
            .unwrap()
            .iter()
            .find(|cookie| cookie["name"] == name)
            .cloned()
    }

    fn element(&self, css: &str) -> String {
        let found = self.post(
            "/element",
            &json!({ "using": "css selector", "value": css }),
        );
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> Value {
        self.call(
            "GET",
            &format!("/session/{}{path}", self.session),
            &Value::Null,
        )
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    /// One command; what it answers.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = match method {
            "POST" => Request::post_json(path, body),
            _ => Request::new(method, path),
        };
        let mut client = Client::new(&format!("127.0.0.1:{}", self.port)).timeout(PATIENCE);
        let answer = client.send(&request).unwrap();
        let value = answer.json().unwrap()["value"].clone();
        assert_eq!(answer.status, 200, "{method} {path} {body}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let path = format!("/session/{}", self.session);
        let mut client = Client::new(&format!("127.0.0.1:{}", self.port)).timeout(SOON);
        // It may be gone already; the next line ends it in any case.
        let _quit = client.send(&Request::new("DELETE", path));
        if let Some(driver) = self.driver.take() {
            let _ended = driver.end(SOON);
        }
    }
}
