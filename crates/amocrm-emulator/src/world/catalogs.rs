//! Lists (catalogs) and their elements. An element is a record like a card, so that it is found, filled and filtered alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Account, Counters, DEFAULT_GROUP, FieldGroup, FieldOwner, Records};

/// The order a list gets when none is named.
const DEFAULT_SORT: i64 = 10;

/// A list.
#[derive(Debug, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the switches a list has in the interface"
)]
pub(crate) struct Catalog {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) kind: CatalogType,
    /// Order in the interface.
    pub(crate) sort: i64,
    /// Whether people may add elements in the interface.
    pub(crate) can_add_elements: bool,
    /// Whether it has a tab in cards.
    pub(crate) can_show_in_cards: bool,
    /// Whether one element may be linked to several cards.
    pub(crate) can_link_multiple: bool,
    /// Whether people may delete it.
    pub(crate) can_be_deleted: bool,
    /// The widget it belongs to.
    pub(crate) sdk_widget_code: Option<String>,
    /// 0 is a robot.
    pub(crate) created_by: u64,
    /// 0 is a robot.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
    /// What it lists.
    pub(crate) elements: Records,
}

/// What a list is for. There is at most one of each kind but the regular one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CatalogType {
    /// Whatever a person likes.
    Regular,
    /// Invoices.
    Invoices,
    /// Products.
    Products,
    /// The account's own legal entities.
    Suppliers,
}

impl CatalogType {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Regular,
        Self::Invoices,
        Self::Products,
        Self::Suppliers,
    ];

    /// The word of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Invoices => "invoices",
            Self::Products => "products",
            Self::Suppliers => "suppliers",
        }
    }

    /// The kind this word names.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// All lists of an account, by id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Catalogs {
    /// The lists.
    pub(crate) by_id: BTreeMap<u64, Catalog>,
    /// Whether products are switched on.
    pub(crate) is_products_enabled: bool,
    /// Elements come in shorter pages, and none of them names the next one. Switched by the control API.
    #[serde(default)]
    pub(crate) cuts_pages: bool,
}

impl Catalogs {
    /// The list with this id.
    pub(crate) fn get(&self, id: u64) -> Option<&Catalog> {
        self.by_id.get(&id)
    }

    /// The only list of its kind.
    pub(crate) fn of_kind(&self, kind: CatalogType) -> Option<&Catalog> {
        self.by_id.values().find(|catalog| catalog.kind == kind)
    }

    /// The elements of a list; none when there is no such list.
    pub(crate) fn elements(&self, catalog_id: u64) -> Option<&Records> {
        self.get(catalog_id).map(|catalog| &catalog.elements)
    }

    /// The elements of a list, to change.
    pub(crate) fn elements_mut(&mut self, catalog_id: u64) -> Option<&mut Records> {
        self.by_id
            .get_mut(&catalog_id)
            .map(|catalog| &mut catalog.elements)
    }

    /// Whether the list has this element.
    pub(crate) fn has_element(&self, catalog_id: u64, element_id: u64) -> bool {
        self.elements(catalog_id)
            .is_some_and(|elements| elements.live(element_id).is_some())
    }
}

impl Account {
    /// Makes a list with the groups and fields of its kind; its id.
    pub(crate) fn add_catalog(
        &mut self,
        kind: CatalogType,
        name: &str,
        user_id: u64,
        now: i64,
    ) -> u64 {
        let id = Counters::take(&mut self.counters.catalog);
        let is_regular = kind == CatalogType::Regular;
        let catalog = Catalog {
            id,
            name: name.to_owned(),
            kind,
            sort: DEFAULT_SORT,
            can_add_elements: true,
            can_show_in_cards: kind == CatalogType::Invoices,
            can_link_multiple: kind != CatalogType::Invoices,
            can_be_deleted: is_regular,
            sdk_widget_code: None,
            created_by: user_id,
            updated_by: user_id,
            created_at: now,
            updated_at: now,
            elements: Records::default(),
        };
        self.catalogs.by_id.insert(id, catalog);
        let groups = self.groups.entry(FieldOwner::Catalog(id)).or_default();
        groups.push(FieldGroup {
            id: DEFAULT_GROUP.to_owned(),
            name: "Основное".to_owned(),
            is_predefined: true,
            sort: 0,
        });
        self.add_preset_fields(id, kind);
        id
    }

    /// Deletes a list, its fields and its elements; their links are not shown any more.
    pub(crate) fn remove_catalog(&mut self, id: u64) -> Option<Catalog> {
        self.fields.remove(&FieldOwner::Catalog(id));
        self.groups.remove(&FieldOwner::Catalog(id));
        self.catalogs.by_id.remove(&id)
    }
}
