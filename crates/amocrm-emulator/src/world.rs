//! Everything the emulator remembers: accounts with their users, settings and records.
//!
//! The world knows no HTTP and no clock; time comes in as an argument. It is written to the state file as it is, so
//! every type here can be serialized. Indexes and pending events are left out of the file.

mod account;
mod actor;
mod catalogs;
mod customers;
mod drive;
mod duplicates;
pub(crate) mod events;
pub(crate) mod feed;
mod fields;
mod followers;
mod links;
mod notes;
mod owner;
mod pipelines;
mod presets;
mod records;
mod sequence;
pub(crate) mod services;
mod short_links;
mod tags;
mod tasks;
mod unsorted;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::customers::CustomersMode;
pub use self::duplicates::DuplicateControl;
pub(crate) use self::{
    account::{Account, Counters, Integration, LossReason, User, WebhookSubscription},
    actor::Actor,
    catalogs::{Catalog, CatalogType, Catalogs},
    customers::{CustomerState, CustomerStatus, Customers, Segment, Transaction},
    drive::{Attachment, Author, Card, Drive, File, FileVersion, Upload},
    events::WorldEvent,
    fields::{
        ADDRESS_PARTS, DEFAULT_GROUP, EnumOption, FieldDefinition, FieldGroup, StageRef, has_enums,
    },
    followers::Followers,
    links::{ElementLink, Links, card_and_contact},
    notes::Note,
    owner::FieldOwner,
    pipelines::{Description, Pipeline, STATUS_LOST, STATUS_WON, Status, is_closing},
    records::{EntityType, FieldValue, LeadState, Needle, Record, Records},
    sequence::Sequence,
    short_links::ShortLink,
    tags::Tag,
    tasks::{Task, TaskResult, TaskType, Tasks, standard_task_types},
    unsorted::{IncomingMessage, Unsorted, new_uid},
};

/// All accounts and what OAuth knows about them.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct World {
    /// The accounts; the first one answers for unknown host names.
    pub(crate) accounts: Vec<Account>,
    /// Chat channels.
    #[serde(default)]
    pub(crate) channels: Vec<services::Channel>,
    /// Codes and tokens.
    pub(crate) oauth: crate::oauth::OauthState,
    /// What happened since the last delivery; drained by the webhook sender.
    #[serde(skip)]
    pub(crate) events: Vec<WorldEvent>,
}

impl World {
    /// The account with this id.
    pub(crate) fn account(&mut self, id: u64) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.id == id)
    }

    /// The account with this id, and the list its events go to.
    pub(crate) fn account_and_events(
        &mut self,
        id: u64,
    ) -> Option<(&mut Account, &mut Vec<WorldEvent>)> {
        let account = self.accounts.iter_mut().find(|account| account.id == id)?;
        Some((account, &mut self.events))
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("accounts", &self.accounts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Seed, seed, world::records::Needle};

    #[test]
    fn a_world_survives_its_state_file() {
        let world = seed::world(Seed::AsiaDeals, 1_769_000_000);
        let saved = serde_json::to_string(&world).unwrap();
        let mut again: World = serde_json::from_str(&saved).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), saved);
        let id = again.accounts[0].id;
        let account = again.account(id).unwrap();
        assert_eq!(account.leads.by_update().count(), account.leads.len());
        let found = account
            .contacts
            .iter()
            .filter(|contact| contact.matches(&Needle::new("петрова"), 0));
        assert_eq!(found.count(), 1, "the search index is made again");
    }

    #[test]
    fn a_state_file_of_the_first_release_still_loads() {
        let world = seed::world(Seed::AsiaDeals, 1_769_000_000);
        let mut saved = serde_json::to_value(&world).unwrap();
        let account = saved["accounts"][0].as_object_mut().unwrap();
        for key in [
            "customers",
            "catalogs",
            "short_links",
            "followers",
            "unsorted",
            "tasks",
            "task_types",
            "feed",
            "drive",
            "services",
            "duplicates",
        ] {
            account.remove(key).unwrap();
        }
        account["links"]
            .as_object_mut()
            .unwrap()
            .remove("customer_contacts");
        for user in account["users"].as_array_mut().unwrap() {
            for key in ["is_free", "role_id", "rights"] {
                user.as_object_mut().unwrap().remove(key).unwrap();
            }
        }
        for key in ["leads", "contacts", "companies"] {
            for record in account[key].as_array_mut().unwrap() {
                record
                    .as_object_mut()
                    .unwrap()
                    .remove("is_unsorted")
                    .unwrap();
            }
        }
        account["groups"]
            .as_object_mut()
            .unwrap()
            .remove("customers");
        for key in [
            "customer",
            "customer_status",
            "segment",
            "transaction",
            "catalog",
            "element",
        ] {
            let counters = account["counters"].as_object_mut().unwrap();
            counters.remove(key).unwrap();
        }
        saved.as_object_mut().unwrap().remove("channels").unwrap();
        let mut again: World = serde_json::from_value(saved).unwrap();
        let account = &mut again.accounts[0];
        assert_eq!(account.leads.len(), world.accounts[0].leads.len());
        assert_eq!(account.task_types.len(), 2);
        account.set_customers_mode(CustomersMode::Periodicity);
        assert_eq!(account.groups_of(EntityType::Customers).len(), 1);
        assert_eq!(account.customers.statuses.len(), 4);
        assert!(account.add_catalog(CatalogType::Products, "Товары", 1, 1) > 1000);
    }

    #[test]
    fn no_debug_output_shows_secrets_or_people() {
        let mut world = seed::world(Seed::AsiaDeals, 1_769_000_000);
        let widget = &mut world.accounts[0].services.bots.widgets[0];
        widget.settings = Some(
            [("password".to_owned(), "emulatorSecret".into())]
                .into_iter()
                .collect(),
        );
        let account = &world.accounts[0];
        let contact = account.contacts.iter().next().unwrap();
        let shown = format!(
            "{world:?} {:?} {:?} {:?} {contact:?}",
            account.users, account.integrations, account.services
        );
        for secret in ["+7", "@", "emulatorSecret"] {
            assert!(!shown.contains(secret), "{secret}");
        }
    }
}
