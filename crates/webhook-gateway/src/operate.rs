//! What people do with the gateway: one desk for the API, the command line and the page, and the commands.

mod commands;
mod desk;
mod error;
mod feed;
mod figures;
mod line;
mod listen;
mod settings;
mod sse;
mod stream;
mod sweep;
mod tail;
mod view;
mod wanted;

pub use self::commands::{Command, run};
pub(crate) use self::desk::{
    Desk, EventPage, LetterOrder, LetterPage, OVERLAP, PAGE, RawBody, ReplayAnswer, ReplayOrder,
    RequestPage, UnreadAnswer, UnreadOrder, letter_filter,
};
pub(crate) use self::error::OperateError;
pub(crate) use self::feed::{Feed, Listener};
pub(crate) use self::figures::{Came, Figures, SubscriberFigures, Went};
pub(crate) use self::settings::read as read_settings;
pub(crate) use self::sweep::keep_sweeping;
pub(crate) use self::view::{
    AttemptView, DeliveryView, EventDetail, EventView, Letter, RequestView, SubscriberView,
};
pub(crate) use self::wanted::Wanted;
