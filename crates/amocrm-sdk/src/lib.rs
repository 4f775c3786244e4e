#![cfg_attr(feature = "client", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "client"),
    doc = "Ids, custom-field values and webhook bodies of amoCRM (Kommo). The client is behind the feature `client`."
)]

pub mod chats;
mod de;
pub mod fields;
mod hex;
mod id;
mod text_id;
pub mod webhook;

#[cfg(feature = "client")]
pub mod account;
#[cfg(feature = "client")]
pub mod batcher;
#[cfg(feature = "client")]
pub mod bots;
#[cfg(feature = "client")]
pub mod calls;
#[cfg(feature = "client")]
pub mod catalogs;
#[cfg(feature = "client")]
pub mod chat_templates;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
pub mod companies;
#[cfg(feature = "client")]
pub mod contacts;
#[cfg(feature = "client")]
pub mod currencies;
#[cfg(feature = "client")]
pub mod custom_fields;
#[cfg(feature = "client")]
pub mod customers;
#[cfg(feature = "client")]
pub mod entity;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
pub mod events;
#[cfg(feature = "client")]
pub mod files;
#[cfg(feature = "client")]
pub mod layer;
#[cfg(feature = "client")]
pub mod leads;
#[cfg(feature = "client")]
pub mod links;
#[cfg(feature = "client")]
pub mod loss_reasons;
#[cfg(feature = "client")]
pub mod metrics;
#[cfg(feature = "client")]
pub mod notes;
#[cfg(feature = "client")]
pub mod oauth;
#[cfg(feature = "client")]
mod operations;
#[cfg(feature = "client")]
mod path;
#[cfg(feature = "client")]
pub mod pipelines;
#[cfg(feature = "client")]
pub mod quota;
#[cfg(feature = "client")]
mod request;
#[cfg(feature = "client")]
pub mod roles;
#[cfg(feature = "client")]
pub mod schema;
#[cfg(feature = "client")]
pub mod short_links;
#[cfg(feature = "client")]
pub mod sources;
#[cfg(feature = "client")]
pub mod subscriptions;
#[cfg(feature = "client")]
pub mod tags;
#[cfg(feature = "client")]
pub mod talks;
#[cfg(feature = "client")]
pub mod tasks;
#[cfg(feature = "client")]
pub mod unsorted;
#[cfg(feature = "client")]
pub mod users;
#[cfg(feature = "client")]
pub mod webhooks;
#[cfg(feature = "client")]
pub mod website_buttons;
#[cfg(feature = "client")]
pub mod widgets;

#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder, Clock};
#[cfg(feature = "client")]
pub use error::{Delivery, Error, ErrorKind, Problem, Result, ValidationError};
pub use id::{
    AccountId, BotId, CatalogElementId, CatalogId, ChatTemplateId, ChatTemplateReviewId, CompanyId,
    ContactChatId, ContactId, CustomFieldId, CustomerId, CustomerStatusId, FieldEnumId, Id, LeadId,
    LossReasonId, NoteId, ParseIdError, PipelineId, RoleId, SegmentId, SourceId, StatusId, TagId,
    TalkId, TaskId, TaskTypeId, TransactionId, UserGroupId, UserId, WebhookId, WidgetId, kind,
};
#[cfg(feature = "client")]
pub use layer::RetryPolicy;
#[cfg(feature = "client")]
pub use operations::operations;
#[cfg(feature = "client")]
pub use request::{Host, Operation, Request};

/// Any error of a transport, store or layer that the SDK does not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The pages of `docs/sdk/`, so that what they show is tested.
#[cfg(all(doctest, feature = "reqwest"))]
mod guide {
    macro_rules! pages {
        ($($name:ident: $path:literal),+ $(,)?) => {$(
            #[doc = include_str!($path)]
            pub struct $name;
        )+};
    }

    pages! {
        Start: "../../../docs/sdk/README.md",
        Auth: "../../../docs/sdk/auth.md",
        Fields: "../../../docs/sdk/fields.md",
        Filters: "../../../docs/sdk/filters.md",
        Batches: "../../../docs/sdk/batches.md",
        Webhooks: "../../../docs/sdk/webhooks.md",
        FilesAndChats: "../../../docs/sdk/files-and-chats.md",
        Errors: "../../../docs/sdk/errors.md",
        Testing: "../../../docs/sdk/testing.md",
    }
}
