//! Wall clocks that are wrong, one process at a time. Monotonic clocks are not touched.

use crate::{Error, Result, spec};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The wall clock of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The part: `envoy-0`, `bridge-1`, `redis-state-0`.
    pub part: String,
    /// How far it is ahead when the part starts, seconds; negative: behind.
    pub ahead_s: i64,
}

impl Clock {
    /// That part's clock, so many seconds ahead.
    pub fn new(part: impl Into<String>, ahead_s: i64) -> Self {
        Self {
            part: part.into(),
            ahead_s,
        }
    }

    /// What the part finds in its environment; `dir` is the stack's.
    ///
    /// # Errors
    /// When the library cannot be built or the file not written.
    pub fn env(&self, dir: &Path) -> Result<Vec<(String, String)>> {
        let library = library()?.display().to_string();
        let file = file(dir, &self.part);
        set(dir, &self.part, self.ahead_s)?;
        Ok(vec![
            ("LD_PRELOAD".into(), library),
            ("TIDEGATE_SKEW".into(), file.display().to_string()),
        ])
    }
}

/// Steps the clock of a part that was started with one of these.
///
/// # Errors
/// When the file cannot be written.
pub fn set(dir: &Path, part: &str, ahead_s: i64) -> Result<()> {
    let file = file(dir, part);
    let ahead_ns = ahead_s.saturating_mul(1_000_000_000);
    // In place and never shorter: the process has this very file mapped.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file)
        .and_then(|mut file| file.write_all(&ahead_ns.to_ne_bytes()))
        .map_err(Error::io(format!("write {}", file.display())))
}

fn file(dir: &Path, part: &str) -> PathBuf {
    dir.join(format!("{part}.clock"))
}

/// `clock/skew.c`, built once by whoever needs it first.
fn library() -> Result<PathBuf> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clock/skew.c");
    let library = spec::root().join("target/stack/skew.so");
    let date = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    if date(&library).is_some_and(|built| Some(built) >= date(&source)) {
        return Ok(library);
    }
    // Another test program may be running with the old one: it is replaced, not overwritten.
    let fresh = library.with_extension(format!("so.{}", std::process::id()));
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&fresh, &source])
        .output()
        .map_err(Error::io("run cc"))?;
    if !output.status.success() {
        return Err(Error::Answer {
            what: format!("cc {}", source.display()),
            got: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    std::fs::rename(&fresh, &library).map_err(Error::io(format!("move {}", fresh.display())))?;
    Ok(library)
}
