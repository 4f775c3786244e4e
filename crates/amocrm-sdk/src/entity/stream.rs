//! Collections as streams: one page in memory, and failures that can be got over.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};

use super::{List, Listable, Page};
use crate::error::Result;

/// Gives a stream `next` and `try_next` of its own, so that reading it needs no other crate.
macro_rules! stepped {
    ($stream:ident<$entity:ident: $bound:path> of $item:ty) => {
        impl<$entity: $bound> $stream<$entity> {
            /// The next item; `None` at the end.
            pub async fn next(&mut self) -> Option<crate::Result<$item>> {
                std::future::poll_fn(|cx| {
                    futures_util::Stream::poll_next(std::pin::Pin::new(&mut *self), cx)
                })
                .await
            }

            /// The next item; `Ok(None)` at the end. After an error that may pass
            /// ([`Error::is_transient`](crate::Error::is_transient)) it can be asked again and goes on where it
            /// stopped; any other error ends it.
            ///
            /// # Errors
            ///
            /// As [`Client::fetch`](crate::Client::fetch), after the client's own retries.
            pub async fn try_next(&mut self) -> crate::Result<Option<$item>> {
                self.next().await.transpose()
            }
        }

        // Nothing is pinned: what is polled is boxed.
        impl<$entity: $bound> Unpin for $stream<$entity> {}
    };
}
pub(crate) use stepped;

/// The pages of a collection, one request each, made when the stream is polled for it.
///
/// A page that fails is tried again as the client's [`RetryPolicy`](crate::RetryPolicy) says. If it fails for good the
/// error is given; polled again after an error that may pass, the stream asks for the same page again, so that nothing
/// is skipped or repeated.
#[must_use = "streams do nothing until they are polled"]
pub struct Pages<E: Listable> {
    list: List<E>,
    /// `None` at the end.
    number: Option<u32>,
    fetching: Option<BoxFuture<'static, Result<Page<E>>>>,
}

impl<E: Listable> Pages<E> {
    pub(super) fn new(list: List<E>) -> Self {
        Self {
            list,
            number: Some(1),
            fetching: None,
        }
    }

    fn turn(&mut self, number: u32, outcome: Result<Page<E>>) -> Option<Result<Page<E>>> {
        match outcome {
            Ok(page) => {
                let more = self.list.has_more_after(&page);
                self.number = number.checked_add(1).filter(|_| more);
                (!page.items.is_empty()).then_some(Ok(page))
            }
            Err(error) => {
                self.number = Some(number).filter(|_| error.is_transient());
                Some(Err(error))
            }
        }
    }
}

impl<E: Listable> Stream for Pages<E> {
    type Item = Result<Page<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pages = &mut *self;
        let Some(number) = pages.number else {
            return Poll::Ready(None);
        };
        let fetching = pages.fetching.get_or_insert_with(|| {
            let list = pages.list.clone();
            async move { list.page(number).await }.boxed()
        });
        let outcome = ready!(fetching.poll_unpin(cx));
        pages.fetching = None;
        Poll::Ready(pages.turn(number, outcome))
    }
}

stepped!(Pages<E: Listable> of Page<E>);

/// The entities of a collection, page by page, in constant memory. See [`Pages`] for what happens when a page fails.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = amocrm_emulator::Emulator::start().await?;
/// # let client = amocrm_sdk::Client::builder("acme.amocrm.ru").base_url(emulator.base_url())
/// #     .long_lived_token(emulator.long_lived_token()).build()?;
/// let mut leads = client.leads().list().stream();
/// while let Some(lead) = leads.try_next().await? {
///     println!("{}", lead.id);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing until they are polled"]
pub struct EntityStream<E: Listable> {
    pages: Pages<E>,
    page: std::vec::IntoIter<E>,
}

impl<E: Listable> EntityStream<E> {
    pub(super) fn new(list: List<E>) -> Self {
        Self {
            pages: Pages::new(list),
            page: Vec::new().into_iter(),
        }
    }
}

impl<E: Listable> Stream for EntityStream<E> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(entity) = self.page.next() {
                return Poll::Ready(Some(Ok(entity)));
            }
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => self.page = page.items.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

stepped!(EntityStream<E: Listable> of E);

impl<E: Listable> fmt::Debug for Pages<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("list", &self.list)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl<E: Listable> fmt::Debug for EntityStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntityStream")
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}
