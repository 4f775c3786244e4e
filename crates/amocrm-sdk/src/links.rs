//! Links between leads, contacts, companies, customers and catalog elements.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/entity-links-api>.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Entity, Envelope, List, Listable, MAX_BATCH, Never, awaited, entity, filter};
use crate::error::{Error, Result};
use crate::id::{
    CatalogElementId, CatalogId, CompanyId, ContactId, CustomFieldId, CustomerId, LeadId, UserId,
    kind,
};
use crate::path::segment;
use crate::request::{Operation, Request, declare};

const LINK: Operation = Operation::idempotent("links.create");
const UNLINK: Operation = Operation::idempotent("links.delete");

open_enum! {
    /// A type of entity, in the plural that paths use.
    pub enum EntityType {
        /// Leads.
        Leads = "leads",
        /// Contacts.
        Contacts = "contacts",
        /// Companies.
        Companies = "companies",
        /// Customers.
        Customers = "customers",
        /// Elements of catalogs.
        CatalogElements = "catalog_elements",
    }
}

impl EntityType {
    /// What entities of the type may be linked to: what amoCRM documents, and contacts to leads, which works.
    fn targets(&self) -> Option<&'static [Self]> {
        use EntityType::{CatalogElements, Companies, Contacts, Customers, Leads, Unknown};

        match self {
            Leads | Customers => Some(&[Contacts, Companies, CatalogElements]),
            Contacts => Some(&[Leads, Companies, Customers, CatalogElements]),
            Companies => Some(&[Leads, Contacts, Customers, CatalogElements]),
            CatalogElements => Some(&[]),
            Unknown(_) => None,
        }
    }

    /// Where entities of the type live.
    pub(crate) fn path(&self) -> String {
        format!("/api/v4/{}", segment(self.as_str()))
    }
}

/// An entity of any type: what a link points from and to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityRef {
    /// Its type.
    pub entity_type: EntityType,
    /// Its id.
    pub id: u64,
}

macro_rules! entity_refs {
    ($($id:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$id> for EntityRef {
            fn from(id: $id) -> Self {
                Self { entity_type: EntityType::$variant, id: id.get() }
            }
        })+
    };
}

entity_refs! {
    LeadId => Leads,
    ContactId => Contacts,
    CompanyId => Companies,
    CustomerId => Customers,
    CatalogElementId => CatalogElements,
}

impl EntityRef {
    /// Where it lives.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.entity_type.path(), self.id)
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.entity_type, self.id)
    }
}

/// Links of one entity: [`Client::links`].
#[derive(Debug, Clone)]
pub struct Links {
    client: Client,
    of: EntityType,
    path: String,
}

declare!(Links: Link::LIST, LINK, UNLINK);

impl Client {
    /// Links of a lead, contact, company or customer: `client.links(lead_id)`.
    pub fn links(&self, of: impl Into<EntityRef>) -> Links {
        let of = of.into();
        Links {
            client: self.clone(),
            path: of.path(),
            of: of.entity_type,
        }
    }

    /// Links of many leads, contacts, companies or customers at once: `client.links_of(EntityType::Leads)`.
    pub fn links_of(&self, of: EntityType) -> LinksOf {
        LinksOf {
            client: self.clone(),
            path: of.path(),
            of,
        }
    }
}

impl Links {
    /// Reads the links.
    pub fn list(&self) -> List<Link> {
        List::new(self.client.clone(), format!("{}/links", self.path))
    }

    /// Links more. What is linked already stays so; its details are changed.
    pub fn link(&self, links: impl IntoIterator<Item = NewLink>) -> LinkEntities {
        LinkEntities {
            client: self.client.clone(),
            of: self.of.clone(),
            path: format!("{}/link", self.path),
            links: links.into_iter().collect(),
        }
    }

    /// Removes links.
    pub fn unlink(&self, links: impl IntoIterator<Item = NewLink>) -> UnlinkEntities {
        UnlinkEntities {
            client: self.client.clone(),
            of: self.of.clone(),
            path: format!("{}/unlink", self.path),
            links: links.into_iter().collect(),
        }
    }
}

/// Links of many entities of one type: [`Client::links_of`]. One request where [`Links`] needs one per entity.
#[derive(Debug, Clone)]
pub struct LinksOf {
    client: Client,
    of: EntityType,
    path: String,
}

impl LinksOf {
    /// Reads the links of these entities. [`Link::entity_id`] tells whose each is. The ids travel in the address, which
    /// has room for some hundred.
    pub fn list(&self, of: impl IntoIterator<Item = impl Into<u64>>) -> List<Link> {
        let mut filter = LinkFilter::new();
        filter.0.any("entity_id", of.into_iter().map(Into::into));
        List::new(self.client.clone(), format!("{}/links", self.path)).filter(filter)
    }

    /// Links more, each from its entity: `link([(lead, NewLink::to(contact)), …])`.
    pub fn link<I: Into<u64>>(
        &self,
        links: impl IntoIterator<Item = (I, NewLink)>,
    ) -> LinkEntities {
        LinkEntities {
            client: self.client.clone(),
            of: self.of.clone(),
            path: format!("{}/link", self.path),
            links: links.into_iter().map(from_entity).collect(),
        }
    }

    /// Removes links, each from its entity.
    pub fn unlink<I: Into<u64>>(
        &self,
        links: impl IntoIterator<Item = (I, NewLink)>,
    ) -> UnlinkEntities {
        UnlinkEntities {
            client: self.client.clone(),
            of: self.of.clone(),
            path: format!("{}/unlink", self.path),
            links: links.into_iter().map(from_entity).collect(),
        }
    }
}

fn from_entity<I: Into<u64>>((entity, link): (I, NewLink)) -> NewLink {
    NewLink {
        entity_id: Some(entity.into()),
        ..link
    }
}

/// A link as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// What it points to.
    #[serde(deserialize_with = "de::number")]
    pub to_entity_id: u64,
    /// The type of that.
    pub to_entity_type: EntityType,
    /// What it points from; only some answers tell.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub entity_id: Option<u64>,
    /// The type of that.
    #[serde(default)]
    pub entity_type: Option<EntityType>,
    /// Details.
    #[serde(default, deserialize_with = "de::object")]
    pub metadata: LinkMetadata,
}

/// Details of a link.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LinkMetadata {
    /// Whether the contact is the main one.
    #[serde(deserialize_with = "de::opt_flag")]
    pub main_contact: Option<bool>,
    /// How many of the catalog element; fractions are allowed.
    #[serde(deserialize_with = "de::opt_number")]
    pub quantity: Option<f64>,
    /// The catalog of the element.
    #[serde(deserialize_with = "de::opt_id")]
    pub catalog_id: Option<CatalogId>,
    /// The price field that counts.
    #[serde(deserialize_with = "de::opt_id")]
    pub price_id: Option<CustomFieldId>,
}

filter! {
    /// Which links a list keeps.
    pub struct LinkFilter {
        /// To elements of this catalog.
        one to_catalog "to_catalog_id": CatalogId,
    }
}

impl LinkFilter {
    /// To this entity.
    pub fn to(mut self, entity: impl Into<EntityRef>) -> Self {
        let entity = entity.into();
        self.0.one("to_entity_id", entity.id);
        self.0.one("to_entity_type", entity.entity_type);
        self
    }
}

entity!(Link: kind::Lead, "links");

impl Listable for Link {
    type With = Never;
    type Filter = LinkFilter;
    type Order = Never;
}

/// A link to be made or removed.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewLink {
    /// What it points from; the path says it unless many entities are linked at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<u64>,
    to_entity_id: u64,
    to_entity_type: EntityType,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<NewMetadata>,
}

#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize)]
struct NewMetadata {
    is_main: Option<bool>,
    quantity: Option<f64>,
    catalog_id: Option<CatalogId>,
    #[expect(clippy::option_option, reason = "absent, null or a field")]
    price_id: Option<Option<CustomFieldId>>,
    updated_by: Option<UserId>,
}

impl NewLink {
    /// A link to a lead, contact, company or customer. For elements of catalogs use [`element`](Self::element).
    pub fn to(entity: impl Into<EntityRef>) -> Self {
        let entity = entity.into();
        Self {
            entity_id: None,
            to_entity_id: entity.id,
            to_entity_type: entity.entity_type,
            metadata: None,
        }
    }

    /// A link to an element of a catalog, which amoCRM finds only together with its catalog.
    pub fn element(catalog: CatalogId, element: CatalogElementId) -> Self {
        let mut link = Self::to(element);
        link.metadata_mut().catalog_id = Some(catalog);
        link
    }

    /// Makes the contact the main one.
    pub fn main(mut self) -> Self {
        self.metadata_mut().is_main = Some(true);
        self
    }

    /// How many of the catalog element.
    pub fn quantity(mut self, quantity: f64) -> Self {
        self.metadata_mut().quantity = Some(quantity);
        self
    }

    /// Which price field of the catalog element counts.
    pub fn price_field(mut self, field: CustomFieldId) -> Self {
        self.metadata_mut().price_id = Some(Some(field));
        self
    }

    /// Lets the default price field of the catalog element count again.
    pub fn clear_price_field(mut self) -> Self {
        self.metadata_mut().price_id = Some(None);
        self
    }

    /// On whose behalf the link changes.
    pub fn updated_by(mut self, user: UserId) -> Self {
        self.metadata_mut().updated_by = Some(user);
        self
    }

    /// What amoCRM would refuse, or worse, take for something else.
    fn check(&self, of: &EntityType) -> Result<(), String> {
        let to = &self.to_entity_type;
        if let Some(targets) = of.targets()
            && !matches!(to, EntityType::Unknown(_))
            && !targets.contains(to)
        {
            let expected = targets.iter().map(EntityType::as_str).collect::<Vec<_>>();
            let expected = match expected.as_slice() {
                [] => "nothing: link the lead or the customer to the element".to_owned(),
                some => some.join(", "),
            };
            return Err(format!(
                "to_entity_type: {of} link to {expected}, not to {to}"
            ));
        }
        let metadata = self.metadata.as_ref();
        let catalog = metadata.and_then(|metadata| metadata.catalog_id);
        if *to == EntityType::CatalogElements && catalog.is_none() {
            return Err(
                "metadata.catalog_id: expected the element's catalog, see NewLink::element".into(),
            );
        }
        match metadata.and_then(|metadata| metadata.quantity) {
            Some(quantity) if !quantity.is_finite() => {
                Err("metadata.quantity: expected a number".into())
            }
            _ => Ok(()),
        }
    }

    fn metadata_mut(&mut self) -> &mut NewMetadata {
        self.metadata.get_or_insert_default()
    }
}

/// Makes links; awaiting gives them as amoCRM holds them.
#[derive(Debug, Clone)]
#[must_use = "nothing is linked until it is awaited"]
pub struct LinkEntities {
    client: Client,
    of: EntityType,
    path: String,
    links: Vec<NewLink>,
}

impl LinkEntities {
    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when amoCRM has no such links (a lead to a lead), when an
    /// element of a catalog is named without its catalog, and when a quantity is not a number.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        requests(LINK, &self.of, &self.path, &self.links)
    }

    async fn run(self) -> Result<Vec<Link>> {
        let client = self.client.clone();
        let mut linked = Vec::with_capacity(self.links.len());
        for (batch, request) in self.into_requests()?.into_iter().enumerate() {
            let answer: Option<Envelope<Link>> = client
                .fetch(request)
                .await
                .map_err(|error| error.with_item_offset(batch * MAX_BATCH))?;
            linked.extend(answer.map(Envelope::into_items).unwrap_or_default());
        }
        Ok(linked)
    }
}

/// Removes links.
#[derive(Debug, Clone)]
#[must_use = "nothing is unlinked until it is awaited"]
pub struct UnlinkEntities {
    client: Client,
    of: EntityType,
    path: String,
    links: Vec<NewLink>,
}

impl UnlinkEntities {
    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when amoCRM has no such links (a lead to a lead), when an
    /// element of a catalog is named without its catalog, and when a quantity is not a number.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        requests(UNLINK, &self.of, &self.path, &self.links)
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for (batch, request) in self.into_requests()?.into_iter().enumerate() {
            client
                .send(request)
                .await
                .map_err(|error| error.with_item_offset(batch * MAX_BATCH))?;
        }
        Ok(())
    }
}

fn requests(
    operation: Operation,
    of: &EntityType,
    path: &str,
    links: &[NewLink],
) -> Result<Vec<Request>> {
    for (index, link) in links.iter().enumerate() {
        link.check(of).map_err(|why| {
            Error::invalid_input(format!("item {index}, {why}")).with_operation(operation.name)
        })?;
    }
    links
        .chunks(MAX_BATCH)
        .map(|batch| Request::post(operation, path).json(batch))
        .collect()
}

awaited!(LinkEntities => Vec<Link>);
awaited!(UnlinkEntities => ());
