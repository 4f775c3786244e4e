//! What amoCRM sends becomes durable events, and nothing is lost on the way.

mod accounts;
mod examine;
mod fixtures;
mod hostile;
mod outage;
mod repeats;
mod routes;
mod settings;
mod subscription;
mod unread;
mod world;
