//! Kills what a program started when that program is gone.

use super::Known;
use crate::{Error, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Reads "pid start" lines; at the end of its input kills each that is still the process it was.
const SCRIPT: &str = r#"
all=
while read -r pid start; do all="$all $pid:$start"; done
for p in $all; do
  pid=${p%%:*}
  now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
  [ "$now" = "${p#*:}" ] && kill -9 "$pid"
done
"#;

/// A shell that outlives us just long enough to kill what we started.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Guard {
    /// Starts it.
    ///
    /// # Errors
    /// When `sh` cannot be started.
    pub fn start() -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches the whole group of a terminal; the guard must not die of it first.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start sh (the guard)"))?;
        let input = shell.stdin.take();
        Ok(Self { shell, input })
    }

    /// From now on `process` dies with us.
    ///
    /// # Errors
    /// When the guard is gone.
    pub fn watch(&mut self, process: &Known) -> Result<()> {
        match &mut self.input {
            Some(input) => writeln!(input, "{} {}", process.pid, process.start)
                .map_err(Error::io("tell the guard of a process")),
            None => Ok(()),
        }
    }

    /// Forgets everything: what was watched may live on.
    pub fn release(mut self) {
        // A guard that is gone already has nothing to forget.
        let _gone = self.shell.kill();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.input = None;
        let _status = self.shell.wait();
    }
}
