//! Reading collections.

use std::fmt;
use std::marker::PhantomData;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::page::{Envelope, Page};
use super::{IntoQuery, Listable, MAX_BATCH};
use crate::client::Client;
use crate::error::Result;
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
#[derive(Clone)]
#[must_use = "a list does nothing until it is streamed or a page of it is asked for"]
pub struct List<E: Listable> {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    with: Vec<String>,
    limit: usize,
    paged: bool,
    nothing: bool,
    entity: PhantomData<fn() -> E>,
}

impl<E: Listable> List<E> {
    pub(crate) fn new(client: Client, path: impl Into<String>) -> Self {
        Self {
            client,
            path: path.into(),
            query: Vec::new(),
            with: Vec::new(),
            limit: MAX_BATCH,
            paged: true,
            nothing: false,
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

    /// Entities per page, from 1 to 250. Default: 250, which is fewest requests.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, MAX_BATCH);
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

    /// One page, from 1. A page past the end is empty.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub async fn page(&self, number: u32) -> Result<Page<E>> {
        if self.nothing || (!self.paged && number > 1) {
            return Ok(Page::empty(number));
        }
        let envelope: Option<Envelope<E>> = self.client.fetch(self.request(number)).await?;
        Ok(envelope.map_or_else(
            || Page::empty(number),
            |envelope| envelope.into_page(number),
        ))
    }

    /// All pages, one request each, made when the stream is polled for it. The stream ends after an error; begin again
    /// with [`page`](Self::page) where it stopped.
    pub fn pages(self) -> impl Stream<Item = Result<Page<E>>> + Send + Unpin {
        struct Cursor<E: Listable> {
            list: List<E>,
            next: Option<u32>,
        }

        let cursor = Cursor {
            next: Some(1),
            list: self,
        };
        stream::unfold(cursor, |mut cursor| async move {
            let number = cursor.next?;
            let page = match cursor.list.page(number).await {
                Ok(page) if page.items.is_empty() => return None,
                Ok(page) => page,
                Err(error) => {
                    cursor.next = None;
                    return Some((Err(error), cursor));
                }
            };
            // The link alone cannot be trusted: some collections link for ever, some stopped linking.
            let more =
                cursor.list.paged && (page.has_next || page.items.len() >= cursor.list.limit);
            cursor.next = more.then_some(number + 1);
            Some((Ok(page), cursor))
        })
        .boxed()
    }

    /// All entities, page by page, in constant memory.
    pub fn stream(self) -> impl Stream<Item = Result<E>> + Send + Unpin {
        self.pages()
            .map_ok(|page| stream::iter(page.items.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    /// All entities at once. For collections known to be small.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub async fn all(self) -> Result<Vec<E>> {
        self.stream().try_collect().await
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
