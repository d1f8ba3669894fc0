//! The files of one stack, and replacing a file at once.

use crate::{Error, Result, StackSpec};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A Unix socket's path may have 107 bytes (`sun_path` of unix(7) less its end).
const SOCKET_PATH_MAX: usize = 107;

/// Where a stack keeps what.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
    sockets: PathBuf,
}

impl Files {
    /// The files of `spec`'s stack; nothing is created yet.
    pub fn of(spec: &StackSpec) -> Self {
        let dir = spec.dir();
        let near = dir.join("run");
        let sockets = if near.as_os_str().len() + "/bridge-00.faults.sock".len() <= SOCKET_PATH_MAX
        {
            near
        } else {
            std::env::temp_dir().join(format!("tidegate-{}-{}", spec.name, spec.port))
        };
        Self { dir, sockets }
    }

    /// Removes what an earlier stack of this name left and creates the directories.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self) -> Result<()> {
        for old in [&self.dir, &self.sockets] {
            match fs::remove_dir_all(old) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(format!("remove {}", old.display()))(e));
                }
                _ => {}
            }
        }
        for dir in [
            &self.dir,
            &self.sockets,
            &self.logs(),
            &self.ecds(),
            &self.modules(),
        ] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(Error::io(format!("create {}", dir.display())))?;
        }
        Ok(())
    }

    /// The stack's own directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One log for each part.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The log of `part`.
    pub fn log(&self, part: &str) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    /// The access log of Envoy `i`.
    pub fn access_log(&self, i: u16) -> PathBuf {
        self.logs().join(format!("access-{i}.log"))
    }

    /// The directory Envoy watches; holds nothing but the ECDS file.
    pub fn ecds(&self) -> PathBuf {
        self.dir.join("ecds")
    }

    /// The filter's configuration as Envoy reads it.
    pub fn ecds_file(&self) -> PathBuf {
        self.ecds().join("tidegate.json")
    }

    /// The policy that was accepted last: what a bridge reads when it starts.
    pub fn policy(&self) -> PathBuf {
        self.dir.join("policy.json")
    }

    /// The links of the fault proxies.
    pub fn links(&self) -> PathBuf {
        self.dir.join("links.json")
    }

    /// What the stack's name server answers.
    pub fn names(&self) -> PathBuf {
        self.dir.join("names.json")
    }

    /// Modules, each named by its digest.
    pub fn modules(&self) -> PathBuf {
        self.dir.join("modules")
    }

    /// Bootstrap of Envoy `i`.
    pub fn bootstrap(&self, i: u16) -> PathBuf {
        self.dir.join(format!("envoy-{i}.json"))
    }

    /// Socket of bridge `i`'s data listener.
    pub fn bridge_socket(&self, i: u16) -> PathBuf {
        self.sockets.join(format!("bridge-{i}.sock"))
    }

    /// Socket Envoys reach bridge `i` by when a fault proxy stands between.
    pub fn bridge_fault_socket(&self, i: u16) -> PathBuf {
        self.sockets.join(format!("bridge-{i}.faults.sock"))
    }

    /// The bridges' admin credential, mode 0600.
    pub fn admin_token(&self) -> PathBuf {
        self.dir.join("admin.token")
    }

    /// The keys and passwords of this stack, mode 0600.
    pub fn secrets(&self) -> PathBuf {
        self.dir.join("secrets.json")
    }

    /// Where everything is, for others.
    pub fn endpoints(&self) -> PathBuf {
        self.dir.join("endpoints.json")
    }

    /// The processes `make up` started and `make down` ends.
    pub fn pids(&self) -> PathBuf {
        self.dir.join("pids.json")
    }
}

/// Writes `bytes` beside `path` and moves them over it, so a reader sees the old or the new file, and
/// Envoy's watch sees one move.
///
/// # Errors
/// When the file system refuses.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    write_private(&fresh, bytes)?;
    fs::rename(&fresh, path).map_err(Error::io(format!("move over {}", path.display())))
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// When the file system refuses.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(Error::io(format!("write {}", path.display())))
}

/// Reads a whole text file.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))
}
