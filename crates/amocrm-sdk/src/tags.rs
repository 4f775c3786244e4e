//! Tags of leads, contacts, companies and customers. Each of these has tags of its own: one word, four ids.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/tags-api>.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::entity::{Creatable, Create, EntityTag, HasId, List, Listable, Never, entity, filter};
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
            path: format!("/api/v4/{of}/tags"),
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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

impl Creatable for EntityTag {
    type New = NewTag;
    type Created = EntityTag;
}
