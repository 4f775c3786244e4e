//! Salesbots: run them on leads, contacts and customers, stop them, let them go on.
//!
//! Source: <https://www.amocrm.ru/developers/content/digital_pipeline/salesbot>. The addresses are those of version 4,
//! which independent users found; the documented `POST /api/v2/salesbot/run` does the same as
//! [`run_many`](Bots::run_many) for contacts and leads only.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Never, action, filter, resource, words};
use crate::id::{BotId, LeadId, kind};
use crate::links::{EntityRef, EntityType};
use crate::request::Operation;

mod resume;
mod run_many;

pub use self::resume::{ResumeBot, Step};
pub use self::run_many::RunBots;

/// A bot that runs twice writes to people twice: it is never repeated.
const RUN: Operation = Operation::once("bots.run");
const STOP: Operation = Operation::idempotent("bots.stop");

resource! {
    /// Salesbots of the account: [`Client::bots`].
    pub struct Bots of Bot: kind::Bot, "bots", key = "items";
    /// Reads bots.
    list(with = BotWith, filter = BotFilter, order = Never);
    /// Reads one bot.
    get(BotId);
}

impl Client {
    /// Salesbots of the account.
    pub fn bots(&self) -> Bots {
        Bots::at(self, "/api/v4/bots")
    }
}

impl Bots {
    /// Runs a bot on a lead, contact or customer. It is sent once: if the answer is lost, the bot may be running.
    pub fn run(&self, bot: BotId, on: impl Into<EntityRef>) -> RunBot {
        RunBot::at(
            &self.client,
            format!("{}/{bot}/run", self.path),
            Target::from(on.into()),
        )
    }

    /// Runs bots on many leads, contacts and customers: `run_many([(bot, lead.into()), …])`.
    pub fn run_many(&self, runs: impl IntoIterator<Item = (BotId, EntityRef)>) -> RunBots {
        RunBots::new(self.client.clone(), format!("{}/run", self.path), runs)
    }

    /// Stops a bot on a lead. amoCRM can stop none elsewhere.
    pub fn stop(&self, bot: BotId, on: LeadId) -> StopBot {
        let path = format!("{}/{bot}/stop", self.path);
        StopBot::at(&self.client, path, Target::from(EntityRef::from(on)))
    }

    /// Lets a bot go on that waits for a widget's answer: amoCRM's request to the widget names the bot and the place.
    pub fn resume(&self, bot: BotId, place: u64) -> ResumeBot {
        ResumeBot::new(self.client.clone(), bot, place)
    }
}

action! {
    /// Runs a bot.
    pub struct RunBot(Target) => (): POST RUN;
}

action! {
    /// Stops a bot.
    pub struct StopBot(Target) => (): POST STOP;
}

/// A body of [`RunBot`] and [`StopBot`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    entity_id: u64,
    entity_type: EntityType,
}

impl From<EntityRef> for Target {
    fn from(entity: EntityRef) -> Self {
        Self {
            entity_id: entity.id,
            entity_type: entity.entity_type,
        }
    }
}

/// A bot as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Bot {
    /// Its id.
    pub id: BotId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub type_functionality: Option<BotFunctionality>,
    /// Whether it was made in the visual editor.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_visual_editor: bool,
    /// Whether it is a favourite, with [`BotWith::Favorite`].
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_favorite: Option<bool>,
    #[serde(default, deserialize_with = "de::object")]
    settings: BotSettings,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct BotSettings {
    #[serde(default, deserialize_with = "de::opt_flag")]
    active: Option<bool>,
}

impl Bot {
    /// Whether it is switched on.
    pub fn is_active(&self) -> Option<bool> {
        self.settings.active
    }
}

open_enum! {
    /// What a bot is for.
    pub enum BotFunctionality {
        /// Anything.
        Regular = "regular",
        /// Greeting who writes first.
        Greeting = "greeting",
        /// Sending to many.
        Marketing = "marketing",
        /// Asking for a rating.
        Nps = "nps",
    }
}

words! {
    /// What a list or a read of bots adds on request.
    pub enum BotWith {
        /// [`Bot::is_favorite`].
        Favorite = "favorite",
    }
}

filter! {
    /// Which bots a list keeps.
    pub struct BotFilter {
        /// These bots.
        any ids "id": BotId,
        /// For these purposes.
        any functionalities "type_functionality": BotFunctionality,
    }
}
