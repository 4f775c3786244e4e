//! Templates of chat messages: the answers a manager sends with one click, and those that WhatsApp must approve.
//!
//! An integration sees and changes its own templates only, and needs an administrator's token to write.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/chat-templates-api>.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::Never;
use crate::entity::{HasId, filter, input, resource, words};
use crate::id::{AccountId, ChatTemplateId, ChatTemplateReviewId, SourceId, kind};

mod operations;

pub use self::operations::{DeleteChatTemplates, SendOnReview, UpdateReview};

resource! {
    /// Templates of the integration: [`Client::chat_templates`].
    pub struct ChatTemplates of ChatTemplate: kind::ChatTemplate, "chat_templates";
    /// Reads templates. amoCRM gives at most 50 a page.
    list(with = ChatTemplateWith, filter = ChatTemplateFilter, order = Never, limit = 50);
    /// Reads one template.
    get(ChatTemplateId);
    /// Adds templates. amoCRM answers 422 once there are too many.
    create(NewChatTemplate => ChatTemplate);
    /// Changes a template; one of WhatsApp only while it is a draft.
    update(ChatTemplateId, ChatTemplatePatch => ChatTemplate);
    /// Changes many templates, as [`update`](Self::update).
    update_many(ChatTemplatePatch);
    /// Removes a template.
    delete(ChatTemplateId);
}

impl Client {
    /// Templates of chat messages.
    pub fn chat_templates(&self) -> ChatTemplates {
        ChatTemplates::at(self, "/api/v4/chats/templates")
    }
}

impl ChatTemplates {
    /// Removes many templates.
    pub fn delete_many(
        &self,
        ids: impl IntoIterator<Item = ChatTemplateId>,
    ) -> DeleteChatTemplates {
        DeleteChatTemplates::new(self.client.clone(), &self.path, ids)
    }

    /// Sends a template to its messengers for review.
    pub fn send_on_review(&self, id: ChatTemplateId) -> SendOnReview {
        SendOnReview::new(self.client.clone(), format!("{}/{id}/review", self.path))
    }

    /// Says what a messenger has decided about a template.
    pub fn update_review(
        &self,
        id: ChatTemplateId,
        review: ChatTemplateReviewId,
        status: ReviewStatus,
    ) -> UpdateReview {
        let path = format!("{}/{id}/review/{review}", self.path);
        UpdateReview::new(self.client.clone(), path, status)
    }
}

open_enum! {
    /// Whose template it is.
    pub enum ChatTemplateType {
        /// amoCRM's own.
        Amocrm = "amocrm",
        /// One of WhatsApp's API for business.
        Waba = "waba",
    }
}

open_enum! {
    /// What WhatsApp takes a template for.
    pub enum WabaCategory {
        /// News of an order.
        Utility = "UTILITY",
        /// Codes to log in.
        Authentication = "AUTHENTICATION",
        /// Everything else.
        Marketing = "MARKETING",
    }
}

open_enum! {
    /// What a messenger has decided about a template.
    pub enum ReviewStatus {
        /// Nothing yet.
        Review = "review",
        /// It may be used.
        Approved = "approved",
        /// It may not be used for the time being.
        Paused = "paused",
        /// It may not be used.
        Rejected = "rejected",
    }
}

/// A template as amoCRM tells it. `Debug` does not show its texts.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ChatTemplate {
    /// Its id.
    pub id: ChatTemplateId,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its text; it may hold markers such as `{{contact.name}}`.
    #[serde(default, deserialize_with = "de::text")]
    pub content: String,
    /// Whose template it is.
    #[serde(rename = "type", default)]
    pub template_type: Option<ChatTemplateType>,
    /// Whether users may change it.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_editable: bool,
    /// Its id on the integration's side.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub external_id: Option<String>,
    /// Buttons under the message.
    #[serde(default, deserialize_with = "de::list")]
    pub buttons: Vec<TemplateButton>,
    /// The file with the message.
    #[serde(default, deserialize_with = "de::opt_object")]
    pub attachment: Option<TemplateAttachment>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// The line under the text, of WhatsApp.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub waba_footer: Option<String>,
    /// What WhatsApp takes it for.
    #[serde(default)]
    pub waba_category: Option<WabaCategory>,
    /// Its language, of WhatsApp.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub waba_language: Option<String>,
    /// What may stand in the place of each marker, for WhatsApp's review.
    #[serde(default, deserialize_with = "de::object")]
    pub waba_examples: BTreeMap<String, String>,
    /// The line over the text, of WhatsApp.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub waba_header: Option<String>,
    /// Whether that is a `text` or a `media`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub waba_header_type: Option<String>,
    /// What was decided about it, with [`ChatTemplateWith::Reviews`].
    #[serde(default)]
    pub review_status: Option<ReviewStatus>,
    /// Whether something is still to be decided, with [`ChatTemplateWith::Reviews`].
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_on_review: Option<bool>,
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::list")]
    reviews: Vec<ChatTemplateReview>,
}

impl ChatTemplate {
    /// What each messenger has decided about it, with [`ChatTemplateWith::Reviews`].
    pub fn reviews(&self) -> &[ChatTemplateReview] {
        &self.embedded.reviews
    }
}

impl HasId for ChatTemplate {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("id", &self.id)
            .field("template_type", &self.template_type)
            .field("review_status", &self.review_status)
            .field("is_on_review", &self.is_on_review)
            .finish_non_exhaustive()
    }
}

/// What a messenger has decided about a template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ChatTemplateReview {
    /// Its id.
    pub id: ChatTemplateReviewId,
    /// The source of the messenger.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub source_id: Option<SourceId>,
    /// The decision.
    #[serde(default)]
    pub status: Option<ReviewStatus>,
    /// Why it was rejected.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub reject_reason: Option<String>,
}

/// A button under a message, as it is read and written.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TemplateButton {
    /// What it does.
    #[serde(rename = "type")]
    pub button_type: TemplateButtonType,
    /// What stands on it.
    #[serde(default, deserialize_with = "de::text")]
    pub text: String,
    /// Where it leads.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub url: Option<String>,
}

open_enum! {
    /// What a button does.
    pub enum TemplateButtonType {
        /// Answers with its text.
        Inline = "inline",
        /// Leads to a page.
        Url = "url",
    }
}

impl TemplateButton {
    /// A button that answers with its text.
    pub fn inline(text: impl Into<String>) -> Self {
        Self {
            button_type: TemplateButtonType::Inline,
            text: text.into(),
            url: None,
        }
    }

    /// A button that leads to a page.
    pub fn link(text: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            button_type: TemplateButtonType::Url,
            text: text.into(),
            url: Some(url.into()),
        }
    }
}

/// The file with a message, as it is read and written.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TemplateAttachment {
    /// The file on the Drive.
    #[serde(default, deserialize_with = "de::text")]
    pub id: String,
    /// Its name; amoCRM tells it.
    #[serde(default, deserialize_with = "de::opt_text", skip_serializing)]
    pub name: Option<String>,
    /// What it is shown as.
    #[serde(rename = "type")]
    pub attachment_type: TemplateAttachmentType,
    /// Whether it is not on the Drive; amoCRM tells it.
    #[serde(default, deserialize_with = "de::opt_flag", skip_serializing)]
    pub is_external: Option<bool>,
}

impl TemplateAttachment {
    /// A file on the Drive.
    pub fn new(uuid: impl Into<String>, attachment_type: TemplateAttachmentType) -> Self {
        Self {
            id: uuid.into(),
            name: None,
            attachment_type,
            is_external: None,
        }
    }
}

open_enum! {
    /// What a file is shown as.
    pub enum TemplateAttachmentType {
        /// A picture.
        Picture = "picture",
        /// A file.
        File = "file",
        /// A document.
        Document = "document",
        /// A video.
        Video = "video",
    }
}

words! {
    /// What a list or a read of templates adds on request.
    pub enum ChatTemplateWith {
        /// Decisions about it: [`ChatTemplate::reviews`], [`ChatTemplate::review_status`].
        Reviews = "reviews",
    }
}

filter! {
    /// Which templates a list keeps.
    pub struct ChatTemplateFilter {
        /// With these ids on the integration's side.
        any external_ids "external_id": String,
    }
}

input! {
    /// A template to be added.
    pub struct NewChatTemplate(name: impl Into<String>, content: impl Into<String>);
    /// Changes to a template: only what is set travels.
    pub struct ChatTemplatePatch(ChatTemplateId) of ChatTemplate;
    fields ChatTemplateFields;
    both {
        /// Sets the name.
        text name "name";
        /// Sets the text; it may hold markers such as `{{contact.name}}`.
        text content "content";
        /// Sets its id on the integration's side.
        text external_id "external_id";
        /// Sets whether users may change it; they may not without it.
        set editable "is_editable": bool;
        /// Adds buttons under the message; those named here are **all** then.
        list buttons "buttons": TemplateButton;
        /// Sets the file with the message.
        nullable attachment clear_attachment "attachment": TemplateAttachment;
        /// Sets the line under the text, of WhatsApp.
        text waba_footer "waba_footer";
        /// Sets what WhatsApp takes it for.
        set waba_category "waba_category": WabaCategory;
        /// Sets its language, of WhatsApp.
        text waba_language "waba_language";
        part waba_examples "waba_examples": BTreeMap<String, String>;
        /// Sets the line over the text, of WhatsApp, at most 60 characters.
        nullable waba_header clear_waba_header "waba_header": String;
        /// Sets whether that is a `text` or a `media`.
        text waba_header_type "waba_header_type";
    }
    new {
        /// Sets whose template it is; [`ChatTemplateType::Amocrm`] without it.
        set template_type "type": ChatTemplateType;
    }
    patch {}
    also {
        /// Says what may stand in the place of a marker, for WhatsApp's review.
        pub fn waba_example(mut self, marker: impl Into<String>, example: impl Into<String>) -> Self {
            let examples = self.fields_mut().waba_examples.get_or_insert_default();
            examples.insert(marker.into(), example.into());
            self
        }
    }
}
