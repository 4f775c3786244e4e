//! Tags of leads, contacts, companies and customers. Each of these has tags of its own: one word, four ids.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/tags-api>.

use crate::client::Client;
use crate::entity::{EntityTag, HasId, Never, filter, input, resource};
use crate::id::{TagId, kind};
use crate::links::EntityType;

resource! {
    /// Tags of one entity type: [`Client::tags`].
    pub struct Tags of EntityTag: kind::Tag, "tags";
    /// Reads tags.
    list(with = Never, filter = TagFilter, order = Never);
    /// Adds tags. A tag that exists is no error: its id comes back. amoCRM has no way to remove one.
    create(NewTag => EntityTag);
    /// Changes a tag. amoCRM has this for tags of **leads** only, and documents it only in its own client.
    update(TagId, TagPatch => EntityTag);
    /// Changes many tags, as [`update`](Self::update).
    update_many(TagPatch);
}

impl Client {
    /// Tags of leads, contacts, companies or customers.
    #[expect(clippy::needless_pass_by_value, reason = "callers write a constant")]
    pub fn tags(&self, of: EntityType) -> Tags {
        Tags::at(self, format!("{}/tags", of.path()))
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

input! {
    /// A tag to be added.
    pub struct NewTag(name: impl Into<String>);
    /// Changes to a tag: only what is set travels.
    pub struct TagPatch(TagId) of EntityTag;
    fields TagFields;
    both {
        /// Sets the text.
        text name "name";
        /// Sets the colour, one of amoCRM's 23: six hexadecimal digits without `#`. Only tags of leads have one.
        text color "color";
    }
    new {}
    patch {}
}

impl HasId for EntityTag {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}
