//! Who follows a lead or a customer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Account, EntityType};

/// A card.
type Card = (EntityType, u64);

/// A user or a group that is told of changes to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Follower {
    /// The user or the group.
    pub(crate) id: u64,
    /// Otherwise it is a user.
    pub(crate) is_group: bool,
}

/// The followers of all cards.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(
    from = "Vec<(Card, Vec<Follower>)>",
    into = "Vec<(Card, Vec<Follower>)>"
)]
pub(crate) struct Followers(BTreeMap<Card, Vec<Follower>>);

impl From<Vec<(Card, Vec<Follower>)>> for Followers {
    fn from(cards: Vec<(Card, Vec<Follower>)>) -> Self {
        Self(cards.into_iter().collect())
    }
}

impl From<Followers> for Vec<(Card, Vec<Follower>)> {
    fn from(followers: Followers) -> Self {
        followers.0.into_iter().collect()
    }
}

impl Account {
    /// Sets who follows a card: ids, and whether each is a group's.
    pub(crate) fn set_followers(&mut self, card: Card, ids: impl Iterator<Item = (u64, bool)>) {
        let followers = ids.map(|(id, is_group)| Follower { id, is_group });
        self.followers.0.insert(card, followers.collect());
    }

    /// Who follows a card.
    pub(crate) fn followers(&self, card: Card) -> &[Follower] {
        self.followers.0.get(&card).map_or(&[], Vec::as_slice)
    }
}
