//! Contacts by e-mail, for many students at once.
//!
//! Which deal is a student's depends on **all** contacts with the e-mail, so half an answer may be a wrong deal. amoCRM's
//! `query` takes one text. A filter on the EMAIL field takes several, but accounts without the feature refuse it, and it
//! is not known whether it compares in any case and sees a contact's second address. What can be relied on is the list of
//! contacts itself. So:
//!
//! * Few students at a moment ([`COMPANY`]): a search for each. Together they take a second.
//! * More: all contacts are read into a [`Book`], and from then on only what has changed since, so that one request
//!   answers everybody. Reading goes on while it costs no more requests than the searches would; if it does not come to
//!   the end, the searches are made, and the next reading goes on where it stopped.
//! * The book says only where to look. Who is found there is read again and compared, and whose e-mail or contact is gone
//!   misleads nobody.
//! * Who is not found is looked for once more when a contact that was there at the moment of the question must have come
//!   into the book ([`SETTLED`]); only then there is none. Who is found is not kept waiting: a second contact of theirs
//!   that is younger than that may be overlooked, as a search would overlook it, which takes longer to know new ones.

mod book;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use amocrm_sdk::contacts::{Contact, ContactWith};
use amocrm_sdk::{Client, ContactId, Error, ErrorKind};
use connection::CrmError;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::book::Book;
use super::deal::{has_email, search};

/// From so many students on the book is asked.
const COMPANY: usize = 8;
/// How long the first of them waits for company: less than a permit takes at 7 requests a second.
const GATHER: Duration = Duration::from_millis(100);
/// Searches at once: enough to use the budget, and each is answered long before its deadline.
const SEARCHES: usize = 8;
/// After this time a contact is among the changes: amoCRM tells them when they are older than 2 whole seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// Finds contacts. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    desk: Arc<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    queue: Mutex<Queue>,
    news: Notify,
    book: tokio::sync::Mutex<Book>,
}

#[derive(Debug, Default)]
struct Queue {
    questions: Vec<Question>,
    is_attended: bool,
}

struct Question {
    email: String,
    client: Client,
    asked_at: Instant,
    /// When it is dealt with.
    due: Instant,
    was_looked_up: bool,
    reply: oneshot::Sender<amocrm_sdk::Result<Found>>,
}

enum Found {
    /// These have the e-mail.
    Contacts(Vec<Contact>),
    /// These had it when they were read.
    Listed(Vec<ContactId>),
}

impl Directory {
    /// The contacts that have this e-mail, with their deals. `client` gathers what is asked for at once.
    pub(super) async fn contacts(
        &self,
        client: &Client,
        email: &str,
    ) -> Result<Vec<Contact>, CrmError> {
        let ids = match self.ask(client, email).await? {
            Found::Contacts(contacts) => return Ok(contacts),
            Found::Listed(ids) if ids.is_empty() => return Ok(Vec::new()),
            Found::Listed(ids) => ids,
        };
        let reads = ids.into_iter().map(|id| {
            let contact = client.contacts().get(id).with([ContactWith::Leads]);
            contact.into_future()
        });
        let mut contacts: Vec<_> = try_join_all(reads).await?.into_iter().flatten().collect();
        contacts.retain(|contact| has_email(contact, email));
        if contacts.is_empty() {
            return Ok(search(client, email).await?);
        }
        Ok(contacts)
    }

    async fn ask(&self, client: &Client, email: &str) -> Result<Found, CrmError> {
        let (reply, answer) = oneshot::channel();
        let now = Instant::now();
        let question = Question {
            email: email.to_owned(),
            client: client.clone(),
            asked_at: now,
            due: now + GATHER,
            was_looked_up: false,
            reply,
        };
        if self.desk.put(question) {
            self.desk.news.notify_one();
        } else {
            // A task of its own, so that no student's job carries the others' questions and none can drop them.
            tokio::spawn(attend(Arc::clone(&self.desk)));
        }
        match answer.await {
            Ok(found) => Ok(found?),
            Err(_) => Err(CrmError::Missing(
                "the search for the contact was broken off".to_owned(),
            )),
        }
    }
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question in. Whether somebody attends to it already.
    fn put(&self, question: Question) -> bool {
        let mut queue = self.queue();
        queue.questions.push(question);
        std::mem::replace(&mut queue.is_attended, true)
    }

    /// When something is to be done; `None` if there is nothing, and then nobody attends any more.
    fn next_due(&self) -> Option<Instant> {
        let mut queue = self.queue();
        queue.questions.retain(|asked| !asked.reply.is_closed());
        let due = queue.questions.iter().map(|question| question.due).min();
        queue.is_attended = due.is_some();
        due
    }

    /// Everything that a reading from now on answers.
    fn take(&self) -> Vec<Question> {
        let now = Instant::now();
        let mut queue = self.queue();
        let (taken, rest) = std::mem::take(&mut queue.questions)
            .into_iter()
            .partition(|question| !question.was_looked_up || question.due <= now);
        queue.questions = rest;
        taken
    }

    async fn round(&self, book: &mut Book, questions: Vec<Question>) {
        let client = match questions.last() {
            Some(last) if questions.len() >= COMPANY => last.client.clone(),
            _ => return search_each(questions).await,
        };
        let began = Instant::now();
        match book.catch_up(&client, questions.len()).await {
            Ok(true) => self.look_up(book, began, questions),
            Ok(false) => search_each(questions).await,
            Err(error) if is_about_the_request(&error) => {
                tracing::warn!("contacts are searched one by one: {error}");
                book.refuse();
                search_each(questions).await;
            }
            Err(error) => {
                for question in questions {
                    question.answer(Err(error.clone()));
                }
            }
        }
    }

    fn look_up(&self, book: &Book, began: Instant, questions: Vec<Question>) {
        let mut later = Vec::new();
        for mut question in questions {
            let contacts = book.contacts(&question.email);
            let settled_at = question.asked_at + SETTLED;
            if !contacts.is_empty() || settled_at <= began {
                question.answer(Ok(Found::Listed(contacts)));
            } else {
                question.was_looked_up = true;
                question.due = settled_at;
                later.push(question);
            }
        }
        self.queue().questions.append(&mut later);
    }
}

/// Answers until nobody asks.
async fn attend(desk: Arc<Desk>) {
    let mut watch = Watch(Some(Arc::clone(&desk)));
    let mut book = desk.book.lock().await;
    while let Some(due) = desk.next_due() {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {
                let questions = desk.take();
                desk.round(&mut book, questions).await;
            }
            () = desk.news.notified() => {}
        }
    }
    watch.0 = None;
}

/// Without anybody who attends, students would wait for ever.
struct Watch(Option<Arc<Desk>>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            *desk.queue() = Queue::default();
        }
    }
}

/// A search for each. What befalls one of them befalls the rest.
async fn search_each(questions: Vec<Question>) {
    let trouble = OnceLock::new();
    stream::iter(questions)
        .for_each_concurrent(SEARCHES, |question| async {
            if question.reply.is_closed() {
                return;
            }
            let found = match trouble.get().cloned() {
                Some(error) => Err(error),
                None => search(&question.client, &question.email).await,
            };
            if let Err(error) = &found
                && !is_about_the_request(error)
            {
                // The first to meet it has told.
                let _ = trouble.set(error.clone());
            }
            question.answer(found.map(Found::Contacts));
        })
        .await;
}

/// Whether another request may fare better.
fn is_about_the_request(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Decode | ErrorKind::Rejected | ErrorKind::Validation | ErrorKind::InvalidInput
    )
}

impl Question {
    fn answer(self, found: amocrm_sdk::Result<Found>) {
        // Whoever is gone does not want to know.
        drop(self.reply.send(found));
    }
}

impl fmt::Debug for Question {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("asked_at", &self.asked_at)
            .finish_non_exhaustive()
    }
}
