//! Parts of definitions as they are written: options, trees of options, chains of catalogs.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::{FieldOption, NestedOption};
use crate::de;
use crate::id::{CatalogId, FieldEnumId};

/// An option as it is written: with its id it is kept, without one it is new.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct OptionInput {
    id: Option<FieldEnumId>,
    value: String,
    sort: i64,
    code: Option<String>,
}

impl OptionInput {
    /// A new option.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            id: None,
            value: value.into(),
            sort: 0,
            code: None,
        }
    }

    /// An option that exists, as it is.
    pub fn keep(option: &FieldOption) -> Self {
        Self {
            id: Some(option.id),
            value: option.value.clone(),
            sort: option.sort.unwrap_or(0),
            code: option.code.clone(),
        }
    }

    /// Sets its code.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl From<&str> for OptionInput {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// The options with their places, in the order given.
pub(super) fn placed<O: Into<OptionInput>>(
    options: impl IntoIterator<Item = O>,
) -> Vec<OptionInput> {
    (1..)
        .zip(options)
        .map(|(place, option)| OptionInput {
            sort: place,
            ..option.into()
        })
        .collect()
}

/// An option of a category as it is written, with the options below it.
///
/// ```
/// use amocrm_sdk::custom_fields::{NestedInput, NewCustomField};
/// use amocrm_sdk::fields::FieldType;
///
/// let homes = NestedInput::new("Homes").child("Villas").child(NestedInput::new("Flats").child("Studios"));
/// let category = NewCustomField::new("Category", FieldType::Category).nested([homes, "Land".into()]);
/// # drop(category);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it does nothing until it is sent"]
pub struct NestedInput {
    id: Option<FieldEnumId>,
    /// Of an option that exists and stands at the top of what is written.
    parent_id: Option<FieldEnumId>,
    value: String,
    children: Vec<NestedInput>,
}

impl NestedInput {
    /// A new option.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            id: None,
            parent_id: None,
            value: value.into(),
            children: Vec::new(),
        }
    }

    /// An option that exists, as it is and where it is.
    pub fn keep(option: &NestedOption) -> Self {
        Self {
            id: Some(option.id),
            parent_id: option.parent_id,
            value: option.value.clone(),
            children: Vec::new(),
        }
    }

    /// Puts an option below it.
    pub fn child(mut self, child: impl Into<Self>) -> Self {
        self.children.push(child.into());
        self
    }
}

impl From<&str> for NestedInput {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// One node of the tree on the wire, which has the tree as a list: whoever exists is named by id, whoever is new by the
/// number it has in the request.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct NestedNode {
    id: Option<FieldEnumId>,
    parent_id: Option<FieldEnumId>,
    request_id: Option<String>,
    parent_request_id: Option<String>,
    value: String,
    sort: usize,
}

/// The trees as a list, parents before their children, in the order given.
pub(super) fn flatten(trees: impl IntoIterator<Item = NestedInput>) -> Vec<NestedNode> {
    let mut nodes: Vec<NestedNode> = Vec::new();
    let mut waiting: Vec<(NestedInput, Option<usize>)> =
        trees.into_iter().map(|tree| (tree, None)).collect();
    waiting.reverse();
    while let Some((input, parent)) = waiting.pop() {
        let place = nodes.len();
        let mut node = NestedNode {
            id: input.id,
            parent_id: input.parent_id,
            value: input.value,
            sort: place + 1,
            ..NestedNode::default()
        };
        if node.id.is_none() {
            node.request_id = Some(place.to_string());
        }
        if let Some(parent) = parent.and_then(|parent| nodes.get(parent)) {
            node.parent_id = parent.id;
            node.parent_request_id.clone_from(&parent.request_id);
        }
        nodes.push(node);
        let children = input.children.into_iter().rev();
        waiting.extend(children.map(|child| (child, Some(place))));
    }
    nodes
}

/// A catalog of a chained list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainedCatalog {
    /// How the step is called.
    #[serde(default, deserialize_with = "de::text")]
    pub title: String,
    /// The catalog whose elements are chosen from.
    pub catalog_id: CatalogId,
    /// The catalog of the step before; `None` for the first.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub parent_catalog_id: Option<CatalogId>,
}

impl ChainedCatalog {
    /// A first step.
    pub fn new(title: impl Into<String>, catalog: CatalogId) -> Self {
        Self {
            title: title.into(),
            catalog_id: catalog,
            parent_catalog_id: None,
        }
    }

    /// Makes it the step after that of another catalog.
    #[must_use]
    pub fn after(mut self, parent: CatalogId) -> Self {
        self.parent_catalog_id = Some(parent);
        self
    }
}
