//! HAL collections.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Entity;
use crate::de;

/// One page of a collection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<E> {
    /// The entities, in the order asked for.
    pub items: Vec<E>,
    /// Number of the page, from 1.
    pub number: u32,
    /// Whether amoCRM links to a next page. Some collections link to a next page that turns out empty.
    pub has_next: bool,
    /// Size of the whole collection, where amoCRM tells it: only reference-like collections have it.
    pub total: Option<u64>,
}

impl<E> Page<E> {
    pub(super) fn empty(number: u32) -> Self {
        Self {
            items: Vec::new(),
            number,
            has_next: false,
            total: None,
        }
    }
}

/// What a collection answers with; the items are under the entity's own key.
#[derive(Debug, Deserialize)]
#[serde(bound = "E: Entity, T: DeserializeOwned")]
pub(crate) struct Envelope<E, T = E> {
    #[serde(rename = "_links", default, deserialize_with = "de::object")]
    links: Links,
    #[serde(rename = "_total_items", default, deserialize_with = "de::opt_number")]
    total: Option<u64>,
    #[serde(rename = "_embedded", default)]
    embedded: Option<Embedded<E, T>>,
}

#[derive(Debug, Default, Deserialize)]
struct Links {
    #[serde(default)]
    next: Option<IgnoredAny>,
}

impl<E: Entity, T> Envelope<E, T> {
    pub(crate) fn into_items(self) -> Vec<T> {
        self.embedded
            .map(|embedded| embedded.items)
            .unwrap_or_default()
    }

    pub(super) fn into_page(self, number: u32) -> Page<T> {
        Page {
            has_next: self.links.next.is_some(),
            total: self.total,
            items: self
                .embedded
                .map(|embedded| embedded.items)
                .unwrap_or_default(),
            number,
        }
    }
}

#[derive(Debug)]
struct Embedded<E, T> {
    items: Vec<T>,
    entity: PhantomData<fn() -> E>,
}

impl<'de, E: Entity, T: DeserializeOwned> Deserialize<'de> for Embedded<E, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EmbeddedVisitor<E, T>(PhantomData<fn() -> (E, T)>);

        impl<'de, E: Entity, T: DeserializeOwned> Visitor<'de> for EmbeddedVisitor<E, T> {
            type Value = Embedded<E, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object with the member `{}`", E::KEY)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    if key == E::KEY {
                        items = map.next_value::<List<T>>()?.0;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Embedded {
                    items,
                    entity: PhantomData,
                })
            }

            /// PHP writes an empty object as `[]`.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Embedded {
                    items: Vec::new(),
                    entity: PhantomData,
                })
            }
        }

        deserializer.deserialize_any(EmbeddedVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct List<T>(#[serde(deserialize_with = "de::list")] Vec<T>);
