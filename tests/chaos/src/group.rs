//! Control groups, version 1: what the processes of one may have together.

use std::path::{Path, PathBuf};
use tidegate_e2e::Error;
use tidegate_stack::Result;
use tidegate_stack::files;
use tidegate_stack::proc::Launch;

const ROOT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "tidegate-chaos-";

/// A control group, which is gone when this is dropped.
#[derive(Debug)]
pub struct Group(PathBuf);

impl Group {
    /// An empty one of this controller.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub fn of(controller: &str) -> Result<Self> {
        let all = Path::new(ROOT).join(controller);
        // What a trial left that was killed: only empty ones can be removed.
        for old in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            if old.file_name().to_string_lossy().starts_with(PREFIX) {
                let _in_use = std::fs::remove_dir(old.path());
            }
        }
        let dir = all.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(Error::io(format!("create {}", dir.display())))?;
        Ok(Self(dir))
    }

    /// Why there can be none of this controller; `None` when there can.
    pub fn missing(controller: &str) -> Option<String> {
        // The kernel lets root make a group where the mode of the directory says nothing of it.
        let text = format!("needs the {controller} controller below {ROOT} (root)");
        let controls = Path::new(ROOT).join(controller).is_dir();
        (!controls || Self::of(controller).is_err()).then_some(text)
    }

    /// Sets one of its files.
    ///
    /// # Errors
    /// When the kernel refuses the value.
    pub fn set(&self, file: &str, value: &str) -> Result<()> {
        let file = self.0.join(file);
        std::fs::write(&file, value).map_err(Error::io(format!("write {}", file.display())))
    }

    /// What one of its files says.
    ///
    /// # Errors
    /// When it cannot be read, or is no number.
    pub fn get(&self, file: &str) -> Result<u64> {
        let text = files::read(&self.0.join(file))?;
        text.trim().parse().map_err(|_| Error::Answer {
            what: format!("read {file}"),
            got: text,
        })
    }

    /// A process that runs is of this group from now on, with all its threads.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn enter(&self, pid: u32) -> Result<()> {
        self.set("cgroup.procs", &pid.to_string())
    }

    /// The same program, started in this group.
    pub fn within(&self, launch: &Launch) -> Launch {
        let file = self.0.join("cgroup.procs");
        // A shell that becomes the program: it needs no second process.
        let script = format!("echo $$ >{} && exec \"$@\"", file.display());
        let mut args = vec![
            "-c".into(),
            script,
            "sh".into(),
            launch.program.display().to_string(),
        ];
        args.extend(launch.args.iter().cloned());
        Launch {
            program: "sh".into(),
            args,
            ..launch.clone()
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that somebody is still in goes with the next that is made.
        let _in_use = std::fs::remove_dir(&self.0);
    }
}
