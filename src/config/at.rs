//! A place in the configuration, and the list of what is wrong there.

use super::error::{ConfigError, Errors};
use core::cell::RefCell;
use core::fmt::{self, Write as _};

/// Mistakes that are listed; more are counted only.
const MAX_ERRORS: usize = 100;

/// Longest part of a value or name that a message repeats, characters.
const MAX_SHOWN: usize = 64;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<String>>,
    more: RefCell<usize>,
}

impl Report {
    /// `compiled` with the warnings, unless there were mistakes.
    pub(super) fn finish(
        self,
        compiled: Option<crate::policy::Config>,
    ) -> Result<crate::policy::Config, Errors> {
        let mut errors = self.errors.into_inner();
        let more = self.more.into_inner();
        if more > 0 {
            errors.push(whole(format!("{more} more mistakes")));
        }
        match compiled {
            Some(mut config) if errors.is_empty() => {
                config.warnings = self.warnings.into_inner();
                Ok(config)
            }
            // Nothing fails without saying why; were it so, the configuration is refused all the same.
            None if errors.is_empty() => Err(Errors(vec![whole("refused".to_owned())])),
            _ => Err(Errors(errors)),
        }
    }
}

fn whole(reason: String) -> ConfigError {
    ConfigError {
        path: String::new(),
        reason,
    }
}

/// A place, with the report that takes what is wrong there.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    path: Path<'a>,
    report: &'a Report,
}

#[derive(Debug, Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl<'a> At<'a> {
    /// The whole configuration.
    pub(super) fn root(report: &'a Report) -> Self {
        Self {
            path: Path::Root,
            report,
        }
    }

    /// The value of `name` here.
    pub(super) fn key<'b>(&'b self, name: &'b str) -> At<'b> {
        At {
            path: Path::Key(&self.path, name),
            report: self.report,
        }
    }

    /// Element `index` of the list here.
    pub(super) fn item(&self, index: usize) -> At<'_> {
        At {
            path: Path::Item(&self.path, index),
            report: self.report,
        }
    }

    /// Reports a mistake here.
    pub(super) fn error(&self, reason: impl Into<String>) {
        let mut errors = self.report.errors.borrow_mut();
        if errors.len() < MAX_ERRORS {
            errors.push(ConfigError {
                path: self.path.to_string(),
                reason: reason.into(),
            });
        } else {
            let mut more = self.report.more.borrow_mut();
            *more = more.saturating_add(1);
        }
    }

    /// Reports a mistake here, and that there is no value.
    pub(super) fn fail<T>(&self, reason: impl Into<String>) -> Option<T> {
        self.error(reason);
        None
    }

    /// Reports what is accepted, but probably not meant.
    pub(super) fn warn(&self, reason: &str) {
        let mut warnings = self.report.warnings.borrow_mut();
        if warnings.len() < MAX_ERRORS {
            warnings.push(format!("{}: {reason}", self.path));
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Root => Ok(()),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Key(parent, name) => {
                fmt::Display::fmt(parent, f)?;
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                if name.is_empty() || name.len() > MAX_SHOWN || !name.bytes().all(plain) {
                    return write!(f, "[{}]", Shown(name));
                }
                if !matches!(parent, Self::Root) {
                    f.write_char('.')?;
                }
                f.write_str(name)
            }
        }
    }
}

/// Text from the configuration as a message repeats it: quoted, escaped, not too long.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars().take(MAX_SHOWN) {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        if self.0.chars().nth(MAX_SHOWN).is_some() {
            f.write_str("...")?;
        }
        f.write_char('"')
    }
}
