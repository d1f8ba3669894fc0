//! What can go wrong with a stack.

use std::fmt;
use std::path::PathBuf;

/// `std::result::Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a stack could not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// A variable holds something it may not.
    Spec {
        /// The variable.
        variable: &'static str,
        /// What was expected, and what was found.
        reason: String,
    },
    /// A file, socket or process call failed.
    Io {
        /// What was being done, with the path or address.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that is needed was not found.
    Missing {
        /// The program or file.
        what: &'static str,
        /// How to get it.
        mend: String,
    },
    /// A part ended although it should run.
    Exited {
        /// Its name.
        part: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Something did not happen in time.
    Late {
        /// What was waited for.
        what: String,
        /// The last thing seen.
        last: String,
    },
    /// A policy file was refused; the one before goes on.
    Policy {
        /// The file.
        file: PathBuf,
        /// One reason for each line.
        reason: String,
    },
    /// A peer answered something else than its protocol or this library expects.
    Answer {
        /// Who was asked what.
        what: String,
        /// What came back.
        got: String,
    },
    /// No part of that name.
    NoPart(String),
    /// A stack of that name runs already.
    Running(String),
}

impl Error {
    /// Wraps a system error with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec { variable, reason } => write!(f, "{variable}: {reason}"),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Missing { what, mend } => write!(f, "{what} is missing: {mend}"),
            Self::Exited { part, log, tail } => {
                write!(f, "{part} ended; {} says:\n{tail}", log.display())
            }
            Self::Late { what, last } => write!(f, "{what}: not in time; last seen: {last}"),
            Self::Policy { file, reason } => write!(f, "{}: {reason}", file.display()),
            Self::Answer { what, got } => write!(f, "{what}: unexpected answer: {got}"),
            Self::NoPart(name) => write!(f, "no part is called {name}"),
            Self::Running(name) => {
                write!(
                    f,
                    "stack {name} runs already (end it with: make down STACK={name})"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
