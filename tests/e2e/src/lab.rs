//! A stack for a test: ports of its own, files that stay when the test fails.

use serde_json::{Value, json};
use std::net::TcpListener;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use tidegate_stack::{Error, Result, Stack, StackSpec, files, spec};

/// The sample policy, `envoy/policy.yaml`.
pub const SAMPLE: &str = include_str!("../../../envoy/policy.yaml");

/// The blocks of 100 ports tests use: above `make up`'s, below those the system gives to clients.
const FIRST: u16 = 14_000;
const LAST: u16 = 32_000;

/// A running stack and what it holds while it runs. Ends with the value, and with the test program.
#[derive(Debug)]
pub struct Lab {
    stack: Stack,
    /// After the stack: a Redis whose directory is gone cannot save, and refuses to end.
    files: Files,
    /// What logs may say of a trap: a test makes it.
    provoked: Vec<&'static str>,
    /// Says to other test programs on this machine that the block is taken.
    _claim: TcpListener,
}

impl Lab {
    /// A stack with this policy and the defaults else: one Envoy, two workers, two bridges. Every worker runs
    /// the policy when this returns.
    ///
    /// # Panics
    /// When it does not start: a test cannot go on.
    pub fn new(policy: &str) -> Self {
        Self::with(policy, |_| {})
    }

    /// The same with changes.
    ///
    /// # Panics
    /// When it does not start: a test cannot go on.
    pub fn with(policy: &str, change: impl FnOnce(&mut StackSpec)) -> Self {
        match Self::try_with(policy, change) {
            Ok(lab) => lab,
            Err(error) => stop(&error),
        }
    }

    /// The same, for tests of what must not start.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn try_with(policy: &str, change: impl FnOnce(&mut StackSpec)) -> Result<Self> {
        let (port, claim) = claim()?;
        let mut spec = StackSpec::new(format!("e2e-{port}"));
        spec.port = port;
        spec.policy = spec.dir().with_extension("yaml");
        change(&mut spec);
        let policy_file = spec.policy.clone();
        std::fs::create_dir_all(spec::root().join("target/stack"))
            .map_err(Error::io("create target/stack"))?;
        files::replace(&policy_file, policy.as_bytes())?;
        let stack = Stack::start(spec)?;
        let files = Files {
            policy: policy_file,
            dir: stack.files().dir().to_owned(),
            over: false,
        };
        let lab = Self {
            stack,
            files,
            provoked: Vec::new(),
            _claim: claim,
        };
        if lab.spec().running_bridges() > 0 {
            let (live, all) = lab.live_workers()?;
            if live != all {
                let last = format!(
                    "live on {live} of {all}, logs in {}",
                    lab.files().logs().display()
                );
                return Err(Error::Late {
                    what: "every worker runs the policy".into(),
                    last,
                });
            }
        }
        Ok(lab)
    }

    /// The one with the sample policy that all tests of this program share. Do not kill or swap anything in
    /// it, and expect that others count on its limits too.
    ///
    /// # Panics
    /// When it does not start.
    pub fn sample() -> &'static Self {
        static SAMPLE_LAB: OnceLock<Lab> = OnceLock::new();
        SAMPLE_LAB.get_or_init(|| Self::new(SAMPLE))
    }

    /// Lines of logs that hold this are what the test is about, and no complaints.
    pub fn provoke(&mut self, line: &'static str) {
        self.provoked.push(line);
    }

    /// Whether that line of a log was meant to come.
    pub(crate) fn is_provoked(&self, line: &str) -> bool {
        self.provoked.iter().any(|provoked| line.contains(provoked))
    }

    /// Writes another policy over the file and swaps it in.
    ///
    /// # Errors
    /// As [`Stack::apply_policy`].
    pub fn swap(&mut self, policy: &str) -> Result<()> {
        self.save(policy.as_bytes())
    }

    /// The same with what may be no text.
    ///
    /// # Errors
    /// As [`Stack::apply_policy`].
    pub fn save(&mut self, policy: &[u8]) -> Result<()> {
        files::replace(&self.files.policy, policy)?;
        self.stack.apply_policy(&self.files.policy)
    }

    /// Starts an Envoy anew with another bootstrap.
    ///
    /// # Errors
    /// When the file is not what was written, nothing was changed, or Envoy does not end by itself or start with it.
    pub fn reconfigure(&mut self, envoy: u16, change: impl FnOnce(&mut Value)) -> Result<()> {
        let file = self.files().bootstrap(envoy);
        let said = |got: String| Error::Answer {
            what: format!("the bootstrap of {}", file.display()),
            got,
        };
        let text = files::read(&file)?;
        let mut config: Value = serde_json::from_str(&text).map_err(|e| said(e.to_string()))?;
        let before = config.clone();
        change(&mut config);
        if config == before {
            return Err(said("nothing that was to be changed".into()));
        }
        files::replace(&file, config.to_string().as_bytes())?;
        let process = format!("envoy-{envoy}");
        match self.end(&process)? {
            true => self.revive(&process),
            false => Err(said(format!("{process}, which did not end by itself"))),
        }
    }

    /// Creates a session through the admin API; the token.
    ///
    /// # Errors
    /// When the bridge refuses.
    pub fn login(&self, realm: &str, uid: &str, roles: &[&str]) -> Result<String> {
        let body = json!({ "realm": realm, "uid": uid, "roles": roles, "data": {} });
        let answer = self.admin().post("/v1/sessions", &body)?;
        let token = answer.json()?["token"].as_str().map(str::to_owned);
        match token {
            Some(token) if answer.status == 201 => Ok(token),
            _ => Err(Error::Answer {
                what: format!("POST /v1/sessions ({})", answer.status),
                got: answer.text(),
            }),
        }
    }
}

impl Deref for Lab {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl DerefMut for Lab {
    fn deref_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let complaints = self.complaints();
            assert!(
                complaints.is_empty(),
                "{complaints:#?}, logs in {}",
                self.files().logs().display()
            );
            self.files.over = true;
        }
    }
}

/// The files of a stack: they stay when its test fails.
#[derive(Debug)]
struct Files {
    policy: PathBuf,
    dir: PathBuf,
    over: bool,
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.over {
            let _policy = std::fs::remove_file(&self.policy);
            let _files = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// A block of ports nobody else uses: its last port, bound, is the sign.
fn claim() -> Result<(u16, TcpListener)> {
    static NEXT: Mutex<u16> = Mutex::new(FIRST);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    while *next < LAST {
        let port = *next;
        *next += 100;
        if let Ok(claim) = TcpListener::bind(("127.0.0.1", port + 99)) {
            return Ok((port, claim));
        }
    }
    Err(Error::Late {
        what: "a free block of ports".into(),
        last: format!("{FIRST}..{LAST}"),
    })
}

#[expect(clippy::panic, reason = "a test whose stack does not start has failed")]
fn stop(error: &Error) -> ! {
    panic!("the stack does not start: {error}")
}
