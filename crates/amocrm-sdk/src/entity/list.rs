//! Reading collections.

use std::fmt;
use std::marker::PhantomData;

use super::page::{Envelope, Page};
use super::{EntityStream, IntoQuery, Listable, Pages};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::request::Request;

/// Which way a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Smallest, oldest first.
    #[default]
    Ascending,
    /// Largest, newest first.
    Descending,
}

/// Reads a collection: [`stream`](Self::stream) its entities, go by [`pages`](Self::pages), or take one
/// [`page`](Self::page).
///
/// A list is not awaitable on purpose: a first page mistaken for the whole is the commonest bug of API clients. An
/// empty collection, which amoCRM answers with 204, is an empty stream.
#[must_use = "a list does nothing until it is streamed or a page of it is asked for"]
pub struct List<E: Listable> {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    with: Vec<String>,
    limit: usize,
    paged: bool,
    nothing: bool,
    refusal: Option<String>,
    entity: PhantomData<fn() -> E>,
}

impl<E: Listable> List<E> {
    pub(crate) fn new(client: Client, path: impl Into<String>) -> Self {
        Self {
            client,
            path: path.into(),
            query: Vec::new(),
            with: Vec::new(),
            limit: E::LIMIT,
            paged: true,
            nothing: false,
            refusal: None,
            entity: PhantomData,
        }
    }

    /// For collections that come whole and ignore `page`: a second page would be the first one again.
    pub(crate) fn unpaged(mut self) -> Self {
        self.paged = false;
        self
    }

    /// Embeds more into each entity.
    pub fn with(mut self, with: impl IntoIterator<Item = E::With>) -> Self {
        self.with
            .extend(with.into_iter().map(|word| word.to_string()));
        self
    }

    /// Keeps only what the filter lets through. All its conditions must hold; the values of one condition are
    /// alternatives, and a condition with no alternative lets nothing through: then nothing is asked.
    pub fn filter(mut self, filter: E::Filter) -> Self {
        self.nothing |= filter.matches_nothing();
        self.refusal = self.refusal.or_else(|| filter.refusal());
        self.query.extend(filter.into_query());
        self
    }

    /// Full-text search over the filled fields. It finds substrings, in any field, and knows a new entity only after
    /// some seconds: check what it finds, and do not look here for what was just created.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.query.push(("query".to_owned(), text.into()));
        self
    }

    /// Orders the collection.
    pub fn order(mut self, by: E::Order, direction: Direction) -> Self {
        let word = match direction {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        };
        self.query.push((format!("order[{by}]"), word.to_owned()));
        self
    }

    /// Entities per page, from 1 to 250 (events: 100). Default: the most, which is fewest requests.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, E::LIMIT);
        self
    }

    /// The request for page `number` (from 1).
    pub fn into_request(self, number: u32) -> Request {
        self.request(number)
    }

    fn request(&self, number: u32) -> Request {
        let mut request = Request::get(E::LIST, &self.path).host(E::HOST);
        if self.paged {
            request = request.query("page", number).query("limit", self.limit);
        }
        if !self.with.is_empty() {
            request = request.query("with", self.with.join(","));
        }
        request.queries(self.query.iter().cloned())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn page_size(&self) -> usize {
        self.limit
    }

    pub(super) fn lets_nothing_through(&self) -> bool {
        self.nothing
    }

    /// Without an order, and without a filter of this key.
    pub(super) fn without_order(mut self, key: &str) -> Self {
        let filter = format!("filter[{key}]");
        self.query
            .retain(|(name, _)| !name.starts_with("order[") && !name.starts_with(&filter));
        self
    }

    /// Whether there is a page after this one. The link alone cannot be trusted: some collections link for ever, some
    /// stopped linking.
    pub(super) fn has_more_after(&self, page: &Page<E>) -> bool {
        self.paged
            && !page.items.is_empty()
            && (page.has_next || page.items.len() >= self.limit.min(E::FULL))
    }

    /// One page, from 1. A page past the end is empty.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`], and [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for conditions that amoCRM
    /// does not take together: then nothing is sent.
    pub async fn page(&self, number: u32) -> Result<Page<E>> {
        if let Some(why) = &self.refusal {
            return Err(Error::invalid_input(why).with_operation(E::LIST.name));
        }
        if self.nothing || (!self.paged && number > 1) {
            return Ok(Page::empty(number));
        }
        let envelope: Option<Envelope<E>> = self.client.fetch(self.request(number)).await?;
        Ok(envelope.map_or_else(
            || Page::empty(number),
            |envelope| envelope.into_page(number),
        ))
    }

    /// All pages, one request each, made when the stream is polled for it.
    ///
    /// An entity that is changed or removed while you read may move between pages, since amoCRM counts pages anew for
    /// each request: order by id, and use [`updated_since`](Self::updated_since) for what must be complete.
    pub fn pages(self) -> Pages<E> {
        Pages::new(self)
    }

    /// All entities, page by page, in constant memory: one page is held. Of what moves between pages meanwhile,
    /// [`pages`](Self::pages) tells.
    pub fn stream(self) -> EntityStream<E> {
        EntityStream::new(self)
    }

    /// All entities at once. For collections known to be small.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub async fn all(self) -> Result<Vec<E>> {
        let mut entities = Vec::new();
        let mut pages = self.pages();
        while let Some(page) = pages.try_next().await? {
            entities.extend(page.items);
        }
        Ok(entities)
    }
}

// Written by hand, because a derive would ask the same of the entity.
impl<E: Listable> Clone for List<E> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            with: self.with.clone(),
            limit: self.limit,
            paged: self.paged,
            nothing: self.nothing,
            refusal: self.refusal.clone(),
            entity: PhantomData,
        }
    }
}

/// The search may be somebody's phone.
impl<E: Listable> fmt::Debug for List<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("path", &self.path)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        })
    }
}
