//! How commands end. The numbers are fixed: scripts rely on them.

#[cfg(test)]
mod tests;

use std::fmt;

use cordon_disclosure::{Code, Family};

/// What the help of the commands says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; the answer was released
  1  done, but not everything is well (rows rejected, journal broken)
  2  usage: the command, a file or a setting is wrong
  3  refused by the agreement
  4  refused by disclosure control
  5  the SQL is not understood
  6  not signed in
  7  cancelled or timed out
  8  unavailable: no server, no store, an internal error";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Incomplete,
    Usage,
    Agreement,
    Disclosure,
    Sql,
    NotSignedIn,
    Stopped,
    Unavailable,
}

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Incomplete => 1,
            Exit::Usage => 2,
            Exit::Agreement => 3,
            Exit::Disclosure => 4,
            Exit::Sql => 5,
            Exit::NotSignedIn => 6,
            Exit::Stopped => 7,
            Exit::Unavailable => 8,
        }
    }

    /// How a query ends that stopped with this code.
    pub(crate) fn of(code: Code) -> Self {
        match (code, code.family()) {
            (Code::NotSignedIn | Code::TokenExpired, _) => Exit::NotSignedIn,
            (Code::Cancelled | Code::DeadlineReached, _) => Exit::Stopped,
            (_, Family::Agreement) => Exit::Agreement,
            (_, Family::Disclosure) => Exit::Disclosure,
            (_, Family::Sql) => Exit::Sql,
            (_, Family::Operational) => Exit::Unavailable,
        }
    }
}

/// An error that ends a command with an exit code of its own. Others end with [`Exit::Unavailable`].
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Ended {}

/// The command, a file that it was given or a setting is wrong.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    Ended { exit: Exit::Usage, text: text.into() }.into()
}

pub(crate) fn ended(exit: Exit, text: impl Into<String>) -> anyhow::Error {
    Ended { exit, text: text.into() }.into()
}
