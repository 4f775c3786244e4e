//! Duplicate control: whether a lead that comes with its contact is folded into one that is there.

use serde::{Deserialize, Serialize};

/// What duplicate control of an account does with a lead of `POST /leads/complex` whose contact has an open lead in the same
/// pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DuplicateControl {
    /// Nothing: another lead is made.
    #[default]
    Off,
    /// The lead that is there is answered; its values stay, and what it lacks is filled in.
    Keep,
    /// The lead that is there is answered; the new values take the place of its own.
    Overwrite,
}
