//! What a card may be linked to, and how a request names it.

use serde_json::Value;

use crate::{
    api::{call::Context, reader::Reader},
    problem::Violations,
    world::{ElementLink, EntityType, FieldOwner, feed::Subject},
};

const CATALOG_ELEMENTS: &str = "catalog_elements";

/// What a card is linked to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// A card, and whether a contact is the main one.
    Card(EntityType, u64, bool),
    /// An element of a list, with its quantity.
    Element(ElementLink),
}

impl Target {
    /// Its type and id, as links name them.
    pub(super) fn name(&self) -> (&'static str, u64) {
        match self {
            Self::Card(other, to, _) => (other.as_str(), *to),
            Self::Element(link) => (CATALOG_ELEMENTS, link.element_id),
        }
    }

    /// How the feed names it.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Card(other, to, _) => Subject::Card(*other, *to),
            Self::Element(link) => Subject::Element {
                catalog_id: link.catalog_id,
                id: link.element_id,
            },
        }
    }
}

/// Which cards may be linked to which, seen from the first. That contacts may name leads is not in the documentation, but works.
fn may_link(entity: EntityType, other: EntityType) -> bool {
    use EntityType::{Companies, Contacts, Customers, Leads};
    match entity {
        Leads | Customers => matches!(other, Contacts | Companies),
        Contacts => matches!(other, Companies | Customers | Leads),
        Companies => matches!(other, Contacts | Customers | Leads),
    }
}

/// Customers can be switched off, and then nobody hears of them.
pub(super) fn is_on(cx: &Context<'_>, entity: EntityType) -> bool {
    entity != EntityType::Customers || cx.account.customers.mode.is_on()
}

/// Reads what is to be linked, or taken away.
pub(super) fn read_target(
    cx: &Context<'_>,
    entity: EntityType,
    item: &Reader<'_>,
    must_exist: bool,
    out: &mut Violations,
) -> Option<Target> {
    item.only(
        &[
            "entity_id",
            "entity_type",
            "to_entity_id",
            "to_entity_type",
            "metadata",
            "request_id",
        ],
        out,
    );
    let to = item.required_id("to_entity_id", out);
    let kind = item.required_string("to_entity_type", out);
    let metadata = item.child("metadata", out);
    if let Some(metadata) = &metadata {
        // What is read as `main_contact` is written as `is_main`.
        metadata.only(
            &[
                "is_main",
                "quantity",
                "catalog_id",
                "price_id",
                "updated_by",
            ],
            out,
        );
    }
    let (to, kind) = (to?, kind?);
    if kind == CATALOG_ELEMENTS {
        let link = read_element(cx, to, item, metadata.as_ref(), out)?;
        let catalogs = &cx.account.catalogs;
        if must_exist && !catalogs.has_element(link.catalog_id, to) {
            out.choice(item.path("to_entity_id"));
        }
        return Some(Target::Element(link));
    }
    let other = EntityType::parse(kind).filter(|other| may_link(entity, *other));
    let Some(other) = other.filter(|other| is_on(cx, *other)) else {
        out.choice(item.path("to_entity_type"));
        return None;
    };
    if must_exist && cx.account.records(other).live(to).is_none() {
        out.choice(item.path("to_entity_id"));
    }
    let is_main = metadata
        .and_then(|metadata| metadata.bool("is_main", out))
        .unwrap_or(false);
    Some(Target::Card(other, to, is_main))
}

/// Elements of lists are named by id and list; without `catalog_id` amoCRM does not know them, also when unlinking.
pub(crate) fn read_element(
    cx: &Context<'_>,
    element_id: u64,
    item: &Reader<'_>,
    metadata: Option<&Reader<'_>>,
    out: &mut Violations,
) -> Option<ElementLink> {
    let Some(metadata) = metadata else {
        out.missing(item.path("metadata.catalog_id"));
        return None;
    };
    let catalog_id = metadata.required_id("catalog_id", out);
    let quantity = metadata.value("quantity").map_or(Some(1.0), Value::as_f64);
    if quantity.is_none() {
        out.kind(metadata.path("quantity"), "numeric");
    }
    let price_id = metadata.id("price_id", out);
    if let (Some(price), Some(catalog)) = (price_id, catalog_id) {
        let field = cx.account.field(FieldOwner::Catalog(catalog), price);
        if field.is_none_or(|field| !matches!(field.kind.as_str(), "price" | "numeric")) {
            out.choice(metadata.path("price_id"));
        }
    }
    Some(ElementLink {
        element_id,
        catalog_id: catalog_id?,
        quantity: quantity?,
        price_id,
    })
}
