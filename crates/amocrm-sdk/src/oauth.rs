//! OAuth 2.0 as amoCRM does it.

mod store;
mod token;

pub use self::store::{Lease, MemoryTokenStore, Saved, StoredTokens, TokenKey, TokenStore};
pub use self::token::TokenPair;
