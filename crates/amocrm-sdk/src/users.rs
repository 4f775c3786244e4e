//! Users of the account. Only administrators may read them, external integrations not at all.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/users-api>.

use std::fmt;

use serde::Deserialize;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Never, resource, words};
use crate::id::{CatalogId, PipelineId, RoleId, StatusId, UserGroupId, UserId, kind};

resource! {
    /// Users of an account: [`Client::users`].
    pub struct Users of User: kind::User, "users";
    /// Reads users.
    list(with = UserWith, filter = Never, order = Never);
    /// Reads one user.
    get(UserId);
}

impl Client {
    /// Users of the account.
    pub fn users(&self) -> Users {
        Users::at(self, "/api/v4/users")
    }
}

/// A user as amoCRM tells it. `Debug` shows neither e-mail nor phone.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Their e-mail.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub email: Option<String>,
    /// Language of their interface: `ru`, `en`, `es`, `pt`, …
    #[serde(default, deserialize_with = "de::opt_text")]
    pub lang: Option<String>,
    /// What they may do.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: UserRights,
    /// Their UUID, with [`UserWith::Uuid`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub uuid: Option<String>,
    /// Their id in the chat service, with [`UserWith::AmojoId`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub amojo_id: Option<String>,
    /// `newbie`, `candidate` or `master`, with [`UserWith::UserRank`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub user_rank: Option<String>,
    /// Their phone, with [`UserWith::PhoneNumber`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub phone_number: Option<String>,
    /// What [`UserWith`] adds.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: UserEmbedded,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// What is embedded in a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UserEmbedded {
    /// With [`UserWith::Role`].
    #[serde(deserialize_with = "de::list")]
    pub roles: Vec<UserRole>,
    /// With [`UserWith::Group`].
    #[serde(deserialize_with = "de::list")]
    pub groups: Vec<crate::account::UserGroup>,
}

/// A role of a user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct UserRole {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
}

/// What a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the vendor's own shape")]
pub struct UserRights {
    /// With leads.
    #[serde(deserialize_with = "de::object")]
    pub leads: EntityRights,
    /// With contacts.
    #[serde(deserialize_with = "de::object")]
    pub contacts: EntityRights,
    /// With companies.
    #[serde(deserialize_with = "de::object")]
    pub companies: EntityRights,
    /// With tasks.
    #[serde(deserialize_with = "de::object")]
    pub tasks: EntityRights,
    /// Whether they see the mail.
    #[serde(deserialize_with = "de::flag")]
    pub mail_access: bool,
    /// Whether they see catalogs.
    #[serde(deserialize_with = "de::flag")]
    pub catalog_access: bool,
    /// Exceptions for certain stages.
    #[serde(deserialize_with = "de::list")]
    pub status_rights: Vec<StatusRights>,
    /// Exceptions for certain catalogs.
    #[serde(deserialize_with = "de::list")]
    pub catalog_rights: Vec<CatalogRights>,
    /// Whether they administrate the account.
    #[serde(deserialize_with = "de::flag")]
    pub is_admin: bool,
    /// Whether they are a free user, who sees nothing.
    #[serde(deserialize_with = "de::flag")]
    pub is_free: bool,
    /// Whether they may log in.
    #[serde(deserialize_with = "de::flag")]
    pub is_active: bool,
    /// Their group; `0` is the default one.
    #[serde(deserialize_with = "de::id_or_zero")]
    pub group_id: Option<UserGroupId>,
    /// Their role.
    #[serde(deserialize_with = "de::opt_id")]
    pub role_id: Option<RoleId>,
}

/// What a user may do with entities of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EntityRights {
    /// See them.
    pub view: Option<Access>,
    /// Change them.
    pub edit: Option<Access>,
    /// Add some.
    pub add: Option<Access>,
    /// Delete them.
    pub delete: Option<Access>,
    /// Export them.
    pub export: Option<Access>,
}

open_enum! {
    /// How far a right reaches.
    pub enum Access {
        /// All entities.
        All = "A",
        /// Those of the user's group.
        Group = "G",
        /// Those the user is responsible for.
        Main = "M",
        /// Those linked to entities the user sees (catalogs).
        Linked = "L",
        /// None.
        Denied = "D",
    }
}

/// A user's rights at one stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StatusRights {
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// The status.
    pub status_id: StatusId,
    /// The rights.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: EntityRights,
}

/// A user's rights in one catalog.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CatalogRights {
    /// The catalog.
    pub catalog_id: CatalogId,
    /// The rights.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: EntityRights,
}

words! {
    /// What a list or a read of users adds on request.
    pub enum UserWith {
        /// [`UserEmbedded::roles`].
        Role = "role",
        /// [`UserEmbedded::groups`].
        Group = "group",
        /// [`User::uuid`].
        Uuid = "uuid",
        /// [`User::amojo_id`].
        AmojoId = "amojo_id",
        /// [`User::user_rank`].
        UserRank = "user_rank",
        /// [`User::phone_number`].
        PhoneNumber = "phone_number",
    }
}
