//! Website buttons: the widget that a site shows its visitors to write or call ("CRM Plugin").
//!
//! For integrations, with an administrator's token. A button trusts at most ten domains.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/website-button>.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Entity, Never, action, resource, words};
use crate::id::{AccountId, PipelineId, SourceId};
use crate::request::Operation;

/// A pipeline has one chat: adding it again gives the same.
const ADD_CHAT: Operation = Operation::idempotent("website_buttons.add_chat");

resource! {
    /// Website buttons of the account: [`Client::website_buttons`].
    pub struct WebsiteButtons of WebsiteButton: (), "website_buttons";
    /// Reads buttons.
    list(with = WebsiteButtonWith, filter = Never, order = Never);
    /// Reads one button.
    get(SourceId);
}

impl Client {
    /// Website buttons of the account.
    pub fn website_buttons(&self) -> WebsiteButtons {
        WebsiteButtons::at(self, "/api/v4/website_buttons")
    }
}

impl WebsiteButtons {
    /// Makes a button for the leads of this pipeline. amoCRM sets it up a little later:
    /// [`WebsiteButton::creation_status`]. It wants a domain, unless the button is used in an application.
    pub fn create(&self, pipeline: PipelineId) -> CreateWebsiteButton {
        let body = NewButton {
            pipeline_id: pipeline,
            trusted_websites: Vec::new(),
            is_used_in_app: None,
        };
        CreateWebsiteButton::at(&self.client, &*self.path, body)
    }

    /// Changes a button. Domains can only be added, and only to a button that has one.
    pub fn update(&self, id: SourceId) -> UpdateWebsiteButton {
        let path = format!("{}/{id}", self.path);
        UpdateWebsiteButton::at(&self.client, path, ButtonChanges::default())
    }

    /// Adds the online chat to a button. amoCRM does it a little later.
    pub fn add_chat(&self, id: SourceId) -> AddOnlineChat {
        AddOnlineChat::at(&self.client, format!("{}/{id}/online_chat", self.path))
    }
}

action! {
    /// Makes a button; awaiting gives the id of its source.
    pub struct CreateWebsiteButton(NewButton) => CreatedWebsiteButton: POST WebsiteButton::CREATE;
}

action! {
    /// Changes a button; awaiting gives it as it is now.
    pub struct UpdateWebsiteButton(ButtonChanges) => WebsiteButton: PATCH WebsiteButton::UPDATE;
}

action! {
    /// Adds the online chat to a button.
    pub struct AddOnlineChat => (): POST ADD_CHAT;
}

/// A body of [`CreateWebsiteButton`].
#[skip_serializing_none]
#[derive(Clone, Serialize)]
pub(crate) struct NewButton {
    pipeline_id: PipelineId,
    trusted_websites: Vec<String>,
    is_used_in_app: Option<bool>,
}

impl CreateWebsiteButton {
    /// Lets sites of these domains show it.
    pub fn trusted_websites(
        mut self,
        domains: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let domains = domains.into_iter().map(Into::into);
        self.body.trusted_websites.extend(domains);
        self
    }

    /// Lets an application show it.
    pub fn used_in_app(mut self) -> Self {
        self.body.is_used_in_app = Some(true);
        self
    }
}

/// A body of [`UpdateWebsiteButton`].
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
pub(crate) struct ButtonChanges {
    name: Option<String>,
    trusted_websites: Option<MoreWebsites>,
}

#[derive(Clone, Default, Serialize)]
struct MoreWebsites {
    add: Vec<String>,
}

impl UpdateWebsiteButton {
    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.body.name = Some(name.into());
        self
    }

    /// Lets sites of more domains show it.
    pub fn trust(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let domains = domains.into_iter().map(Into::into);
        let more = self.body.trusted_websites.get_or_insert_default();
        more.add.extend(domains);
        self
    }
}

/// What amoCRM tells of a button it is about to make.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CreatedWebsiteButton {
    /// The source: what the other operations know the button by.
    pub source_id: SourceId,
    /// The domains whose sites may show it.
    #[serde(default, deserialize_with = "de::list")]
    pub trusted_websites: Vec<String>,
}

/// A button as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WebsiteButton {
    /// The source: what the operations know the button by.
    pub source_id: SourceId,
    /// The id of the button itself.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub button_id: Option<u64>,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Where its leads go.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// Whether its leads pass the duplicate control.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_duplication_control_enabled: bool,
    /// Whether it is ready.
    #[serde(default)]
    pub creation_status: Option<CreationStatus>,
    /// What a site has to include, with [`WebsiteButtonWith::Scripts`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub script: Option<String>,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
}

open_enum! {
    /// Whether a button is ready.
    pub enum CreationStatus {
        /// It is.
        Created = "created",
        /// Not yet.
        CreationPending = "creation_pending",
    }
}

words! {
    /// What a list or a read of buttons adds on request.
    pub enum WebsiteButtonWith {
        /// [`WebsiteButton::script`].
        Scripts = "scripts",
        /// Removed buttons too. amoCRM documents it only in its own client.
        Deleted = "deleted",
    }
}
