//! A group of values, quick for the handful of keys that groups have and safe for the thousands a hostile body has.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Tree;

/// Groups of more keys than this are searched by an index: without one, ten thousand keys would cost a hundred million
/// comparisons.
const SEARCHED_IN_ORDER: usize = 24;

/// A group of values in the order of the body. Clones share it: every event holds the part of the body it came from.
#[derive(Clone, Default)]
pub struct Branch(Arc<Group>);

#[derive(Clone, Default)]
struct Group {
    entries: Vec<(Key, Tree)>,
    /// Where the keys stand, once there are many.
    places: BTreeMap<Key, usize>,
    names: usize,
    greatest: Option<u64>,
}

/// A key of a group: an index or a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An index.
    Index(u64),
    /// A name.
    Name(Box<str>),
}

/// A key that is looked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    Index(u64),
    Name(&'a str),
}

impl<'a> Wanted<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // As in PHP, `07` is a name.
        match text.as_bytes() {
            [b'0'] => Self::Index(0),
            [b'1'..=b'9', ..] => text.parse().map_or(Self::Name(text), Self::Index),
            _ => Self::Name(text),
        }
    }

    fn is(self, key: &Key) -> bool {
        match (self, key) {
            (Self::Index(wanted), Key::Index(index)) => wanted == *index,
            (Self::Name(wanted), Key::Name(name)) => wanted == &**name,
            _ => false,
        }
    }

    fn to_key(self) -> Key {
        match self {
            Self::Index(index) => Key::Index(index),
            Self::Name(name) => Key::Name(name.into()),
        }
    }
}

impl Key {
    /// As text, which only indexes have to be written for.
    pub(in crate::webhook) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Index(index) => Cow::Owned(index.to_string()),
            Self::Name(name) => Cow::Borrowed(name),
        }
    }

    fn as_wanted(&self) -> Wanted<'_> {
        match self {
            Self::Index(index) => Wanted::Index(*index),
            Self::Name(name) => Wanted::Name(name),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Group {
    fn place(&self, wanted: Wanted<'_>) -> Option<usize> {
        // A body tells a group's values one after the other, so the last key is the likeliest.
        let last = self.entries.len().checked_sub(1)?;
        if wanted.is(&self.entries[last].0) {
            return Some(last);
        }
        if self.places.is_empty() {
            return self.entries.iter().position(|(key, _)| wanted.is(key));
        }
        self.places.get(&wanted.to_key()).copied()
    }

    fn add(&mut self, key: Key) -> usize {
        match key {
            Key::Index(index) => self.greatest = self.greatest.max(Some(index)),
            Key::Name(_) => self.names += 1,
        }
        let place = self.entries.len();
        if place == SEARCHED_IN_ORDER {
            let keys = self.entries.iter().map(|(key, _)| key.clone());
            self.places = keys.zip(0..).collect();
        }
        if place >= SEARCHED_IN_ORDER {
            self.places.insert(key.clone(), place);
        }
        self.entries.push((key, Tree::Leaf(String::new())));
        place
    }
}

impl Branch {
    /// What is under a key; an empty leaf if nothing was.
    pub(super) fn entry(&mut self, wanted: Wanted<'_>) -> &mut Tree {
        let group = Arc::make_mut(&mut self.0);
        let place = match group.place(wanted) {
            Some(place) => place,
            None => group.add(wanted.to_key()),
        };
        &mut group.entries[place].1
    }

    pub(super) fn get(&self, wanted: Wanted<'_>) -> Option<&Tree> {
        self.0.place(wanted).map(|place| &self.0.entries[place].1)
    }

    /// The index `[]` stands for: the one after the greatest.
    pub(super) fn next_index(&self) -> u64 {
        self.0
            .greatest
            .map_or(0, |greatest| greatest.saturating_add(1))
    }

    /// In the order of the body.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Tree)> {
        self.0.entries.iter().map(|(key, tree)| (key, tree))
    }

    /// In the order of the keys: indexes, then names.
    pub(super) fn sorted(&self) -> Vec<(&Key, &Tree)> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }

    pub(super) fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Has keys, and they are indexes.
    pub(super) fn is_indexed(&self) -> bool {
        self.0.names == 0 && self.0.greatest.is_some()
    }

    /// The keys are 0, 1, 2…, in whatever order.
    pub(super) fn is_list(&self) -> bool {
        let count = u64::try_from(self.len()).ok();
        // Keys are different, so as many as the greatest says are all of them.
        self.0.names == 0 && self.0.greatest.map_or(Some(0), |last| last.checked_add(1)) == count
    }
}

/// Groups are equal when they hold the same, in whatever order it came.
impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.len() == other.len()
                && self
                    .iter()
                    .all(|(key, tree)| other.get(key.as_wanted()) == Some(tree))
    }
}

impl Eq for Branch {}
