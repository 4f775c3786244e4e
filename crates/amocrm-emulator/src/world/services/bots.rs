//! Robots that talk, and widgets.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::world::{Account, EntityType, Sequence};

const FIRST_BOT: u64 = 8_400_001;
const FIRST_RUN: u64 = 8_450_001;
const FIRST_WIDGET: u64 = 8_350_001;

/// The bots and widgets of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bots {
    pub(crate) list: Vec<Bot>,
    /// Every start of a bot, oldest first.
    pub(crate) runs: Vec<BotRun>,
    pub(crate) widgets: Vec<Widget>,
    bot_ids: Sequence,
    run_ids: Sequence,
    widget_ids: Sequence,
}

impl Bots {
    /// Starts a bot on a card; the number of the run. A bot that waits for a widget's answer stays until somebody continues it.
    pub(crate) fn run(
        &mut self,
        account_id: u64,
        bot_id: u64,
        card: (EntityType, u64),
        now: i64,
    ) -> u64 {
        let waits = self.list.iter().any(|bot| bot.id == bot_id && bot.waits);
        let id = self.run_ids.take(account_id, FIRST_RUN);
        self.runs.push(BotRun {
            id,
            bot_id,
            entity: card.0,
            entity_id: card.1,
            state: if waits {
                RunState::Waiting
            } else {
                RunState::Finished
            },
            started_at: now,
            handlers: Value::Null,
        });
        id
    }
}

impl Account {
    /// The bots and the widget an account begins with.
    pub(crate) fn add_robots(&mut self) {
        self.add_bot("Приветствие", "greeting", false);
        self.add_bot("Подбор объекта", "regular", true);
        let client_id = self.integrations.first().map(|it| it.client_id.clone());
        self.add_widget("local_widget", client_id.unwrap_or_default());
    }

    /// One more bot; its id.
    pub(crate) fn add_bot(&mut self, name: &str, kind: &str, waits: bool) -> u64 {
        let bots = &mut self.services.bots;
        let id = bots.bot_ids.take(self.id, FIRST_BOT);
        bots.list.push(Bot {
            id,
            name: name.to_owned(),
            kind: kind.to_owned(),
            is_active: true,
            is_favorite: false,
            waits,
        });
        id
    }

    /// One more widget that can be installed; its id.
    pub(crate) fn add_widget(&mut self, code: &str, client_id: String) -> u64 {
        let bots = &mut self.services.bots;
        let id = bots.widget_ids.take(self.id, FIRST_WIDGET);
        bots.widgets.push(Widget {
            id,
            code: code.to_owned(),
            client_id,
            settings: None,
        });
        id
    }
}

/// A bot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bot {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// `regular`, `greeting`, `marketing` or `nps`.
    pub(crate) kind: String,
    pub(crate) is_active: bool,
    pub(crate) is_favorite: bool,
    /// It asks a widget and goes on when that answers.
    pub(crate) waits: bool,
}

/// One start of a bot.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct BotRun {
    /// Also the `continue_id`.
    pub(crate) id: u64,
    pub(crate) bot_id: u64,
    pub(crate) entity: EntityType,
    pub(crate) entity_id: u64,
    pub(crate) state: RunState,
    pub(crate) started_at: i64,
    /// What a widget told it to do.
    pub(crate) handlers: Value,
}

impl fmt::Debug for BotRun {
    /// What a widget lets a bot say is meant for one person, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotRun")
            .field("id", &self.id)
            .field("bot_id", &self.bot_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// How far a bot has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunState {
    Waiting,
    Finished,
    Stopped,
}

/// A widget that can be installed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Widget {
    pub(crate) id: u64,
    pub(crate) code: String,
    /// The integration it belongs to.
    pub(crate) client_id: String,
    /// What it was installed with; nothing while it is not.
    pub(crate) settings: Option<Map<String, Value>>,
}

impl fmt::Debug for Widget {
    /// Settings hold a login and a password, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Widget")
            .field("id", &self.id)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
