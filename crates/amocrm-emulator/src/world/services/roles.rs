//! Sets of rights with a name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::Sequence;

const FIRST_ROLE: u64 = 8_500_001;

/// The roles of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Roles {
    pub(crate) list: Vec<Role>,
    role_ids: Sequence,
}

impl Roles {
    pub(crate) fn next_id(&mut self, account_id: u64) -> u64 {
        self.role_ids.take(account_id, FIRST_ROLE)
    }

    pub(crate) fn find(&self, id: u64) -> Option<&Role> {
        self.list.iter().find(|role| role.id == id)
    }
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// As they are answered.
    pub(crate) rights: Value,
}
