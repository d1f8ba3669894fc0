//! What is measured, and how each row shows that it did what its name says.

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
    pub const ALL: [Self; 10] = [
        Self::NoFilter,
        Self::Noop,
        Self::OneLimit,
        Self::TenLimits,
        Self::Leased,
        Self::Full,
        Self::Cached,
        Self::Constant,
        Self::Denied,
        Self::Forged,
    ];

    /// Its name in `BENCH_ONLY`; for those the filter serves, also its policy's.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFilter => "none",
            Self::Noop => "noop",
            Self::OneLimit => "one",
            Self::TenLimits => "ten",
            Self::Leased => "leased",
            Self::Full => "full",
            Self::Cached => "cached",
            Self::Constant => "constant",
            Self::Denied => "denied",
            Self::Forged => "forged",
        }
    }

    /// What the table calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::NoFilter => "no filter",
            Self::Noop => "no-op filter",
            Self::OneLimit => "one limit",
            Self::TenLimits => "ten limits",
            Self::Leased => "leased limit",
            Self::Full => "full policy",
            Self::Cached => "cached hit (L2)",
            Self::Constant => "constant from Wasm",
            Self::Denied => "denied (429)",
            Self::Forged => "forged token (401)",
        }
    }

    /// The status of every answer.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Denied => 429,
            Self::Forged => 401,
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
            // As long as the upstream's answer.
            Self::Constant => text("abcdefghijklmnopqrstuvwxyz"),
            Self::OneLimit
            | Self::TenLimits
            | Self::Leased
            | Self::Full
            | Self::Cached
            | Self::Denied
            | Self::Forged => {
                let mut value = policy.value.clone();
                let whole = value.as_object_mut().ok_or_else(|| Error::Answer {
                    what: "the benchmark's policy".into(),
                    got: "not a mapping".into(),
                })?;
                whole.insert("default_policy".into(), json!(self.name()));
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
                | Self::OneLimit
                | Self::TenLimits
                | Self::Leased
                | Self::Full
        );
        let mut all = vec![
            expect(true, &["http.edge.downstream_rq_total"]),
            expect(false, &["http.edge.downstream_rq_5xx"]),
            expect(self.status() >= 400, &["http.edge.downstream_rq_4xx"]),
            expect(served, &["cluster.app.upstream_rq_total"]),
        ];
        let sent = expect(true, &["tidegate.exchange.sent"]);
        let allowed = |limit: &str| expect(true, &[&format!("tidegate.limit.{limit}.allowed")]);
        match self {
            Self::NoFilter | Self::Noop | Self::Constant => {}
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
            Self::Cached => all.extend([sent, expect(true, &["tidegate.cache.hot.hit_l2"])]),
            // Denied by Redis, or by what this worker remembers of Redis.
            Self::Denied => all.push(expect(
                true,
                &[
                    "tidegate.limit.tiny.denied",
                    "tidegate.limit.tiny.denied_local",
                ],
            )),
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
