//! Widgets of the account: integrations that users install.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/widgets-api>.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Entity, Never, Remove, action, resource};
use crate::id::{PipelineId, WidgetId, kind};
use crate::path::segment;
use crate::request::{Operation, declare};

/// Installing again sets the settings again.
const INSTALL: Operation = Operation::idempotent("widgets.install");

resource! {
    /// Widgets of the account: [`Client::widgets`].
    pub struct Widgets of Widget: kind::Widget, "widgets";
    /// Reads widgets.
    list(with = Never, filter = Never, order = Never);
    /// Reads the widget with this code. Its settings are there only for the token of its own integration.
    get(text String);
}

declare!(Widget: Widget::DELETE);

impl Client {
    /// Widgets of the account.
    pub fn widgets(&self) -> Widgets {
        Widgets::at(self, "/api/v4/widgets")
    }
}

impl Widgets {
    /// Installs the widget with this code, or changes its settings. Needs an administrator's token.
    pub fn install(&self, code: impl Into<String>) -> InstallWidget {
        let path = format!("{}/{}", self.path, segment(&code.into()));
        InstallWidget::at(&self.client, path, WidgetSettings::default())
    }

    /// Removes the widget with this code from the account. Needs an administrator's token.
    pub fn uninstall(&self, code: impl Into<String>) -> Remove {
        let path = format!("{}/{}", self.path, segment(&code.into()));
        Remove::new(self.client.clone(), Widget::DELETE, path)
    }
}

action! {
    /// Installs a widget; awaiting gives it as it is now.
    pub struct InstallWidget(WidgetSettings) => Widget: POST INSTALL;
}

/// A body of [`InstallWidget`].
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct WidgetSettings(Map<String, Value>);

impl InstallWidget {
    /// Sets a setting by its key in [`Widget::settings_template`]: a text, or for settings of users an object by their
    /// ids.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.body.0.insert(key.into(), value.into());
        self
    }
}

/// A widget as amoCRM tells it. `Debug` does not show its settings: they hold passwords.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the vendor's own shape")]
pub struct Widget {
    /// Its id.
    pub id: WidgetId,
    /// Its code: what the operations know it by.
    #[serde(default, deserialize_with = "de::text")]
    pub code: String,
    /// Its version.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub version: Option<String>,
    /// What users think of it. amoCRM sends a number, or a text with a comma.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub rating: Option<String>,
    /// Which settings it has.
    #[serde(default, deserialize_with = "de::list")]
    pub settings_template: Vec<WidgetSetting>,
    /// Whether it is a source of leads.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_lead_source: bool,
    /// Whether the Digital Pipeline can use it.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_work_with_dp: bool,
    /// Whether it is a template of a CRM.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_crm_template: bool,
    /// The integration.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub client_uuid: Option<String>,
    /// Whether it is installed.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_active_in_account: bool,
    /// Its pipeline.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// Its settings as amoCRM tells them; only for the token of its own integration.
    #[serde(default)]
    pub settings: Value,
}

impl Widget {
    /// [`rating`](Self::rating) as a number.
    pub fn stars(&self) -> Option<f64> {
        self.rating.as_deref()?.replace(',', ".").parse().ok()
    }
}

impl fmt::Debug for Widget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Widget")
            .field("id", &self.id)
            .field("code", &self.code)
            .field("is_active_in_account", &self.is_active_in_account)
            .finish_non_exhaustive()
    }
}

/// A setting that a widget has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WidgetSetting {
    /// Its key: what [`InstallWidget::setting`] takes.
    #[serde(default, deserialize_with = "de::text")]
    pub key: String,
    /// Its name, as users see it.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub setting_type: WidgetSettingType,
    /// Whether the widget cannot be installed without it.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_required: bool,
}

open_enum! {
    /// What a setting of a widget holds.
    pub enum WidgetSettingType {
        /// A text.
        Text = "text",
        /// A password.
        Pass = "pass",
        /// A text for each user: `{"901": "…"}`.
        Users = "users",
        /// A login and a password for each user: `{"901": {"login": "…", "password": "…"}}`.
        UsersLp = "users_lp",
    }
}
