//! `filter[…]` parameters.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, Utc};

/// The conditions of a filter, as they go into the query.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    pairs: Vec<(String, String)>,
    /// A condition without alternatives: amoCRM would ignore it and give the whole collection.
    nothing: bool,
}

/// Values of filters may be names.
impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(key, _)| key))
            .finish()
    }
}

impl Pairs {
    pub(crate) fn into_query(self) -> Vec<(String, String)> {
        self.pairs
    }

    /// Whether nothing can pass.
    pub(crate) fn matches_nothing(&self) -> bool {
        self.nothing
    }

    /// `filter[key][]=value`, once per alternative.
    pub(crate) fn any<T: fmt::Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let before = self.pairs.len();
        let alternatives = values
            .into_iter()
            .map(|value| (format!("filter[{key}][]"), value.to_string()));
        self.pairs.extend(alternatives);
        self.nothing |= self.pairs.len() == before;
    }

    /// `filter[key]=value`.
    pub(crate) fn one(&mut self, key: &str, value: impl fmt::Display) {
        self.pairs
            .push((format!("filter[{key}]"), value.to_string()));
    }

    /// `key[]=value` beside `filter`, once per alternative.
    pub(crate) fn plain_any<T: fmt::Display>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) {
        let before = self.pairs.len();
        let alternatives = values
            .into_iter()
            .map(|value| (format!("{key}[]"), value.to_string()));
        self.pairs.extend(alternatives);
        self.nothing |= self.pairs.len() == before;
    }

    /// `key=value` beside `filter`.
    pub(crate) fn plain(&mut self, key: &str, value: impl fmt::Display) {
        self.pairs.push((key.to_owned(), value.to_string()));
    }

    /// The next free index of `filter[key][index]…`.
    pub(crate) fn next_index(&self, key: &str) -> usize {
        let prefix = format!("filter[{key}][");
        let mut seen: Vec<&str> = self
            .pairs
            .iter()
            .filter_map(|(name, _)| name.strip_prefix(&prefix)?.split(']').next())
            .collect();
        seen.dedup();
        seen.len()
    }

    /// `filter[key][from]`, `filter[key][to]`; a missing bound is left out.
    pub(crate) fn range(&mut self, key: &str, range: &impl RangeBounds<i64>) {
        let from = match range.start_bound() {
            Bound::Included(from) => Some(*from),
            Bound::Excluded(from) => Some(from.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let to = match range.end_bound() {
            Bound::Included(to) => Some(*to),
            Bound::Excluded(to) => Some(to.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        for (end, value) in [("from", from), ("to", to)] {
            if let Some(value) = value {
                self.pairs
                    .push((format!("filter[{key}][{end}]"), value.to_string()));
            }
        }
    }

    /// A range of instants; amoCRM compares whole seconds, so the first and the last whole second within it count.
    pub(crate) fn period(&mut self, key: &str, range: &impl RangeBounds<DateTime<Utc>>) {
        let has_fraction = |at: &DateTime<Utc>| at.timestamp_subsec_nanos() > 0;
        let start = match range.start_bound() {
            Bound::Included(at) if has_fraction(at) => Bound::Excluded(at.timestamp()),
            bound => bound.map(DateTime::timestamp),
        };
        let end = match range.end_bound() {
            Bound::Excluded(at) if has_fraction(at) => Bound::Included(at.timestamp()),
            bound => bound.map(DateTime::timestamp),
        };
        self.range(key, &(start, end));
    }
}

/// Declares a filter: a struct over [`Pairs`] whose methods add conditions.
macro_rules! filter {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* $kind:ident $method:ident $key:literal: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[must_use = "a filter does nothing until a list takes it"]
        pub struct $name(crate::entity::Pairs);

        impl $name {
            /// A filter that lets everything through.
            pub fn new() -> Self {
                Self::default()
            }

            $(crate::entity::filter_method!($(#[$doc])* $kind $method $key: $type);)*
        }

        impl crate::entity::IntoQuery for $name {
            fn into_query(self) -> Vec<(String, String)> {
                self.0.into_query()
            }

            fn matches_nothing(&self) -> bool {
                self.0.matches_nothing()
            }
        }
    };
}

macro_rules! filter_method {
    ($(#[$doc:meta])* any $method:ident $key:literal: $type:ty) => {
        $(#[$doc])*
        pub fn $method(mut self, alternatives: impl IntoIterator<Item = $type>) -> Self {
            self.0.any($key, alternatives);
            self
        }
    };
    ($(#[$doc:meta])* plain_any $method:ident $key:literal: $type:ty) => {
        $(#[$doc])*
        pub fn $method(mut self, alternatives: impl IntoIterator<Item = $type>) -> Self {
            self.0.plain_any($key, alternatives);
            self
        }
    };
    ($(#[$doc:meta])* plain $method:ident $key:literal: $type:ty) => {
        $(#[$doc])*
        pub fn $method(mut self, value: $type) -> Self {
            self.0.plain($key, value);
            self
        }
    };
    ($(#[$doc:meta])* period $method:ident $key:literal: $type:ty) => {
        $(#[$doc])*
        pub fn $method(mut self, period: impl std::ops::RangeBounds<$type>) -> Self {
            self.0.period($key, &period);
            self
        }
    };
    ($(#[$doc:meta])* range $method:ident $key:literal: $type:ty) => {
        $(#[$doc])*
        pub fn $method(mut self, range: impl std::ops::RangeBounds<$type>) -> Self {
            self.0.range($key, &range);
            self
        }
    };
    ($(#[$doc:meta])* one $method:ident $key:literal: $type:ty) => {
        $(#[$doc])*
        pub fn $method(mut self, value: $type) -> Self {
            self.0.one($key, value);
            self
        }
    };
}

pub(crate) use {filter, filter_method};
