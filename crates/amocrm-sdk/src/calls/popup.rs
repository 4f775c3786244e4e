//! The popup of an incoming call.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::action;
use crate::id::UserId;
use crate::request::Operation;

/// The only address of this operation is the old API's.
const PATH: &str = "/api/v2/events/";

const POPUP: Operation = Operation::once("calls.popup");

action! {
    /// Shows a popup; awaiting tells whose card it shows.
    pub struct CallPopup(PopupBody) => PopupMatches: POST POPUP;
}

/// A body of [`CallPopup`].
#[derive(Clone, Serialize)]
pub(crate) struct PopupBody {
    add: [PopupEvent; 1],
}

#[skip_serializing_none]
#[derive(Clone, Serialize)]
struct PopupEvent {
    #[serde(rename = "type")]
    kind: &'static str,
    phone_number: String,
    users: Option<Vec<UserId>>,
}

impl CallPopup {
    pub(super) fn show(client: &Client, phone_number: String) -> Self {
        let event = PopupEvent {
            kind: "phone_call",
            phone_number,
            users: None,
        };
        Self::at(client, PATH, PopupBody { add: [event] })
    }

    /// Shows it only to these users. Without it: to all.
    pub fn users(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        let [event] = &mut self.body.add;
        event.users.get_or_insert_default().extend(users);
        self
    }
}

/// What a popup shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PopupMatches {
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::list")]
    items: Vec<PopupItem>,
}

impl PopupMatches {
    /// One for each phone that was shown.
    pub fn items(&self) -> &[PopupItem] {
        &self.embedded.items
    }
}

/// Whose card a popup shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PopupItem {
    /// The entity that has the phone; `None` if nobody has.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub element_id: Option<u64>,
    /// Its type, by the numbers of the old API: 1 is a contact, 2 a lead, 3 a company, 12 a customer.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub element_type: Option<u64>,
    /// The popup's id.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub uid: Option<String>,
    /// The phone.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub phone_number: Option<String>,
}

crate::entity::quiet_debug!(PopupItem);
