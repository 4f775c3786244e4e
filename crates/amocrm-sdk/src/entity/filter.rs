//! `filter[…]` parameters.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, Utc};

/// The conditions of a filter, as they go into the query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    pub(crate) fn into_query(self) -> Vec<(String, String)> {
        self.0
    }

    /// `filter[key][]=value`, once per alternative.
    pub(crate) fn any<T: fmt::Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.0.extend(
            values
                .into_iter()
                .map(|value| (format!("filter[{key}][]"), value.to_string())),
        );
    }

    /// `filter[key]=value`.
    pub(crate) fn one(&mut self, key: &str, value: impl fmt::Display) {
        self.0.push((format!("filter[{key}]"), value.to_string()));
    }

    /// The next free index of `filter[key][index]…`.
    pub(crate) fn next_index(&self, key: &str) -> usize {
        let prefix = format!("filter[{key}][");
        let mut seen: Vec<&str> = self
            .0
            .iter()
            .filter_map(|(name, _)| name.strip_prefix(&prefix)?.split(']').next())
            .collect();
        seen.dedup();
        seen.len()
    }

    /// `filter[key][from]`, `filter[key][to]`; a missing bound is left out.
    pub(crate) fn range(&mut self, key: &str, range: &impl RangeBounds<i64>) {
        match range.start_bound() {
            Bound::Included(from) => self
                .0
                .push((format!("filter[{key}][from]"), from.to_string())),
            Bound::Excluded(from) => self
                .0
                .push((format!("filter[{key}][from]"), (from + 1).to_string())),
            Bound::Unbounded => {}
        }
        match range.end_bound() {
            Bound::Included(to) => self.0.push((format!("filter[{key}][to]"), to.to_string())),
            Bound::Excluded(to) => self
                .0
                .push((format!("filter[{key}][to]"), (to - 1).to_string())),
            Bound::Unbounded => {}
        }
    }

    /// A range of instants; amoCRM compares whole seconds.
    pub(crate) fn period(&mut self, key: &str, range: &impl RangeBounds<DateTime<Utc>>) {
        let seconds = |bound: Bound<&DateTime<Utc>>| bound.map(DateTime::timestamp);
        self.range(
            key,
            &(seconds(range.start_bound()), seconds(range.end_bound())),
        );
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
