//! The loops that enrol leads and send their messages.
//!
//! They know nothing of amoCRM: a message leaves whether or not the CRM answers. Each channel has its own loop and its
//! own gate, so a mail server that is away holds up no WhatsApp message.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use connection::Gate;
use service_kit::clock::SharedClock;
use service_kit::http::Language;
use service_kit::mail::{Failure, Letter, Mailer, Ready};
use store::{
    Ack, Begin, Channel, Claimed, End, Enrolled, Enrolment, FUNNEL_ENTER, FunnelLimits, Identity,
    LeadRow, MessageRow, MessageState, NewMessage, RetryAfter, StatusEntered, Store, StoreError,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::file::{Content, Funnel, Funnels, Step};
use super::link::unsubscribe_link;
use super::note::{self, Said, message_id};
use super::person;
use super::schedule::{day_of, next_day, not_quiet};
use super::template::{Text, fill};
use super::whatsapp::{TemplateMessage, Whatsapp, parameter};
use crate::config::Config;
use crate::lead::LeadForm;

/// How long a claim lasts without being renewed: on PostgreSQL also how long those of a killed process do.
const LEASE: Duration = Duration::from_secs(45);
/// How often a claim is renewed while its message is worked on. Nothing depends on it: whoever has lost a claim is told
/// so before a message begins, and one that has begun is begun by nobody else.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How long an outcome is kept in hand while the database is away.
const STORE_WITHIN: Duration = Duration::from_mins(1);
/// How many messages of a channel are on their way at once, per process.
const HANDS: usize = 4;
const IDLE: Duration = Duration::from_secs(5);
const DATABASE_PAUSE: Duration = Duration::from_millis(500);
/// Pauses after refusals that may pass, a greylisting for example; after the last one the message is given up.
const RETRIES: [Duration; 9] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(2),
    Duration::from_hours(4),
    Duration::from_hours(8),
    Duration::from_hours(8),
];
/// How soon a message that met an outage looks whether it is over; the gate decides when anybody tries.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Everything that enrolling and sending needs.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    funnels: Arc<Funnels>,
    store: Store,
    clock: SharedClock,
    mailer: Option<Mailer>,
    whatsapp: Option<Whatsapp>,
    mail_gate: Gate,
    whatsapp_gate: Gate,
}

/// A message with all that it is about.
struct Errand<'a> {
    message: &'a MessageRow,
    row: &'a LeadRow,
    form: LeadForm,
    funnel: &'a Funnel,
    language: Language,
    fields: minijinja::Value,
    unsubscribe_url: String,
}

/// What came of looking at a message.
enum Looked<'a> {
    Go(Box<Errand<'a>>),
    End(End),
}

impl Sender {
    /// `None` if no funnels are configured.
    pub(crate) fn new(config: Arc<Config>, store: Store, clock: SharedClock) -> Option<Self> {
        let funnels = Arc::clone(config.funnels.as_ref()?);
        let mailer = config
            .smtp
            .server()
            .zip(config.smtp.from())
            .map(|(server, from)| Mailer::new(server, from));
        let whatsapp = config
            .whatsapp
            .messages_url()
            .zip(config.whatsapp.token.as_ref())
            .and_then(|(url, token)| Whatsapp::new(url, token));
        let inner = Inner {
            config,
            funnels,
            store,
            clock,
            mailer,
            whatsapp,
            mail_gate: Gate::default(),
            whatsapp_gate: Gate::default(),
        };
        Some(Self {
            inner: Arc::new(inner),
        })
    }

    /// Enrols and sends until the token is cancelled, then lets what is on its way end for at most `drain`.
    pub(crate) async fn run(self, shutdown: CancellationToken, drain: Duration) {
        let tasks = TaskTracker::new();
        tokio::join!(
            self.dispatch(FUNNEL_ENTER, None, &tasks, &shutdown),
            self.dispatch(
                Channel::Email.job(),
                Some(Channel::Email),
                &tasks,
                &shutdown
            ),
            self.dispatch(
                Channel::Whatsapp.job(),
                Some(Channel::Whatsapp),
                &tasks,
                &shutdown
            ),
        );
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            tracing::warn!(
                "messages were still on their way after the drain time; their outcome is not known"
            );
        }
    }

    fn gate(&self, channel: Channel) -> &Gate {
        match channel {
            Channel::Email => &self.inner.mail_gate,
            Channel::Whatsapp => &self.inner.whatsapp_gate,
        }
    }

    /// Claims and hands out jobs of one kind. Only waits are cut short by the token.
    async fn dispatch(
        &self,
        kind: &'static str,
        channel: Option<Channel>,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        let jobs = self.inner.store.jobs();
        let claimer = jobs.worker("funnels");
        let hands = Arc::new(Semaphore::new(HANDS));
        loop {
            let ready = async {
                if let Some(channel) = channel {
                    self.gate(channel).open().await;
                }
                Arc::clone(&hands).acquire_owned().await
            };
            let Some(Ok(first)) = shutdown.run_until_cancelled(ready).await else {
                return;
            };
            // After an outage one message goes ahead and finds out.
            let is_trial = channel.is_some_and(|channel| self.gate(channel).is_trying());
            let mut permits = vec![first];
            while !is_trial && let Ok(more) = Arc::clone(&hands).try_acquire_owned() {
                permits.push(more);
            }
            let wanted = u32::try_from(permits.len()).unwrap_or(1);
            let claimed = match claimer.claim(&[kind], wanted, LEASE).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!("the queue cannot be read: {error}");
                    let pause = tokio::time::sleep(DATABASE_PAUSE);
                    let _ = shutdown.run_until_cancelled(pause).await;
                    continue;
                }
            };
            let is_idle = claimed.is_empty();
            for (job, permit) in claimed.into_iter().zip(permits) {
                let sender = self.clone();
                tasks.spawn(async move {
                    Box::pin(sender.work(channel, &job)).await;
                    drop(permit);
                });
            }
            let pause = async {
                if is_idle {
                    if jobs.wait_for_work(&[kind], IDLE).await.is_err() {
                        tokio::time::sleep(DATABASE_PAUSE).await;
                    }
                } else if is_trial {
                    let all = u32::try_from(HANDS).unwrap_or(1);
                    let _ = hands.acquire_many(all).await;
                }
            };
            let _ = shutdown.run_until_cancelled(pause).await;
        }
    }

    async fn work(&self, channel: Option<Channel>, job: &Claimed) {
        let work = async {
            match channel {
                None => self.enrol(job).await,
                Some(channel) => self.send(channel, job).await,
            }
        };
        let renewing = async {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                let renewed = self.inner.store.jobs().extend(job, LEASE).await;
                if renewed.is_ok_and(|ack| !ack.is_recorded()) {
                    // Somebody else has it; what has begun here still comes to its end.
                    return std::future::pending::<std::convert::Infallible>().await;
                }
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            _ = renewing => return,
        };
        if let Err(error) = outcome {
            // The end of the lease makes it due again; a message that was begun is then known to be unknown.
            tracing::warn!(
                job.id = job.id(),
                "a message waits for the database: {error}"
            );
        }
    }

    async fn enrol(&self, job: &Claimed) -> Result<(), StoreError> {
        let store = &self.inner.store;
        let entered: StatusEntered = match job.payload() {
            Ok(entered) => entered,
            Err(error) => {
                let _ = store
                    .jobs()
                    .bury(job, "unreadable payload", Some(&error.to_string()))
                    .await?;
                return Ok(());
            }
        };
        let Some(row) = store.leads().get(entered.lead).await? else {
            let _ = store.jobs().complete(job).await?;
            return Ok(());
        };
        let form = form_of(&row);
        let email = form.email.clone().map(Identity::email);
        let phone = form.phone.clone().map(Identity::phone);
        let zone = self.inner.funnels.zone;
        let mut messages = Vec::new();
        for funnel in &self.inner.funnels.list {
            if funnel.on.as_str() != entered.status || !funnel.is_for(&form) {
                continue;
            }
            for (step, number) in funnel.steps.iter().zip(1..) {
                let channel = step.channel();
                let to = match channel {
                    Channel::Email => &email,
                    Channel::Whatsapp => &phone,
                };
                // A lead without the address does without the message.
                let Some(to) = to else { continue };
                messages.push(NewMessage {
                    funnel: funnel.name.clone(),
                    step: number,
                    channel,
                    to: to.clone(),
                    stops: funnel.stops,
                    due_at: not_quiet(entered.at + step.after, funnel.quiet, zone),
                });
            }
        }
        let enrolment = Enrolment {
            lead_id: row.id,
            status: entered.status,
            messages,
            addresses: email.into_iter().chain(phone).collect(),
        };
        if let Enrolled::Done(new) = store.funnels().enrol(enrolment, job).await?
            && new > 0
        {
            metrics::counter!("funnel_enrolments_total").increment(1);
            tracing::info!(lead.id = row.id, messages = new, "the lead enters a funnel");
        }
        Ok(())
    }

    async fn send(&self, channel: Channel, job: &Claimed) -> Result<(), StoreError> {
        let store = &self.inner.store;
        let message = match job.payload::<i64>() {
            Ok(id) => store.funnels().message(id).await?,
            Err(error) => {
                let _ = store
                    .jobs()
                    .bury(job, "unreadable payload", Some(&error.to_string()))
                    .await?;
                return Ok(());
            }
        };
        let row = match &message {
            Some(message) => store.leads().get(message.lead_id).await?,
            None => None,
        };
        let (Some(message), Some(row)) = (message, row) else {
            // It went with its lead.
            let _ = store.jobs().complete(job).await?;
            return Ok(());
        };
        let end = match self.look(&message, &row)? {
            Looked::End(end) => Some(end),
            Looked::Go(errand) => match channel {
                Channel::Email => self.send_email(job, &errand).await?,
                Channel::Whatsapp => self.send_whatsapp(job, &errand).await?,
            },
        };
        if let Some(end) = end {
            return self.finish(job, &message, end).await;
        }
        // Stopped, or somebody else's.
        let _ = store.jobs().complete(job).await?;
        Ok(())
    }

    /// Whether this message is to be sent now.
    fn look<'a>(
        &'a self,
        message: &'a MessageRow,
        row: &'a LeadRow,
    ) -> Result<Looked<'a>, StoreError> {
        let funnels = &self.inner.funnels;
        let stopped = |reason: &str| {
            Ok(Looked::End(End::Stopped {
                reason: reason.to_owned(),
            }))
        };
        let form = form_of(row);
        let language = person::language(&form, funnels.language);
        match message.state {
            MessageState::Pending => {}
            MessageState::Sending => {
                // Its sender is gone, or so slow that its lease has ended.
                let said = Said {
                    language: funnels.language,
                    title: "",
                    text: "",
                    is_sent: false,
                };
                return Ok(Looked::End(End::Unknown {
                    reason: "the process ended while the message was on its way".to_owned(),
                    note: note::of_message(row, message, &said),
                }));
            }
            // Only the job is left; the state stays as it is.
            _ => return stopped("it was stopped"),
        }
        let Some((funnel, step)) = funnels.step(&message.funnel, message.step) else {
            return stopped("the funnel has no such step any more");
        };
        if step.channel() != message.channel {
            return stopped("the funnel has no such step any more");
        }
        let now = self.inner.clock.now();
        if now > message.due_at + funnels.give_up_after {
            return stopped("it is too late for it");
        }
        let allowed = not_quiet(now, funnel.quiet, funnels.zone);
        if allowed > now {
            return Ok(Looked::End(wait(now, allowed, "quiet hours")));
        }
        let public_url = self
            .inner
            .config
            .server
            .public_url
            .clone()
            .unwrap_or_default();
        let unsubscribe_url =
            unsubscribe_link(&self.inner.store, &public_url, message.recipient_id)?;
        let fields = person::fields(row, &form, language, &unsubscribe_url);
        Ok(Looked::Go(Box::new(Errand {
            message,
            row,
            form,
            funnel,
            language,
            fields,
            unsubscribe_url,
        })))
    }

    async fn send_email(
        &self,
        job: &Claimed,
        errand: &Errand<'_>,
    ) -> Result<Option<End>, StoreError> {
        let (Some(mailer), Some(to)) = (&self.inner.mailer, &errand.form.email) else {
            return Ok(Some(failed("the lead has no e-mail address")));
        };
        let (subject, text, html) = match self.letter(errand) {
            Ok(letter) => letter,
            Err(reason) => return Ok(Some(failed(&reason))),
        };
        let letter = Letter {
            to,
            subject: &subject,
            text: text.clone(),
            html,
            message_id: message_id(errand.row, errand.message, mailer.domain()),
            unsubscribe_url: Some(errand.unsubscribe_url.clone()),
            date: self.inner.clock.now(),
        };
        let ready: Ready = match mailer.prepare(letter).await {
            Ok(ready) => ready,
            Err(failure) => return Ok(Some(self.failure(job, errand, &failure, &subject, &text))),
        };
        match self.begin(job, errand).await {
            Ok(None) => {}
            Ok(Some(end)) => {
                ready.abandon();
                return Ok(end);
            }
            Err(error) => {
                ready.abandon();
                return Err(error);
            }
        }
        Ok(Some(match ready.send().await {
            Ok(()) => self.sent(errand, None, &subject, &text),
            Err(failure) => self.failure(job, errand, &failure, &subject, &text),
        }))
    }

    fn letter(&self, errand: &Errand<'_>) -> Result<(String, String, Option<String>), String> {
        let Some(Step {
            content:
                Content::Email {
                    subject,
                    text,
                    html,
                },
            ..
        }) = step_of(errand)
        else {
            return Err("the funnel has no such step any more".to_owned());
        };
        let fill = |text: &Text| {
            let source = text
                .variants
                .get(errand.language, self.inner.funnels.language);
            fill(source, text.kind, &errand.fields)
        };
        let subject = fill(subject)?;
        if subject.trim().is_empty() {
            return Err("the subject is empty".to_owned());
        }
        Ok((subject, fill(text)?, html.as_ref().map(fill).transpose()?))
    }

    async fn send_whatsapp(
        &self,
        job: &Claimed,
        errand: &Errand<'_>,
    ) -> Result<Option<End>, StoreError> {
        let (Some(whatsapp), Some(to)) = (&self.inner.whatsapp, &errand.form.phone) else {
            return Ok(Some(failed("the lead has no phone")));
        };
        let Some(Step {
            content:
                Content::Whatsapp {
                    template,
                    language,
                    parameters,
                },
            ..
        }) = step_of(errand)
        else {
            return Ok(Some(failed("the funnel has no such step any more")));
        };
        let default = self.inner.funnels.language;
        let mut filled = Vec::new();
        for (text, number) in parameters.iter().zip(1..) {
            let source = text.variants.get(errand.language, default);
            match fill(source, text.kind, &errand.fields) {
                Ok(value) => match parameter(&value) {
                    Some(value) => filled.push(value),
                    None => return Ok(Some(failed(&format!("parameter {number} is empty")))),
                },
                Err(reason) => return Ok(Some(failed(&reason))),
            }
        }
        let template = template.get(errand.language, default);
        let text = filled.join("\n");
        if let Some(end) = self.begin(job, errand).await? {
            return Ok(end);
        }
        let message = TemplateMessage {
            to,
            template,
            language: language.as_deref().unwrap_or(errand.language.code()),
            parameters: &filled,
            number: errand.message.id,
        };
        Ok(Some(match whatsapp.send(&message).await {
            Ok(id) => self.sent(errand, Some(id), template, &text),
            Err(failure) => self.failure(job, errand, &failure, template, &text),
        }))
    }

    /// Notes that the message begins to leave. `Some` if it must not: with how that ends, or with nothing to note.
    async fn begin(
        &self,
        job: &Claimed,
        errand: &Errand<'_>,
    ) -> Result<Option<Option<End>>, StoreError> {
        let funnels = &self.inner.funnels;
        let now = self.inner.clock.now();
        let limits = FunnelLimits {
            since: day_of(now, funnels.zone),
            per_recipient: funnels.per_recipient,
            per_funnel: errand.funnel.per_day,
        };
        let begin = self
            .inner
            .store
            .funnels()
            .begin(errand.message.id, limits, job)
            .await?;
        Ok(match begin {
            Begin::Go => None,
            Begin::Capped => {
                let tomorrow = next_day(now, funnels.zone);
                let allowed = not_quiet(tomorrow, errand.funnel.quiet, funnels.zone);
                Some(Some(wait(now, allowed, "the day's share is used up")))
            }
            Begin::Over(_) | Begin::Stale => Some(None),
        })
    }

    fn sent(
        &self,
        errand: &Errand<'_>,
        external_id: Option<String>,
        title: &str,
        text: &str,
    ) -> End {
        self.gate(errand.message.channel).succeed();
        let said = Said {
            language: self.inner.funnels.language,
            title,
            text,
            is_sent: true,
        };
        End::Sent {
            external_id,
            note: note::of_message(errand.row, errand.message, &said),
        }
    }

    fn failure(
        &self,
        job: &Claimed,
        errand: &Errand<'_>,
        failure: &Failure,
        title: &str,
        text: &str,
    ) -> End {
        let gate = self.gate(errand.message.channel);
        let reason = failure.reason().to_owned();
        if let Failure::Outage(_) = failure {
            gate.shut(
                self.inner
                    .config
                    .intake
                    .backoff()
                    .pause(gate.failures() + 1),
            );
        } else {
            gate.succeed();
        }
        match failure {
            Failure::Outage(_) => End::Later {
                after: RetryAfter::new(LOOK_AGAIN, reason).uncounted(),
            },
            Failure::Later(_, at_least) => {
                let attempt = usize::try_from(job.attempts()).unwrap_or(usize::MAX);
                match RETRIES.get(attempt) {
                    Some(pause) => End::Later {
                        after: RetryAfter::new((*pause).max(at_least.unwrap_or_default()), reason),
                    },
                    None => failed(&format!("given up after {attempt} attempts: {reason}")),
                }
            }
            Failure::Refused(_) => failed(&reason),
            Failure::Unknown(_) => {
                let said = Said {
                    language: self.inner.funnels.language,
                    title,
                    text,
                    is_sent: false,
                };
                End::Unknown {
                    reason,
                    note: note::of_message(errand.row, errand.message, &said),
                }
            }
        }
    }

    /// Stores how it ended. A message that has left is not left to the end of its lease while the database is away.
    async fn finish(
        &self,
        job: &Claimed,
        message: &MessageRow,
        end: End,
    ) -> Result<(), StoreError> {
        let outcome = match &end {
            End::Sent { .. } => "sent",
            End::Unknown { .. } => "unknown",
            End::Failed { .. } => "failed",
            End::Later { .. } => "later",
            End::Stopped { .. } => "stopped",
        };
        let reason = match &end {
            End::Sent { .. } => "",
            End::Unknown { reason, .. } | End::Failed { reason } | End::Stopped { reason } => {
                reason
            }
            End::Later { after } => after.reason(),
        }
        .to_owned();
        let deadline = Instant::now() + STORE_WITHIN;
        let ack = loop {
            let stored = self
                .inner
                .store
                .funnels()
                .finish(message.id, end.clone(), job)
                .await;
            match stored {
                Err(error) if error.is_temporary() && Instant::now() < deadline => {
                    tracing::warn!(
                        message.id = message.id,
                        "what became of a message waits for the database: {error}"
                    );
                    tokio::time::sleep(DATABASE_PAUSE).await;
                }
                stored => break stored?,
            }
        };
        let channel = message.channel.as_str();
        metrics::counter!("funnel_messages_total", "channel" => channel, "outcome" => outcome)
            .increment(1);
        let (id, lead) = (message.id, message.lead_id);
        match outcome {
            "sent" => tracing::info!(message.id = id, lead.id = lead, channel, "message sent"),
            "unknown" | "failed" => tracing::warn!(
                message.id = id,
                lead.id = lead,
                channel,
                outcome,
                "message not sent: {reason}"
            ),
            _ => tracing::debug!(
                message.id = id,
                lead.id = lead,
                channel,
                outcome,
                "{reason}"
            ),
        }
        if ack == Ack::Stale {
            tracing::warn!(
                message.id = id,
                "another worker has the message; this outcome counts only if it left"
            );
        }
        Ok(())
    }
}

fn step_of<'a>(errand: &'a Errand<'_>) -> Option<&'a Step> {
    let index = usize::try_from(errand.message.step).ok()?.checked_sub(1)?;
    errand.funnel.steps.get(index)
}

fn form_of(row: &LeadRow) -> LeadForm {
    serde_json::from_value(row.payload.clone()).unwrap_or_default()
}

fn failed(reason: &str) -> End {
    End::Failed {
        reason: reason.to_owned(),
    }
}

fn wait(now: DateTime<Utc>, until: DateTime<Utc>, reason: &str) -> End {
    let pause = (until - now).to_std().unwrap_or_default();
    End::Later {
        after: RetryAfter::new(pause, reason).uncounted(),
    }
}
