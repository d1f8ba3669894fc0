//! Envoy and bridges over mutual TLS: as `envoy/tls` ships it, and with certificates that do not fit, have
//! ended, or are replaced.

#[path = "../../../pki/mod.rs"]
mod pki;

use crate::faults_kit::{POLICY, load, load_for, recovers, statuses};
use crate::kit::SOON;
use pki::{Ca, For, When, replace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_e2e::{Lab, Request, wait};

const BRIDGES: [&str; 2] = ["bridge-0", "bridge-1"];
const NAME: &str = "redis-bridge";

/// A stack that speaks mutual TLS, and the directory of its certificates.
struct Secured {
    lab: Lab,
    dir: PathBuf,
    ca: Ca,
}

impl Secured {
    fn new() -> Self {
        let ca = Ca::new("ca");
        let mut dir = PathBuf::new();
        let lab = Lab::with(POLICY, |spec| {
            dir = spec.dir().with_extension("tls");
            std::fs::create_dir_all(&dir).unwrap();
            ca.server(NAME).store(&dir, "bridge");
            ca.client("envoy").store(&dir, "envoy");
            trusted(&dir, &ca.pem());
            spec.tls = Some(dir.clone());
        });
        Self { lab, dir, ca }
    }

    /// Ends both bridges and starts them again, one after the other: every stream is a new connection.
    fn restart(&mut self) {
        for bridge in BRIDGES {
            self.lab.restart(bridge).unwrap();
        }
    }

    /// Handshakes at both bridges that failed for `reason`, or any.
    fn failures(&self, reason: &str) -> u64 {
        let series = format!("tidegate_bridge_handshake_failures_total{{reason=\"{reason}\"}}");
        self.lab.bridges_metric(&series).unwrap()
    }

    fn failures_told(&self) -> String {
        let text = self.lab.admin().get("/metrics").unwrap().text();
        let told = |line: &&str| line.contains("handshake_failures_total") && !line.ends_with(" 0");
        text.lines().filter(told).collect::<Vec<_>>().join(", ")
    }

    /// Nothing passes that needs Redis' answer, and the bridges say why.
    fn is_refused(&self, reason: &str) {
        wait::until(reason, SOON, || match self.failures(reason) {
            0 => Err(format!(
                "{:?}, {}",
                statuses(&self.lab, 4, &deny()),
                self.failures_told()
            )),
            _ => Ok(()),
        })
        .unwrap();
        assert_eq!(
            statuses(&self.lab, 20, &deny()),
            BTreeMap::from([(503, 20)]),
            "{reason}"
        );
    }

    /// Waits until Envoy has read its files again, and the bridges theirs.
    fn settled(&self, updates_before: u64) {
        wait::until("Envoy reads its files", SOON, || {
            match self.updates() > updates_before {
                true => Ok(()),
                false => Err("not yet".into()),
            }
        })
        .unwrap();
        // The bridges look each second.
        std::thread::sleep(Duration::from_millis(1_500));
    }

    fn updates(&self) -> u64 {
        let stats = self.lab.stats("ssl_context_update_by_sds").unwrap();
        stats.values().sum()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _files = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Both sides believe these CAs.
fn trusted(dir: &Path, pem: &str) {
    for file in ["envoy-ca.pem", "bridge-ca.pem"] {
        replace(&dir.join(file), pem);
    }
}

fn deny() -> Request {
    Request::get("/deny")
}

#[test]
fn every_certificate_is_rotated_under_load_and_no_request_fails() {
    let mut secured = Secured::new();
    let dir = secured.dir.clone();
    assert_eq!(load_for(&secured.lab, SECOND).other_than(200), 0);
    let (old, next) = (secured.ca.pem(), Ca::new("next"));
    let running = load(&secured.lab);
    let step = |secured: &mut Secured, change: &dyn Fn()| {
        let before = secured.updates();
        change();
        secured.settled(before);
        secured.restart();
        running.goes_on(100);
    };
    step(&mut secured, &|| {
        trusted(&dir, &format!("{old}{}", next.pem()));
    });
    step(&mut secured, &|| {
        next.server(NAME).store(&dir, "bridge");
        next.client("envoy").store(&dir, "envoy");
    });
    step(&mut secured, &|| trusted(&dir, &next.pem()));
    running.reaches(1_001);
    let tally = running.stop();
    assert!(tally.total > 1_000, "{tally:?}");
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
    // The old CA is nobody's any more.
    let before = secured.updates();
    secured.ca.client("envoy").store(&dir, "envoy");
    secured.settled(before);
    secured.restart();
    secured.is_refused("unknown_ca");
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_does_not_fit_keeps_envoy_out_and_streams_that_live_stay() {
    let mut secured = Secured::new();
    let dir = secured.dir.clone();
    recovers(&secured.lab, &deny(), SOON);

    // The bridges' clients come from another CA from now on, and those that are there are served.
    replace(&dir.join("envoy-ca.pem"), &Ca::new("other").pem());
    std::thread::sleep(Duration::from_millis(2_500));
    let tally = load_for(&secured.lab, SECOND);
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
    assert!(tally.total > 100, "{tally:?}");
    let log = std::fs::read_to_string(secured.lab.files().log("bridge-0")).unwrap();
    assert!(
        log.contains("new handshakes use the new certificates"),
        "{log}"
    );
    secured.restart();
    secured.is_refused("unknown_ca");
    replace(&dir.join("envoy-ca.pem"), &secured.ca.pem());
    recovers(&secured.lab, &deny(), SOON);

    for (reason, leaf) in [
        (
            "own_expired",
            secured.ca.sign(NAME, For::ServerAuth, When::Ended),
        ),
        // BoringSSL has one word for both.
        (
            "own_expired",
            secured.ca.sign(NAME, For::ServerAuth, When::Soon),
        ),
        ("own_refused", secured.ca.server("elsewhere")),
        ("own_unknown_ca", Ca::new("other").server(NAME)),
    ] {
        leaf.store(&dir, "bridge");
        secured.restart();
        secured.is_refused(reason);
        secured.ca.server(NAME).store(&dir, "bridge");
        recovers(&secured.lab, &deny(), SOON);
    }
}
