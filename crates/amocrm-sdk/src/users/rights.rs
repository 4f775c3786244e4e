//! What users may do: rights of a user and of a role, as they are read and as they are written.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::de;
use crate::de::open_enum;
use crate::id::{CatalogId, PipelineId, RoleId, StatusId, UserGroupId};
use crate::links::EntityType;

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

/// What a user may do with entities of one type. What is not said is left out when it is written.
///
/// amoCRM refuses a right that reaches further than the one it needs: changing and exporting need seeing, deleting needs
/// changing. Adding is [`Access::All`] or [`Access::Denied`].
///
/// ```
/// use amocrm_sdk::users::{Access, EntityRights};
///
/// let own = EntityRights::new().view(Access::All).edit(Access::Main).add(Access::All);
/// let nothing = EntityRights::all(&Access::Denied);
/// # drop((own, nothing));
/// ```
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl EntityRights {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same reach for everything.
    pub fn all(access: &Access) -> Self {
        let every = || Some(access.clone());
        Self {
            view: every(),
            edit: every(),
            add: every(),
            delete: every(),
            export: every(),
        }
    }

    /// See them.
    #[must_use]
    pub fn view(mut self, access: Access) -> Self {
        self.view = Some(access);
        self
    }

    /// Change them.
    #[must_use]
    pub fn edit(mut self, access: Access) -> Self {
        self.edit = Some(access);
        self
    }

    /// Add some.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the vendor's own word")]
    pub fn add(mut self, access: Access) -> Self {
        self.add = Some(access);
        self
    }

    /// Delete them.
    #[must_use]
    pub fn delete(mut self, access: Access) -> Self {
        self.delete = Some(access);
        self
    }

    /// Export them.
    #[must_use]
    pub fn export(mut self, access: Access) -> Self {
        self.export = Some(access);
        self
    }
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

/// A user's rights at one stage: [`Access::All`] or [`Access::Denied`] only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusRights {
    /// Of what the stage is: leads.
    #[serde(default = "leads")]
    pub entity_type: EntityType,
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// The status.
    pub status_id: StatusId,
    /// The rights.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: EntityRights,
}

/// A user's rights in one catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogRights {
    /// The catalog.
    pub catalog_id: CatalogId,
    /// The rights.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: EntityRights,
}

impl StatusRights {
    /// Rights at a stage of leads.
    pub fn new(pipeline: PipelineId, status: StatusId, rights: EntityRights) -> Self {
        Self {
            entity_type: leads(),
            pipeline_id: pipeline,
            status_id: status,
            rights,
        }
    }
}

impl CatalogRights {
    /// Rights in a catalog.
    pub fn new(catalog: CatalogId, rights: EntityRights) -> Self {
        Self {
            catalog_id: catalog,
            rights,
        }
    }
}

/// `null` in the place of what is not there would be a type that nothing has.
fn leads() -> EntityType {
    EntityType::Leads
}

/// Rights as they are written: only what is set travels.
///
/// amoCRM wants those of leads, contacts, companies and tasks, unless there is a role or the user is a free one, for then it
/// ignores all others. A change of a role starts from what it has: `Rights::from(&role.rights)`.
///
/// ```
/// use amocrm_sdk::users::{Access, EntityRights, Rights};
///
/// let rights = Rights::new()
///     .leads(EntityRights::all(&Access::All).delete(Access::Denied))
///     .contacts(EntityRights::all(&Access::All))
///     .companies(EntityRights::all(&Access::All))
///     .tasks(EntityRights::new().edit(Access::Main).delete(Access::Denied))
///     .mail_access(false);
/// # drop(rights);
/// ```
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[must_use = "it does nothing until it is sent"]
#[expect(clippy::struct_field_names, reason = "the vendor's own names")]
pub struct Rights {
    leads: Option<EntityRights>,
    contacts: Option<EntityRights>,
    companies: Option<EntityRights>,
    tasks: Option<EntityRights>,
    mail_access: Option<bool>,
    catalog_access: Option<bool>,
    #[expect(clippy::option_option, reason = "absent, null or exceptions")]
    status_rights: Option<Option<Vec<StatusRights>>>,
    catalog_rights: Option<Vec<CatalogRights>>,
    is_free: Option<bool>,
    #[expect(clippy::option_option, reason = "absent, null or a group")]
    group_id: Option<Option<UserGroupId>>,
    role_id: Option<RoleId>,
}

macro_rules! rights {
    ($($(#[$doc:meta])* $right:ident: $type:ty),+ $(,)?) => {
        $(
            $(#[$doc])*
            pub fn $right(mut self, $right: $type) -> Self {
                self.$right = Some($right);
                self
            }
        )+
    };
}

impl Rights {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    rights! {
        /// With leads; customers inherit them.
        leads: EntityRights,
        /// With contacts.
        contacts: EntityRights,
        /// With companies.
        companies: EntityRights,
        /// With tasks: changing and deleting.
        tasks: EntityRights,
        /// Whether they see the mail.
        mail_access: bool,
        /// Whether they see catalogs.
        catalog_access: bool,
        /// Whether they are a free user, who sees nothing. Of users only.
        is_free: bool,
        /// The role; it decides everything else. Of users only.
        role_id: RoleId,
    }

    /// Sets **all** exceptions for certain stages.
    pub fn status_rights(mut self, exceptions: impl IntoIterator<Item = StatusRights>) -> Self {
        self.status_rights = Some(Some(exceptions.into_iter().collect()));
        self
    }

    /// Takes all exceptions for certain stages away; the stages of incoming leads are denied then.
    pub fn clear_status_rights(mut self) -> Self {
        self.status_rights = Some(None);
        self
    }

    /// Sets **all** exceptions for certain catalogs. amoCRM documents it only in its own client.
    pub fn catalog_rights(mut self, exceptions: impl IntoIterator<Item = CatalogRights>) -> Self {
        self.catalog_rights = Some(exceptions.into_iter().collect());
        self
    }

    /// Puts the user into a group. Of users only.
    pub fn group_id(mut self, group: UserGroupId) -> Self {
        self.group_id = Some(Some(group));
        self
    }

    /// Puts the user into the default group. Of users only.
    pub fn clear_group_id(mut self) -> Self {
        self.group_id = Some(None);
        self
    }
}

/// What may be written of what a role has.
impl From<&UserRights> for Rights {
    fn from(held: &UserRights) -> Self {
        Self {
            leads: Some(held.leads.clone()),
            contacts: Some(held.contacts.clone()),
            companies: Some(held.companies.clone()),
            tasks: Some(held.tasks.clone()),
            mail_access: Some(held.mail_access),
            catalog_access: Some(held.catalog_access),
            status_rights: (!held.status_rights.is_empty())
                .then(|| Some(held.status_rights.clone())),
            catalog_rights: (!held.catalog_rights.is_empty()).then(|| held.catalog_rights.clone()),
            is_free: None,
            group_id: None,
            role_id: None,
        }
    }
}
