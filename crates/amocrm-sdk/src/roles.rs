//! Roles: rights that users have in common. Only administrators may read and write them.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/users-api>.

use serde::Deserialize;

use crate::client::Client;
use crate::de;
use crate::entity::{HasId, Never, input, resource, words};
use crate::id::{RoleId, UserId, kind};
use crate::users::{Rights, UserRights};

resource! {
    /// Roles of the account: [`Client::roles`].
    pub struct Roles of Role: kind::Role, "roles";
    /// Reads roles.
    list(with = RoleWith, filter = Never, order = Never);
    /// Reads one role.
    get(RoleId);
    /// Adds roles.
    create(NewRole => Role);
    /// Changes a role.
    update(RoleId, RolePatch => Role);
    /// Removes a role.
    delete(RoleId);
}

impl Client {
    /// Roles of users.
    pub fn roles(&self) -> Roles {
        Roles::at(self, "/api/v4/roles")
    }
}

/// A role as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// What its users may do.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: UserRights,
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::list")]
    users: Vec<RoleUser>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct RoleUser {
    id: UserId,
}

impl Role {
    /// Who has it, with [`RoleWith::Users`].
    pub fn users(&self) -> impl Iterator<Item = UserId> {
        self.embedded.users.iter().map(|user| user.id)
    }
}

impl HasId for Role {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

words! {
    /// What a list or a read of roles embeds on request.
    pub enum RoleWith {
        /// Who has it: [`Role::users`].
        Users = "users",
    }
}

input! {
    /// A role to be added.
    pub struct NewRole(name: impl Into<String>, rights: Rights);
    /// Changes to a role: only what is set travels, and amoCRM refuses a change of nothing.
    pub struct RolePatch(RoleId) of Role;
    fields RoleFields;
    both {
        /// Sets the name.
        text name "name";
        /// Sets what its users may do.
        set rights "rights": Rights;
    }
    new {}
    patch {}
}
