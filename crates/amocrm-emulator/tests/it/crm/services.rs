//! What lies beside the cards: files, chats, talks, bots, people's rights.

mod chats;
mod drive;
mod people;
mod robots;
mod sources;
mod templates;
