//! What somebody may do.

use std::fmt;

/// What a token proves. Whoever may do more may do everything that others may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads: lists, figures, how things are.
    Viewer,
    /// Looks after the service: tries again, pauses, resumes, changes what is changed every day.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, who may least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// `viewer`, `operator` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The variable that holds its token.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER_TOKEN",
            Self::Operator => "OPERATOR_TOKEN",
            Self::Admin => "ADMIN_TOKEN",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
