//! Funnels: a message leaves once, or not at all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join;
use sha2::{Digest as _, Sha256};
use store::{
    Ack, Begin, Channel, Claimed, End, Enrolled, Enrolment, Erased, FUNNEL_ENTER, FUNNEL_NOTE,
    FunnelLimits, Heard, Identity, LeadRow, MessageRow, MessageState, NewFunnelNote, NewMessage,
    Receipt, Retention, RetryAfter, StatusChange, StatusEntered, StatusOrigin, Stops, Store,
};

use crate::db::{TestDb, keyring, on_both};
use crate::leads::{accept, made};

const LEASE: Duration = Duration::from_mins(2);
const ALL: Stops = Stops {
    reply: true,
    status: true,
    unsubscribe: true,
};

async fn open(db: &TestDb) -> Store {
    db.open_with(db.options().funnels(true)).await
}

fn mail() -> Identity {
    Identity::email("ada@example.com")
}

fn phone() -> Identity {
    Identity::phone("+79001234567")
}

fn step(step: i64, channel: Channel, due_at: DateTime<Utc>, stops: Stops) -> NewMessage {
    let to = if channel == Channel::Email {
        mail()
    } else {
        phone()
    };
    NewMessage {
        funnel: "welcome".into(),
        step,
        channel,
        to,
        stops,
        due_at,
    }
}

fn limits(since: DateTime<Utc>) -> FunnelLimits {
    FunnelLimits {
        since,
        per_recipient: 100,
        per_funnel: Some(100),
    }
}

fn note(marker: &str) -> NewFunnelNote {
    NewFunnelNote {
        marker: marker.into(),
        text: "a letter".into(),
        lane: |lead| format!("lead/{lead}"),
    }
}

fn sent() -> End {
    End::Sent {
        external_id: Some("wamid.1".into()),
        note: note("m1"),
    }
}

async fn claim(store: &Store, kind: &str) -> Claimed {
    try_claim(store, kind)
        .await
        .unwrap_or_else(|| panic!("no {kind} is due"))
}

async fn try_claim(store: &Store, kind: &str) -> Option<Claimed> {
    store
        .jobs()
        .worker("w")
        .claim(&[kind], 1, LEASE)
        .await
        .unwrap()
        .pop()
}

/// Enrols the lead of the oldest waiting entry with an e-mail now, one in an hour and a WhatsApp message in two.
async fn enrol(store: &Store, stops: Stops) -> Enrolled {
    let job = claim(store, FUNNEL_ENTER).await;
    let entered: StatusEntered = job.payload().unwrap();
    let hours = |hours| entered.at + chrono::TimeDelta::hours(hours);
    let messages = vec![
        step(1, Channel::Email, hours(0), stops),
        step(2, Channel::Email, hours(1), stops),
        step(3, Channel::Whatsapp, hours(2), stops),
    ];
    let enrolment = Enrolment {
        lead_id: entered.lead,
        status: entered.status,
        messages,
        addresses: vec![mail(), phone()],
    };
    store.funnels().enrol(enrolment, &job).await.unwrap()
}

async fn move_to(store: &Store, lead: &LeadRow, status: &str) {
    let change = StatusChange {
        status: status.into(),
        origin: StatusOrigin::Api,
    };
    store
        .leads()
        .set_status(lead.id, change, None)
        .await
        .unwrap();
}

async fn messages(store: &Store, lead: &LeadRow) -> Vec<MessageRow> {
    store.funnels().messages_of(lead.id).await.unwrap()
}

async fn states(store: &Store, lead: &LeadRow) -> Vec<&'static str> {
    messages(store, lead)
        .await
        .iter()
        .map(|message| message.state.as_str())
        .collect()
}

on_both! {
    async fn a_status_brings_each_message_once_and_leaving_it_stops_what_waits(db: TestDb) {
        let store = open(&db).await;
        let lead = accept(&store).await;
        assert_eq!(enrol(&store, ALL).await, Enrolled::Done(3));
        assert_eq!(states(&store, &lead).await, ["pending"; 3]);

        move_to(&store, &lead, "contacted").await;
        assert_eq!(states(&store, &lead).await, ["stopped"; 3]);
        let job = claim(&store, FUNNEL_ENTER).await;
        assert_eq!(job.payload::<StatusEntered>().unwrap().status, "contacted");
        assert!(store.jobs().complete(&job).await.unwrap().is_recorded());
        // The stopped message's own job finds it so.
        let job = claim(&store, "funnel.email").await;
        let id = job.payload::<i64>().unwrap();
        let begin = store.funnels().begin(id, limits(lead.created_at), &job).await.unwrap();
        assert_eq!(begin, Begin::Over(MessageState::Stopped));

        // Coming back does not begin the funnel again; and a lead that has left before anybody looked is not enrolled.
        move_to(&store, &lead, "new").await;
        assert_eq!(enrol(&store, ALL).await, Enrolled::Done(0));
        let other = accept(&store).await;
        move_to(&store, &other, "contacted").await;
        assert_eq!(enrol(&store, ALL).await, Enrolled::Done(0));
        assert_eq!(states(&store, &other).await, [""; 0]);

        // Unless the funnel goes on whatever becomes of the lead.
        let third = accept(&store).await;
        move_to(&store, &third, "contacted").await;
        let job = claim(&store, FUNNEL_ENTER).await;
        assert_eq!(job.payload::<StatusEntered>().unwrap().lead, other.id);
        let _ = store.jobs().complete(&job).await.unwrap();
        let steady = Stops { status: false, ..ALL };
        assert_eq!(enrol(&store, steady).await, Enrolled::Done(3));
        assert_eq!(states(&store, &third).await, ["pending"; 3]);
        let count = store.funnels().count("welcome", MessageState::Pending).await.unwrap();
        assert_eq!(count, 3);
    }

    async fn without_funnels_a_status_leaves_no_job_behind(db: TestDb) {
        let store = db.open().await;
        let lead = accept(&store).await;
        move_to(&store, &lead, "contacted").await;
        assert!(try_claim(&store, FUNNEL_ENTER).await.is_none());
    }

    async fn a_message_that_was_begun_by_a_process_that_is_gone_is_never_begun_again(db: TestDb) {
        let store = open(&db).await;
        let lead = accept(&store).await;
        enrol(&store, ALL).await;
        let funnels = store.funnels();
        let day = limits(lead.created_at);
        let first = claim(&store, "funnel.email").await;
        let id = first.payload::<i64>().unwrap();
        assert_eq!(funnels.begin(id, day, &first).await.unwrap(), Begin::Go);

        // The process freezes; its lease ends; another one finds the message on its way.
        db.hands.advance(LEASE + Duration::from_secs(1));
        let second = claim(&store, "funnel.email").await;
        assert_eq!(second.payload::<i64>().unwrap(), id);
        assert_eq!(funnels.begin(id, day, &first).await.unwrap(), Begin::Stale);
        let begin = funnels.begin(id, day, &second).await.unwrap();
        assert_eq!(begin, Begin::Over(MessageState::Sending));
        let unknown = End::Unknown { reason: "nobody knows".into(), note: note("m1") };
        assert_eq!(funnels.finish(id, unknown, &second).await.unwrap(), Ack::Recorded);
        assert_eq!(states(&store, &lead).await, ["unknown", "pending", "pending"]);

        // A late retry is not heard, a late success is: it knows better. The note is made once.
        let later = End::Later { after: RetryAfter::new(Duration::ZERO, "late") };
        assert_eq!(funnels.finish(id, later, &first).await.unwrap(), Ack::Stale);
        assert_eq!(states(&store, &lead).await[0], "unknown");
        assert_eq!(funnels.finish(id, sent(), &first).await.unwrap(), Ack::Stale);
        assert_eq!(states(&store, &lead).await[0], "sent");
        let job = claim(&store, FUNNEL_NOTE).await;
        let note = job.payload::<i64>().unwrap();
        assert_eq!(funnels.note(note).await.unwrap().unwrap().text, "a letter");
        assert!(funnels.note_made(note, &job).await.unwrap().is_recorded());
        assert!(funnels.note(note).await.unwrap().is_none());
        assert!(try_claim(&store, FUNNEL_NOTE).await.is_none());
    }

    async fn what_was_refused_is_tried_again_and_does_not_count_for_the_day(db: TestDb) {
        let store = open(&db).await;
        let lead = accept(&store).await;
        enrol(&store, ALL).await;
        let funnels = store.funnels();
        let day = FunnelLimits { per_recipient: 1, ..limits(lead.created_at) };
        for attempt in 1..=2 {
            let job = claim(&store, "funnel.email").await;
            let id = job.payload::<i64>().unwrap();
            assert_eq!(funnels.begin(id, day, &job).await.unwrap(), Begin::Go, "{attempt}");
            let end = if attempt == 1 {
                End::Later { after: RetryAfter::new(Duration::from_mins(5), "greylisted") }
            } else {
                sent()
            };
            assert_eq!(funnels.finish(id, end, &job).await.unwrap(), Ack::Recorded);
            assert!(try_claim(&store, "funnel.email").await.is_none());
            db.hands.advance(Duration::from_mins(5));
        }
        // The second message of the day is one too many; the phone is another address.
        db.hands.advance(Duration::from_hours(2));
        let job = claim(&store, "funnel.email").await;
        let id = job.payload::<i64>().unwrap();
        assert_eq!(funnels.begin(id, day, &job).await.unwrap(), Begin::Capped);
        let tomorrow = limits(lead.created_at + chrono::TimeDelta::days(1));
        assert_eq!(funnels.begin(id, tomorrow, &job).await.unwrap(), Begin::Go);
        assert_eq!(funnels.finish(id, End::Failed { reason: "550".into() }, &job).await.unwrap(), Ack::Recorded);
        let job = claim(&store, "funnel.whatsapp").await;
        let id = job.payload::<i64>().unwrap();
        let full = FunnelLimits { per_funnel: Some(1), ..day };
        assert_eq!(funnels.begin(id, full, &job).await.unwrap(), Begin::Capped);
        assert_eq!(funnels.begin(id, day, &job).await.unwrap(), Begin::Go);
        assert_eq!(states(&store, &lead).await, ["sent", "failed", "sending"]);
        for (state, count) in [(MessageState::Sent, 1), (MessageState::Failed, 1), (MessageState::Pending, 0)] {
            assert_eq!(funnels.count("welcome", state).await.unwrap(), count);
        }
    }

    async fn of_two_messages_at_once_to_a_person_with_one_left_one_leaves(db: TestDb) {
        let stores = [open(&db).await, open(&db).await];
        let mut jobs = Vec::new();
        for _ in 0..2 {
            accept(&stores[0]).await;
            enrol(&stores[0], ALL).await;
        }
        for store in &stores {
            jobs.push(claim(store, "funnel.email").await);
        }
        let since = messages(&stores[0], &stores[0].leads().get(1).await.unwrap().unwrap()).await[0].due_at;
        let day = FunnelLimits { per_recipient: 1, ..limits(since) };
        let begin = |number: usize| {
            let (funnels, job) = (stores[number].funnels(), &jobs[number]);
            async move { funnels.begin(job.payload().unwrap(), day, job).await.unwrap() }
        };
        let (one, other) = join(begin(0), begin(1)).await;
        let went = [one, other].iter().filter(|it| **it == Begin::Go).count();
        assert_eq!(went, 1, "{one:?} {other:?}");
    }

    async fn an_unsubscribed_address_is_written_to_never_again(db: TestDb) {
        let store = open(&db).await;
        let funnels = store.funnels();
        let lead = accept(&store).await;
        let stubborn = Stops { unsubscribe: false, ..ALL };
        enrol(&store, stubborn).await;
        let recipient = messages(&store, &lead).await[0].recipient_id;
        assert_eq!(funnels.is_unsubscribed(recipient).await.unwrap(), Some(false));
        assert_eq!(funnels.unsubscribe(recipient).await.unwrap(), Some(2));
        assert_eq!(funnels.unsubscribe(recipient).await.unwrap(), Some(0));
        assert_eq!(funnels.unsubscribe(999).await.unwrap(), None);
        assert_eq!(states(&store, &lead).await, ["stopped", "stopped", "pending"]);
        assert_eq!(funnels.is_unsubscribed(recipient).await.unwrap(), Some(true));

        let again = accept(&store).await;
        enrol(&store, ALL).await;
        assert_eq!(states(&store, &again).await, ["stopped", "stopped", "pending"]);
        // The other address wants none either, and says so by itself.
        assert_eq!(funnels.unsubscribe_address(phone()).await.unwrap(), 2);
        assert_eq!(states(&store, &again).await, ["stopped"; 3]);
        if db.is_sqlite() {
            let text = String::from_utf8_lossy(&db.bytes()).into_owned();
            let rows = text.matches("ada@example.com").count();
            assert!(rows > 0, "the lead's own row is read");
        }
    }

    async fn an_answer_stops_the_funnel_however_it_is_recognised(db: TestDb) {
        let store = open(&db).await;
        let funnels = store.funnels();
        for (number, way) in ["deal", "contact", "address", "message"].into_iter().enumerate() {
            let lead = accept(&store).await;
            let delivery = claim(&store, "lead.deliver").await;
            let deal = 100 + i64::try_from(number).unwrap();
            let ack = store.leads().set_delivered(lead.id, made(deal), &delivery).await.unwrap();
            assert!(ack.is_recorded());
            enrol(&store, ALL).await;
            let heard = match way {
                "deal" => Heard::Deal { account: lead.account.clone(), id: deal },
                "contact" => Heard::Contact(7),
                "address" => Heard::Address(phone()),
                _ => Heard::Message(messages(&store, &lead).await[0].id),
            };
            let marker = format!("wamid {way}");
            for (stopped, notes) in [(3, 1), (0, 0)] {
                let replied = funnels.reply(heard.clone(), Some(note(&marker))).await.unwrap();
                assert_eq!(replied.leads.first(), Some(&lead.id), "{way}");
                assert_eq!(replied.stopped, stopped, "{way}");
                let job = try_claim(&store, FUNNEL_NOTE).await;
                assert_eq!(usize::from(job.is_some()), notes, "{way}");
            }
            assert_eq!(states(&store, &lead).await, ["stopped"; 3], "{way}");
        }
        let stranger = Heard::Address(Identity::phone("+1"));
        assert!(funnels.reply(stranger, None).await.unwrap().leads.is_empty());
    }

    async fn what_stops_a_message_on_its_way_keeps_it_from_being_sent_again(db: TestDb) {
        let store = open(&db).await;
        let funnels = store.funnels();
        let later = || End::Later { after: RetryAfter::new(Duration::ZERO, "450 later") };
        let steady = Stops { reply: false, status: false, unsubscribe: false };
        for (way, stops, becomes) in [
            ("nothing", ALL, "pending"),
            ("reply", steady, "pending"),
            ("reply", ALL, "stopped"),
            ("status", ALL, "stopped"),
            ("unsubscription", ALL, "stopped"),
        ] {
            let lead = accept(&store).await;
            enrol(&store, stops).await;
            let job = claim(&store, "funnel.email").await;
            let id = job.payload::<i64>().unwrap();
            assert_eq!(funnels.begin(id, limits(lead.created_at), &job).await.unwrap(), Begin::Go);
            let message = funnels.message(id).await.unwrap().unwrap();
            match way {
                "reply" => {
                    funnels.reply(Heard::Message(id), None).await.unwrap();
                }
                "status" => {
                    move_to(&store, &lead, "contacted").await;
                    let job = claim(&store, FUNNEL_ENTER).await;
                    assert!(store.jobs().complete(&job).await.unwrap().is_recorded());
                }
                "unsubscription" => {
                    funnels.unsubscribe(message.recipient_id).await.unwrap();
                }
                _ => {}
            }
            // The server says: not now.
            assert!(funnels.finish(id, later(), &job).await.unwrap().is_recorded());
            assert_eq!(states(&store, &lead).await[0], becomes, "{way}");
            let again = try_claim(&store, "funnel.email").await;
            assert_eq!(again.is_some(), becomes == "pending", "{way}");
            // What the server takes was sent, whatever happens meanwhile.
            if let Some(job) = again {
                assert_eq!(funnels.begin(id, limits(lead.created_at), &job).await.unwrap(), Begin::Go);
                funnels.reply(Heard::Message(id), None).await.unwrap();
                assert!(funnels.finish(id, sent(), &job).await.unwrap().is_recorded());
                assert_eq!(states(&store, &lead).await[0], "sent", "{way}");
            }
        }
        let sending = funnels.count("welcome", MessageState::Sending).await.unwrap();
        assert_eq!(sending, 0);
    }

    async fn nothing_that_tells_who_it_was_is_left_of_a_forgotten_person(db: TestDb) {
        let store = open(&db).await;
        let (leads, funnels) = (store.leads(), store.funnels());
        let lead = accept(&store).await;
        let delivery = claim(&store, "lead.deliver").await;
        assert!(leads.set_delivered(lead.id, made(5), &delivery).await.unwrap().is_recorded());
        enrol(&store, ALL).await;
        leads.warn(lead.id, &[("Anna's own field".into(), "missing")]).await.unwrap();
        let job = claim(&store, "funnel.email").await;
        let id = job.payload::<i64>().unwrap();
        funnels.begin(id, limits(lead.created_at), &job).await.unwrap();
        assert!(funnels.finish(id, sent(), &job).await.unwrap().is_recorded());
        // The note cannot be made: its letter waits with the dead ones.
        let job = claim(&store, FUNNEL_NOTE).await;
        let note_id = job.payload::<i64>().unwrap();
        assert!(store.jobs().bury(&job, "r", None).await.unwrap().is_recorded());

        assert_eq!(leads.erase(lead.id, &lead.account, |id| format!("lead/{id}")).await.unwrap(), Erased::Done);
        assert!(funnels.note(note_id).await.unwrap().is_none());
        assert!(leads.warnings(lead.id).await.unwrap().is_empty());
        assert_eq!(states(&store, &lead).await, ["sent", "stopped", "stopped"]);
        // Reports and answers that come later bring nothing back.
        let report = Receipt {
            message: Some(id),
            external_id: "wamid.1".into(),
            word: "read".into(),
            reason: None,
        };
        assert!(!funnels.receive(report).await.unwrap());
        let heard = Heard::Address(phone());
        assert!(funnels.reply(heard, Some(note("m2"))).await.unwrap().leads.is_empty());
        funnels.reply(Heard::Contact(7), Some(note("m3"))).await.unwrap();
        assert!(try_claim(&store, FUNNEL_NOTE).await.is_none());
        move_to(&store, &lead, "contacted").await;
        assert_eq!(enrol(&store, ALL).await, Enrolled::Done(0));

        // What was sent and when goes with the history.
        let year = Retention { history: Some(Duration::from_hours(24 * 365)), ..Retention::default() };
        store.sweep(&year).await.unwrap();
        assert_eq!(states(&store, &lead).await.len(), 3);
        db.hands.advance(Duration::from_hours(24 * 366));
        assert_eq!(store.sweep(&year).await.unwrap().messages, 3);
        assert_eq!(states(&store, &lead).await, [""; 0]);
    }

    async fn addresses_are_hashed_with_a_key_that_survives_the_change_of_keys(db: TestDb) {
        let plain = |text: &str| {
            let pairs = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
            pairs.concat()
        };
        let old = db.open_with(db.options().funnels(true).keyring(keyring(&[("a", 1)]))).await;
        // A release before this one has stored somebody's unsubscription under a plain hash.
        let row = format!(
            "INSERT INTO funnel_recipients (address, unsubscribed_at) VALUES ('{}', 1)",
            plain("phone:+79001234567")
        );
        db.execute(&row).await;
        let lead = accept(&old).await;
        enrol(&old, Stops { unsubscribe: false, ..ALL }).await;
        assert_eq!(states(&old, &lead).await, ["pending", "pending", "stopped"]);
        if db.is_sqlite() {
            old.close().await;
            let text = String::from_utf8_lossy(&db.bytes()).into_owned();
            assert!(!text.contains(&plain("email:ada@example.com")));
        }

        let both = db.open_with(db.options().funnels(true).keyring(keyring(&[("b", 2), ("a", 1)]))).await;
        assert_eq!(both.reseal().await.unwrap(), 1);
        assert_eq!(both.reseal().await.unwrap(), 0);
        let new = db.open_with(db.options().funnels(true).keyring(keyring(&[("b", 2)]))).await;
        assert_eq!(new.funnels().unsubscribe_address(mail()).await.unwrap(), 2);
        assert_eq!(states(&new, &lead).await, ["stopped"; 3]);
    }

    async fn a_messengers_report_tells_what_a_lost_answer_would_have_said(db: TestDb) {
        let store = open(&db).await;
        let funnels = store.funnels();
        let lead = accept(&store).await;
        enrol(&store, ALL).await;
        let job = claim(&store, "funnel.email").await;
        let id = job.payload::<i64>().unwrap();
        funnels.begin(id, limits(lead.created_at), &job).await.unwrap();
        let unknown = End::Unknown { reason: "no answer".into(), note: note("m") };
        assert!(funnels.finish(id, unknown, &job).await.unwrap().is_recorded());
        let report = |word: &str, message| Receipt {
            message,
            external_id: "wamid.7".into(),
            word: word.into(),
            reason: None,
        };
        assert!(!funnels.receive(report("delivered", None)).await.unwrap());
        for (word, is_news) in [("delivered", true), ("sent", false), ("read", true), ("read", false)] {
            assert_eq!(funnels.receive(report(word, Some(id))).await.unwrap(), is_news, "{word}");
        }
        let foreign = Receipt { external_id: "wamid.8".into(), ..report("failed", Some(id)) };
        assert!(!funnels.receive(foreign).await.unwrap());
        let message = funnels.message(id).await.unwrap().unwrap();
        assert_eq!((message.state, message.receipt.as_deref()), (MessageState::Sent, Some("read")));
    }
}
