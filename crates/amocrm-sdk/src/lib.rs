//! A typed amoCRM (Kommo) API v4 client.

mod de;
mod id;

pub use id::{
    AccountId, CatalogElementId, CatalogId, CompanyId, ContactId, CustomFieldId, CustomerId, FieldEnumId, Id, LeadId,
    LossReasonId, NoteId, ParseIdError, PipelineId, RoleId, SourceId, StatusId, TagId, TalkId, TaskId, UserGroupId,
    UserId, WebhookId, kind,
};

#[cfg(feature = "client")]
pub mod oauth;
#[cfg(feature = "client")]
pub mod quota;

/// Any error of a transport, store or layer that the SDK does not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
