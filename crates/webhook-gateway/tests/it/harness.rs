//! What the stories are told with.

mod gateway;
mod nats;
mod receiver;

pub(crate) use self::gateway::TestGateway;
pub(crate) use self::nats::TestNats;
pub(crate) use self::receiver::{Reaction, Receiver};
pub(crate) use testkit::{TestClock, TestDatabase, databases, eventually, is_all_required};
