//! Answers about sessions.

use super::{ReplyError, array, int, unsigned};
use crate::wire::resp::{self, Value};

/// Answer to `SESSION.GET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionReply<'a> {
    /// `[+absent now_us]`: never created, ended, revoked or expired.
    Absent,
    /// `[+valid uid roles deadline_us now_us]`, and `version data` when they were asked for.
    Valid {
        /// The user.
        uid: &'a [u8],
        /// Roles, sorted, joined by `,`.
        roles: &'a [u8],
        /// Absolute deadline, microseconds since the epoch by Redis' clock.
        deadline_us: u64,
        /// When it was asked for.
        data: Option<SessionData<'a>>,
    },
}

/// What an application keeps in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionData<'a> {
    /// Grows with each change; a change names the one it is based on.
    pub version: u64,
    /// JSON.
    pub json: &'a [u8],
}

/// Answer to the verbs that change a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionWritten {
    /// `[+absent now_us]`: there is no such session (any more); nothing was written.
    Absent,
    /// `[+conflict version now_us]`: it is of this version; nothing was written.
    Conflict {
        /// Its version.
        version: u64,
    },
    /// `[+created user deadline_us now_us]`
    Created {
        /// The user's keyed tag.
        user: [u8; 12],
        /// Absolute deadline, microseconds since the epoch by Redis' clock.
        deadline_us: u64,
    },
    /// `[+ended sessions now_us]`
    Ended {
        /// So many were known to live.
        sessions: u64,
    },
    /// `[+rotated secret deadline_us now_us]`
    Rotated {
        /// The new token's random part: the one proposed, or that of a rotation that came first.
        secret: [u8; 18],
        /// As of [`SessionWritten::Created`].
        deadline_us: u64,
    },
    /// `[+updated version now_us]`
    Updated {
        /// Its version now.
        version: u64,
    },
}

impl<'a> SessionReply<'a> {
    /// Reads the value.
    pub fn parse(value: &Value<'a>) -> Result<Self, ReplyError> {
        match array(value)? {
            [Value::Simple(b"absent"), now] => {
                unsigned(now)?;
                Ok(Self::Absent)
            }
            [
                Value::Simple(b"valid"),
                Value::Bulk(uid),
                Value::Bulk(roles),
                deadline,
                now,
                data @ ..,
            ] => {
                unsigned(now)?;
                let data = match data {
                    [] => None,
                    [version, Value::Bulk(json)] => Some(SessionData {
                        version: unsigned(version)?,
                        json,
                    }),
                    _ => return Err(ReplyError::Shape),
                };
                Ok(Self::Valid {
                    uid,
                    roles,
                    deadline_us: unsigned(deadline)?,
                    data,
                })
            }
            _ => Err(ReplyError::Shape),
        }
    }

    /// Appends the value.
    pub fn encode(&self, now_us: u64, out: &mut Vec<u8>) {
        match self {
            Self::Absent => {
                resp::array(out, 2);
                resp::simple(out, b"absent");
                int(out, now_us);
            }
            Self::Valid {
                uid,
                roles,
                deadline_us,
                data,
            } => {
                resp::array(out, if data.is_some() { 7 } else { 5 });
                resp::simple(out, b"valid");
                resp::bulk(out, uid);
                resp::bulk(out, roles);
                int(out, *deadline_us);
                int(out, now_us);
                if let Some(SessionData { version, json }) = data {
                    int(out, *version);
                    resp::bulk(out, json);
                }
            }
        }
    }
}

impl SessionWritten {
    /// Reads the value.
    pub fn parse(value: &Value<'_>) -> Result<Self, ReplyError> {
        let [Value::Simple(word), items @ .., now] = array(value)? else {
            return Err(ReplyError::Shape);
        };
        unsigned(now)?;
        match (*word, items) {
            (b"absent", []) => Ok(Self::Absent),
            (b"conflict", [version]) => Ok(Self::Conflict {
                version: unsigned(version)?,
            }),
            (b"created", [Value::Bulk(user), deadline]) => Ok(Self::Created {
                user: (*user).try_into().map_err(|_| ReplyError::Shape)?,
                deadline_us: unsigned(deadline)?,
            }),
            (b"ended", [sessions]) => Ok(Self::Ended {
                sessions: unsigned(sessions)?,
            }),
            (b"rotated", [Value::Bulk(secret), deadline]) => Ok(Self::Rotated {
                secret: (*secret).try_into().map_err(|_| ReplyError::Shape)?,
                deadline_us: unsigned(deadline)?,
            }),
            (b"updated", [version]) => Ok(Self::Updated {
                version: unsigned(version)?,
            }),
            _ => Err(ReplyError::Shape),
        }
    }

    /// Appends the value.
    pub fn encode(&self, now_us: u64, out: &mut Vec<u8>) {
        let begin = |out: &mut Vec<u8>, items, word: &[u8]| {
            resp::array(out, items);
            resp::simple(out, word);
        };
        match self {
            Self::Absent => begin(out, 2, b"absent"),
            Self::Conflict { version } => {
                begin(out, 3, b"conflict");
                int(out, *version);
            }
            Self::Created { user, deadline_us } => {
                begin(out, 4, b"created");
                resp::bulk(out, user);
                int(out, *deadline_us);
            }
            Self::Ended { sessions } => {
                begin(out, 3, b"ended");
                int(out, *sessions);
            }
            Self::Rotated {
                secret,
                deadline_us,
            } => {
                begin(out, 4, b"rotated");
                resp::bulk(out, secret);
                int(out, *deadline_us);
            }
            Self::Updated { version } => {
                begin(out, 3, b"updated");
                int(out, *version);
            }
        }
        int(out, now_us);
    }
}
