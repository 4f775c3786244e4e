//! Tags of leads, contacts, companies and customers. Each of these has tags of its own: one word, four ids.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/tags-api>.

use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::entity::{
    Creatable, Create, EntityTag, HasId, List, Listable, Never, Updatable, Update, UpdateMany,
    entity, filter,
};
use crate::id::{TagId, kind};
use crate::links::EntityType;

/// Tags of one entity type: [`Client::tags`].
#[derive(Debug, Clone)]
pub struct Tags {
    client: Client,
    path: String,
}

impl Client {
    /// Tags of leads, contacts, companies or customers.
    #[expect(clippy::needless_pass_by_value, reason = "callers write a constant")]
    pub fn tags(&self, of: EntityType) -> Tags {
        Tags {
            client: self.clone(),
            path: format!("{}/tags", of.path()),
        }
    }
}

impl Tags {
    /// Reads tags.
    pub fn list(&self) -> List<EntityTag> {
        List::new(self.client.clone(), &self.path)
    }

    /// Adds tags. A tag that exists is no error: its id comes back. amoCRM has no way to remove one.
    pub fn create(&self, tags: impl IntoIterator<Item = NewTag>) -> Create<EntityTag> {
        Create::new(self.client.clone(), &self.path, tags)
    }

    /// Changes a tag. amoCRM has this for tags of **leads** only, and documents it only in its own client.
    pub fn update(&self, id: TagId) -> Update<EntityTag> {
        Update::new(
            self.client.clone(),
            format!("{}/{id}", self.path),
            TagPatch::new(id),
        )
    }

    /// Changes many tags, as [`update`](Self::update).
    pub fn update_many(
        &self,
        patches: impl IntoIterator<Item = TagPatch>,
    ) -> UpdateMany<EntityTag> {
        UpdateMany::new(self.client.clone(), &self.path, patches)
    }
}

filter! {
    /// Which tags a list keeps.
    pub struct TagFilter {
        /// These tags.
        any ids "id": TagId,
        /// Exactly this text.
        one name "name": String,
    }
}

/// A tag to be added.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewTag {
    name: String,
    color: Option<String>,
}

impl NewTag {
    /// A tag with this text.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            color: None,
        }
    }

    /// Sets the colour, one of amoCRM's 23: six hexadecimal digits without `#`. Only tags of leads have one.
    pub fn color(mut self, color: impl Into<String>) -> Self {
        self.color = Some(color.into());
        self
    }
}

/// Changes to a tag: only what is set travels.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct TagPatch {
    #[serde(skip)]
    id: TagId,
    name: Option<String>,
    color: Option<String>,
}

impl TagPatch {
    /// No changes yet.
    pub fn new(id: TagId) -> Self {
        Self {
            id,
            name: None,
            color: None,
        }
    }

    /// Sets the text.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the colour, as [`NewTag::color`].
    pub fn color(mut self, color: impl Into<String>) -> Self {
        self.color = Some(color.into());
        self
    }
}

impl HasId for TagPatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Update<EntityTag> {
    /// Sets the text.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.patch_mut().name = Some(name.into());
        self
    }

    /// Sets the colour, as [`NewTag::color`].
    pub fn color(mut self, color: impl Into<String>) -> Self {
        self.patch_mut().color = Some(color.into());
        self
    }
}

entity!(EntityTag: kind::Tag, "tags");

impl HasId for EntityTag {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Listable for EntityTag {
    type With = Never;
    type Filter = TagFilter;
    type Order = Never;
}

impl Updatable for EntityTag {
    type Patch = TagPatch;
    type Updated = EntityTag;
}

impl Creatable for EntityTag {
    type New = NewTag;
    type Created = EntityTag;
}
