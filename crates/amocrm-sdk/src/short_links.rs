//! Short links, each for one contact. Opening one adds a note to the contact.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/short-links-api>.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{Entity, Envelope, MAX_BATCH, awaited, entity};
use crate::error::Result;
use crate::id::{AccountId, ContactId};
use crate::links::EntityType;
use crate::request::{Request, declare};

const PATH: &str = "/api/v4/short_links";

/// Short links: [`Client::short_links`]. They can only be made: amoCRM has no way to list or remove them.
#[derive(Debug, Clone)]
pub struct ShortLinks {
    client: Client,
}

declare!(ShortLinks: ShortLink::CREATE);
entity!(ShortLink: (), "short_links");

impl Client {
    /// Short links.
    pub fn short_links(&self) -> ShortLinks {
        ShortLinks {
            client: self.clone(),
        }
    }
}

impl ShortLinks {
    /// Makes short links.
    pub fn create(&self, links: impl IntoIterator<Item = NewShortLink>) -> CreateShortLinks {
        CreateShortLinks {
            client: self.client.clone(),
            links: links.into_iter().collect(),
        }
    }
}

/// A short link as amoCRM tells it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ShortLink {
    /// The short address.
    #[serde(default, deserialize_with = "de::text")]
    pub url: String,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    #[serde(default, deserialize_with = "de::object")]
    metadata: Metadata,
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "de::opt_id")]
    entity_id: Option<ContactId>,
}

impl ShortLink {
    /// Whose it is.
    pub fn contact(&self) -> Option<ContactId> {
        self.metadata.entity_id
    }
}

/// The address may tell who somebody is.
impl fmt::Debug for ShortLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortLink")
            .field("contact", &self.contact())
            .finish_non_exhaustive()
    }
}

/// A short link to be made.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewShortLink {
    url: String,
    metadata: NewMetadata,
}

#[derive(Clone, Serialize)]
struct NewMetadata {
    entity_type: EntityType,
    entity_id: ContactId,
}

impl NewShortLink {
    /// A short form of this address for this contact.
    pub fn new(url: impl Into<String>, contact: ContactId) -> Self {
        Self {
            url: url.into(),
            metadata: NewMetadata {
                entity_type: EntityType::Contacts,
                entity_id: contact,
            },
        }
    }
}

crate::entity::quiet_debug!(NewShortLink);

/// Makes short links: *n* in, *n* out, in the order of the input. A contact that the token's user may not see is
/// skipped by amoCRM without a word: `None`.
#[derive(Clone)]
#[must_use = "nothing is made until it is awaited"]
pub struct CreateShortLinks {
    client: Client,
    links: Vec<NewShortLink>,
}

impl CreateShortLinks {
    /// The requests, one per batch of 250.
    ///
    /// # Errors
    ///
    /// None in practice: a link can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        self.links
            .chunks(MAX_BATCH)
            .map(|batch| Request::post(ShortLink::CREATE, PATH).json(batch))
            .collect()
    }

    async fn run(self) -> Result<Vec<Option<ShortLink>>> {
        let client = self.client.clone();
        let contacts: Vec<ContactId> = self
            .links
            .iter()
            .map(|link| link.metadata.entity_id)
            .collect();
        let mut made = Vec::with_capacity(contacts.len());
        for (request, batch) in self
            .into_requests()?
            .into_iter()
            .zip(contacts.chunks(MAX_BATCH))
        {
            let answer: Option<Envelope<ShortLink>> = client
                .fetch(request)
                .await
                .map_err(|error| error.with_item_offset(made.len()))?;
            let links = answer.map(Envelope::into_items).unwrap_or_default();
            made.extend(in_input_order(links, batch));
        }
        Ok(made)
    }
}

/// The answers have no numbers: if none is missing their order tells which is which, otherwise their contact does.
fn in_input_order(links: Vec<ShortLink>, contacts: &[ContactId]) -> Vec<Option<ShortLink>> {
    if links.len() == contacts.len() {
        return links.into_iter().map(Some).collect();
    }
    let mut left: Vec<Option<ShortLink>> = links.into_iter().map(Some).collect();
    contacts
        .iter()
        .map(|contact| {
            let is_its = |link: &&mut Option<ShortLink>| {
                link.as_ref().and_then(ShortLink::contact) == Some(*contact)
            };
            left.iter_mut().find(is_its)?.take()
        })
        .collect()
}

awaited!(CreateShortLinks => Vec<Option<ShortLink>>);

impl fmt::Debug for CreateShortLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateShortLinks")
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}
