//! What surrounds the cards: where people write from, what is written to them, who may do what, and robots.

mod bots;
mod chats;
mod roles;
mod sources;
mod templates;

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    bots::{Bot, BotRun, Bots, RunState, Widget},
    chats::{Channel, Chat, Chats, Connection, Message, Person, Talk, Writer},
    roles::{Role, Roles},
    sources::{Source, Sources, WebsiteButton},
    templates::{ChatTemplate, Review, Templates},
};

/// The services of an account. Every part has a default, so state files from before it existed still load.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Services {
    pub(crate) sources: Sources,
    pub(crate) templates: Templates,
    pub(crate) roles: Roles,
    pub(crate) bots: Bots,
    pub(crate) chats: Chats,
}
