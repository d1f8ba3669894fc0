//! What is measured, and how each row shows that it did what its name says.

use super::bare;
use crate::envoy;
use crate::{Error, Result, policy::Policy, spec};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One thing that is measured; each has an Envoy of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Envoy alone.
    NoFilter,
    /// A filter that does nothing.
    Noop,
    /// A filter that reads and writes what a limit by address has to, and decides nothing: the floor under `Leased`.
    Calls,
    /// A filter that makes an exchange for each request and nothing else: the floor under `OneLimit`.
    Bare,
    /// `fixed_window`, nothing denied.
    OneLimit,
    /// Ten of them on one request.
    TenLimits,
    /// `fixed_window` with a lease, nothing denied.
    Leased,
    /// Session, three limits, and a cache look-up that misses.
    Full,
    /// An answer that is in Redis.
    Cached,
    /// An answer the filter has in memory: what a cache can reach at most.
    Constant,
    /// 429.
    Denied,
    /// 401: the token's MAC is wrong.
    Forged,
    /// 503: no bridge can be reached. It must not cost more than what is served, or the failure keeps itself alive
    /// (faults.md, M11).
    Unavailable,
    /// An answer in the memory of the filter's worker.
    Remembered,
    /// One of these with a larger body.
    Body(What, Size),
}

/// What becomes of an answer with a larger body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It passes a filter that does nothing.
    Passes,
    /// The filter has it in memory, and nothing else to do.
    Constant,
    /// The worker remembers it.
    Remembered,
    /// Redis has it.
    Cached,
    /// It is looked up, fetched and stored with every request: what is stored is fresh for a millisecond.
    Stored,
}

/// How large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// 1 KiB.
    Small,
    /// 64 KiB.
    Large,
}

impl Size {
    fn bytes(self) -> usize {
        match self {
            Self::Small => 1 << 10,
            Self::Large => 64 << 10,
        }
    }
}

/// What a statistic does while `n` requests are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expect {
    /// These, summed.
    pub(super) stats: Vec<String>,
    /// True: grows by one for each request. False: stays.
    pub(super) grows: bool,
}

impl Row {
    /// All, in the order they are measured and printed.
    pub const ALL: [Self; 14] = [
        Self::NoFilter,
        Self::Noop,
        Self::Calls,
        Self::Bare,
        Self::OneLimit,
        Self::TenLimits,
        Self::Leased,
        Self::Full,
        Self::Cached,
        Self::Constant,
        Self::Denied,
        Self::Forged,
        Self::Unavailable,
        Self::Remembered,
    ];

    /// Those with larger bodies, measured when asked for: `BENCH_ONLY=bodies`.
    pub const BODIES: [Self; 10] = [
        Self::Body(What::Passes, Size::Small),
        Self::Body(What::Constant, Size::Small),
        Self::Body(What::Remembered, Size::Small),
        Self::Body(What::Cached, Size::Small),
        Self::Body(What::Stored, Size::Small),
        Self::Body(What::Passes, Size::Large),
        Self::Body(What::Constant, Size::Large),
        Self::Body(What::Remembered, Size::Large),
        Self::Body(What::Cached, Size::Large),
        Self::Body(What::Stored, Size::Large),
    ];

    /// How large its body is; `None`: as the others'.
    pub(super) fn size(self) -> Option<Size> {
        match self {
            Self::Body(_, size) => Some(size),
            _ => None,
        }
    }

    /// What is asked for.
    pub(super) fn path(self) -> String {
        match self.size() {
            Some(size) => format!("/size?n={}", size.bytes()),
            None => "/bench".to_owned(),
        }
    }

    /// The policy of its Envoy.
    fn policy(self) -> &'static str {
        match self {
            Self::Body(What::Remembered, _) => Self::Remembered.name(),
            Self::Body(What::Cached, _) => Self::Cached.name(),
            Self::Body(What::Stored, _) => "stored",
            row => row.name(),
        }
    }

    /// Its name in `BENCH_ONLY`; for those the filter serves, also its policy's.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFilter => "none",
            Self::Noop => "noop",
            Self::Calls => "calls",
            Self::Bare => "bare",
            Self::OneLimit => "one",
            Self::TenLimits => "ten",
            Self::Leased => "leased",
            Self::Full => "full",
            Self::Cached => "cached",
            Self::Constant => "constant",
            Self::Denied => "denied",
            Self::Forged => "forged",
            Self::Unavailable => "unavailable",
            Self::Remembered => "l1",
            Self::Body(What::Passes, Size::Small) => "passes-1k",
            Self::Body(What::Passes, Size::Large) => "passes-64k",
            Self::Body(What::Constant, Size::Small) => "constant-1k",
            Self::Body(What::Constant, Size::Large) => "constant-64k",
            Self::Body(What::Remembered, Size::Small) => "l1-1k",
            Self::Body(What::Remembered, Size::Large) => "l1-64k",
            Self::Body(What::Cached, Size::Small) => "cached-1k",
            Self::Body(What::Cached, Size::Large) => "cached-64k",
            Self::Body(What::Stored, Size::Small) => "stored-1k",
            Self::Body(What::Stored, Size::Large) => "stored-64k",
        }
    }

    /// What the table calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::NoFilter => "no filter",
            Self::Noop => "no-op filter",
            Self::Calls => "host calls alone",
            Self::Bare => "bare exchange",
            Self::OneLimit => "one limit",
            Self::TenLimits => "ten limits",
            Self::Leased => "leased limit",
            Self::Full => "full policy",
            Self::Cached => "cached hit (L2)",
            Self::Constant => "constant from Wasm",
            Self::Denied => "denied (429)",
            Self::Forged => "forged token (401)",
            Self::Unavailable => "no bridge (503)",
            Self::Remembered => "remembered hit (L1)",
            row @ Self::Body(..) => row.name(),
        }
    }

    /// The status of every answer.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Denied => 429,
            Self::Forged => 401,
            Self::Unavailable => 503,
            _ => 200,
        }
    }

    /// The discovery answer of its Envoy; none without a filter. `policy` is the benchmark's.
    ///
    /// # Errors
    /// When the shipped ECDS file is not what is expected.
    pub(super) fn ecds(self, policy: &Policy, module: &Path) -> Result<Option<Value>> {
        let text = |body: &str| {
            let mut answer = envoy::ecds::make(&Value::Null, &noop())?;
            *envoy::at(
                &mut answer,
                "/resources/0/typed_config/config/configuration",
            )? = json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": body });
            Ok(Some(answer))
        };
        match self {
            Self::NoFilter => Ok(None),
            Self::Noop => text(""),
            Self::Calls => text(tidegate_noop::CALLS),
            Self::Bare => text(&bare::configuration()),
            // As long as the upstream's answer.
            Self::Constant => text("abcdefghijklmnopqrstuvwxyz"),
            Self::Body(What::Passes, _) => text(""),
            Self::Body(What::Constant, size) => text(&"x".repeat(size.bytes())),
            Self::OneLimit
            | Self::TenLimits
            | Self::Leased
            | Self::Full
            | Self::Cached
            | Self::Denied
            | Self::Forged
            | Self::Unavailable
            | Self::Remembered
            | Self::Body(..) => {
                let mut value = policy.value.clone();
                let whole = value.as_object_mut().ok_or_else(|| Error::Answer {
                    what: "the benchmark's policy".into(),
                    got: "not a mapping".into(),
                })?;
                whole.insert("default_policy".into(), json!(self.policy()));
                if self == Self::Unavailable {
                    whole.insert("bridge".into(), json!({ "cluster": "nowhere" }));
                }
                envoy::ecds::make(&value, module).map(Some)
            }
        }
    }

    /// What shows that its Envoy did this and nothing else.
    pub(super) fn expects(self) -> Vec<Expect> {
        let served = matches!(
            self,
            Self::NoFilter
                | Self::Noop
                | Self::Calls
                | Self::Bare
                | Self::OneLimit
                | Self::TenLimits
                | Self::Leased
                | Self::Full
                | Self::Body(What::Passes, _)
        );
        let mut all = vec![
            expect(true, &["http.edge.downstream_rq_total"]),
            expect(self.status() >= 500, &["http.edge.downstream_rq_5xx"]),
            expect(
                (400..500).contains(&self.status()),
                &["http.edge.downstream_rq_4xx"],
            ),
        ];
        all.push(match self {
            // Within a millisecond it may be a hit.
            Self::Body(What::Stored, _) => expect(
                true,
                &[
                    "cluster.app.upstream_rq_total",
                    "tidegate.cache.brief.hit_l2",
                ],
            ),
            _ => expect(served, &["cluster.app.upstream_rq_total"]),
        });
        let sent = expect(true, &["tidegate.exchange.sent"]);
        let allowed = |limit: &str| expect(true, &[&format!("tidegate.limit.{limit}.allowed")]);
        match self {
            Self::NoFilter | Self::Noop | Self::Calls | Self::Bare | Self::Constant => {}
            Self::Body(What::Passes | What::Constant, _) => {}
            Self::OneLimit => all.extend([sent, allowed("one")]),
            Self::TenLimits => {
                all.push(sent);
                all.extend((0..10).map(|n| allowed(&format!("ten-{n}"))));
            }
            // Admitted by Redis, or from what this worker took of it beforehand.
            Self::Leased => all.push(expect(
                true,
                &["tidegate.limit.hot.allowed", "tidegate.limit.hot.leased"],
            )),
            Self::Full => all.extend([
                sent,
                expect(true, &["tidegate.session.web.valid"]),
                allowed("per-ip"),
                allowed("per-user"),
                allowed("per-path"),
                expect(true, &["tidegate.cache.never.miss"]),
            ]),
            Self::Cached | Self::Body(What::Cached, _) => {
                all.extend([sent, expect(true, &["tidegate.cache.hot.hit_l2"])]);
            }
            // A worker that was not heard in time asks Redis.
            Self::Remembered | Self::Body(What::Remembered, _) => all.push(expect(
                true,
                &["tidegate.cache.near.hit_l1", "tidegate.cache.near.hit_l2"],
            )),
            Self::Body(What::Stored, _) => {
                all.push(sent);
            }
            // Denied by Redis, or by what this worker remembers of Redis.
            Self::Denied => all.push(expect(
                true,
                &[
                    "tidegate.limit.tiny.denied",
                    "tidegate.limit.tiny.denied_local",
                ],
            )),
            Self::Unavailable => all.extend([
                expect(true, &["tidegate.limit.shut.error"]),
                expect(false, &["tidegate.exchange.ok"]),
            ]),
            Self::Forged => all.extend([
                expect(true, &["tidegate.session.web.rejected"]),
                expect(false, &["tidegate.exchange.sent"]),
            ]),
        }
        all
    }
}

/// The module that does nothing.
pub(super) fn noop() -> PathBuf {
    spec::root().join("target/wasm32-wasip1/release/tidegate_noop.wasm")
}

fn expect(grows: bool, stats: &[&str]) -> Expect {
    Expect {
        stats: stats.iter().map(|&s| s.into()).collect(),
        grows,
    }
}
