//! The few pieces every entity is made of.
//!
//! An entity says where it lives ([`Entity`]) and which of these it has: a list ([`Listable`]: [`List`]), single reads
//! ([`Get`]), creation in batches ([`Creatable`]: [`Create`]), updates ([`Updatable`]: [`Update`]). Its own file then
//! reads like its page of the documentation: the model, what may be written, the filters.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::request::{Host, Operation};

mod action;
mod card;
mod changes;
mod create;
mod filter;
mod get;
mod input;
mod list;
mod page;
mod remove;
mod resource;
mod stream;
mod update;

pub(crate) use self::action::{action, action_answer, action_common};
pub(crate) use self::card::{
    CardFields, HasCard, card, card_conditions, card_model, card_patch_setters, card_setters,
    quiet_debug,
};
pub use self::card::{
    ElementMetadata, EntityTag, LinkedCompany, LinkedContact, LinkedCustomer, LinkedElement,
    LinkedLead, TagRef,
};
pub(crate) use self::changes::dated;
pub use self::changes::{Changes, Dated, ExportCursor};
pub use self::create::{Create, Created};
pub(crate) use self::create::{
    Identified, create_in_batches, in_input_order, number_items, request_ids,
};
pub(crate) use self::filter::{Pairs, filter, filter_method};
pub use self::get::Get;
pub(crate) use self::input::{
    input, input_also, input_custom_fields, input_fields, input_setters, input_type,
};
pub use self::list::{Direction, List};
pub(crate) use self::page::Envelope;
pub use self::page::Page;
pub use self::remove::Remove;
pub(crate) use self::resource::{
    resource, resource_method, resource_operation, resource_trait, takes_many,
};
pub use self::stream::{EntityStream, Pages};
pub use self::update::{Update, UpdateMany, Updated};

/// Entities per page and per write that amoCRM accepts.
///
/// Source: <https://www.amocrm.ru/developers/content/api/recommendations>.
pub const MAX_BATCH: usize = 250;

/// Something that lives in a collection of the API.
pub trait Entity: DeserializeOwned + Send + 'static {
    /// What tells its ids from others: [`crate::kind`].
    type Kind;
    /// The key of the collection in `_embedded`.
    const KEY: &'static str;
    /// Where the collection lives.
    const HOST: Host = Host::Account;
    /// Reading the collection.
    const LIST: Operation;
    /// Reading one.
    const GET: Operation;
    /// Adding some.
    const CREATE: Operation;
    /// Changing some.
    const UPDATE: Operation;
    /// Removing one.
    const DELETE: Operation;
}

/// An entity whose collection can be read page by page.
pub trait Listable: Entity {
    /// Values of the `with` parameter: what is embedded on request.
    type With: fmt::Display + Send;
    /// The collection's filter.
    type Filter: IntoQuery;
    /// What the collection can be ordered by.
    type Order: fmt::Display + Copy + Send;
    /// Most entities of one page.
    const LIMIT: usize = MAX_BATCH;
    /// Rows from which on a page may be followed by another, even without a link to it: some collections give fewer rows
    /// than they are asked for.
    const FULL: usize = Self::LIMIT;
}

/// An entity that can be added.
pub trait Creatable: Entity {
    /// What is written.
    type New: Serialize + Send + Sync + 'static;
    /// What comes back for each item.
    type Created: DeserializeOwned + Clone + HasId + Send + 'static;
    /// Most items of one request.
    const BATCH: usize = MAX_BATCH;
}

/// An entity that can be changed.
pub trait Updatable: Entity {
    /// What is written: only what was set travels.
    type Patch: Serialize + HasId + Send + Sync + 'static;
    /// What comes back.
    type Updated: DeserializeOwned + Clone + Send + 'static;
    /// Most items of one request.
    const BATCH: usize = MAX_BATCH;
}

/// Something with a numeric id.
pub trait HasId {
    /// The id as a number.
    fn raw_id(&self) -> u64;
}

/// Something that is written into the query of a list.
pub trait IntoQuery {
    /// Keys and values, not yet encoded.
    fn into_query(self) -> Vec<(String, String)>;

    /// Whether nothing can pass, so that nothing need be asked.
    fn matches_nothing(&self) -> bool {
        false
    }

    /// Why amoCRM would refuse these conditions together, so that nothing need be asked.
    fn refusal(&self) -> Option<String> {
        None
    }
}

/// For collections without a choice of `with`, filters or order: it has no values.
#[derive(Debug, Clone, Copy)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl IntoQuery for Never {
    fn into_query(self) -> Vec<(String, String)> {
        match self {}
    }
}

/// Says where an entity lives: `entity!(Lead: kind::Lead, "leads")`.
macro_rules! entity {
    ($entity:ty: $kind:ty, $name:literal) => {
        crate::entity::entity!($entity: $kind, $name, key = $name);
    };
    ($entity:ty: $kind:ty, $name:literal, key = $key:literal) => {
        impl crate::entity::Entity for $entity {
            type Kind = $kind;
            const KEY: &'static str = $key;
            const LIST: crate::Operation = crate::Operation::idempotent(concat!($name, ".list"));
            const GET: crate::Operation = crate::Operation::idempotent(concat!($name, ".get"));
            const CREATE: crate::Operation = crate::Operation::once(concat!($name, ".create"));
            const UPDATE: crate::Operation = crate::Operation::idempotent(concat!($name, ".update"));
            const DELETE: crate::Operation = crate::Operation::idempotent(concat!($name, ".delete"));
        }
    };
}
pub(crate) use entity;

/// Declares the words of a query parameter: `words! { /// Doc. pub enum LeadWith { /// Doc. Contacts = "contacts" } }`.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}
pub(crate) use words;

/// Makes a builder awaitable: `awaited!(Get<E> => Option<E> where E: Entity)` calls its `run`.
macro_rules! awaited {
    ($builder:ty => $output:ty $(where $param:ident: $($bound:tt)+)?) => {
        impl$(<$param: $($bound)+>)? std::future::IntoFuture for $builder {
            type Output = crate::Result<$output>;
            type IntoFuture = futures_util::future::BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}
pub(crate) use awaited;
