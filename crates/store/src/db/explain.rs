//! Every statement that the store runs is explained by both databases: none may read a whole table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use amocrm_sdk::oauth::{TokenKey, TokenPair, TokenStore as _};
use amocrm_sdk::quota::{Limits, PauseReason, Quota as _};
use secrecy::SecretString;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use uuid::Uuid;

use super::sql::Value;
use crate::{
    Accepted, AssignManager, Claimed, DeadLetterFilter, Delivered, DeliveryState, IDEMPOTENCY_LIFE,
    IdempotencyKey, Identity, JobSpec, Keyring, LeadFilter, LeadJob, LeadOrder, ManagerPool,
    ManagerReason, ManagerStrategy, Moved, NewAuditEntry, NewLeadRow, Options, ReportKind,
    Retention, RetryAfter, Stage, StageReport, StatusChange, StatusOrigin, Store, Turn, Utm,
};
use crate::{
    Begin, Channel, End, Enrolment, FUNNEL_ENTER, FUNNEL_NOTE, FunnelLimits, Heard, NewFunnelNote,
    NewMessage, Receipt, StatusEntered, Stops,
};
use crate::{
    FinalStep, LESSON_FINAL, LESSON_SYNC, LessonEnd, LessonLogFilter, LessonNext, LessonOutcome,
    LessonRetention, NewCompletion, StageMove,
};

mod gateway;

/// A statement on each database, with the PostgreSQL types of its values.
type Statement = (&'static str, &'static str, Vec<&'static str>);

static SEEN: Mutex<BTreeSet<Statement>> = Mutex::new(BTreeSet::new());

/// Called for every statement while tests run.
pub(super) fn note(sqlite: &'static str, postgres: &'static str, values: &[Value]) {
    let types = values
        .iter()
        .map(|value| match value {
            Value::Int(_) => "bigint",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytea",
        })
        .collect();
    SEEN.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert((sqlite, postgres, types));
}

fn seen() -> BTreeSet<Statement> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Uses everything once.
async fn live(store: &Store) {
    let second = Duration::from_secs(1);
    let key = TokenKey::new("client", "acme");
    let tokens = store.tokens();
    let now = store.inner.db.time.clock.now();
    let pair = TokenPair::new(SecretString::from("a"), None, now, now);
    tokens.save(&key, &pair, None).await.unwrap();
    tokens.load(&key).await.unwrap();
    let lease = tokens.lease(&key, second).await.unwrap().unwrap();
    tokens.release(&key, &lease).await.unwrap();
    tokens.list().await.unwrap();
    tokens.generations(&key, 5).await.unwrap();
    tokens.rotate_keys().await.unwrap();
    tokens.forget(&key).await.unwrap();
    let refresh = SecretString::from("r");
    let adopted = tokens.adopt(&key, &refresh, None, "adopted", "m");
    assert!(adopted.await.unwrap());

    let quota = store.quota(&key, &Limits::default());
    quota.try_acquire().await.unwrap();
    quota.pause(second, PauseReason::Throttled).await.unwrap();
    quota.resume().await.unwrap();

    let meta = store.meta();
    meta.put("k", &1).await.unwrap();
    meta.get::<i64>("k").await.unwrap();
    meta.remove("k").await.unwrap();
    meta.put_state("s", &1, second).await.unwrap();
    meta.take_state("s").await.unwrap();
    let locks = store.locks();
    let lock = locks.take("l", second).await.unwrap().unwrap();
    locks.extend(&lock, second).await.unwrap();
    locks.release(&lock).await.unwrap();
    store.prune().await.unwrap();
    store.ping().await.unwrap();
    store.size_bytes().await.unwrap();

    let jobs = store.jobs();
    let worker = jobs.worker("w");
    for number in 0..3 {
        jobs.enqueue(JobSpec::new("k", &number).unwrap().lane("l"))
            .await
            .unwrap();
    }
    jobs.wait_for_work(&["k"], second).await.unwrap();
    jobs.stats("k").await.unwrap();
    let job = worker.claim(&["k"], 9, second).await.unwrap().remove(0);
    let _ = jobs.extend(&job, second).await.unwrap();
    let _ = jobs.bury(&job, "r", None).await.unwrap();
    jobs.dead_letters(DeadLetterFilter::kind("k"))
        .await
        .unwrap();
    jobs.dead_letters(DeadLetterFilter::new()).await.unwrap();
    jobs.dead_letter(job.id()).await.unwrap();
    jobs.replay(job.id()).await.unwrap();
    let job = worker.claim(&["k"], 9, second).await.unwrap().remove(0);
    let _ = jobs
        .retry(&job, RetryAfter::new(Duration::ZERO, "e"))
        .await
        .unwrap();
    let job = worker.claim(&["k"], 9, second).await.unwrap().remove(0);
    let _ = jobs.complete(&job).await.unwrap();
    worker.release_all().await.unwrap();
    live_leads(store).await;
    live_tallies(store).await;
    gateway::live(store).await;
    live_lessons(store).await;
    let audit = store.audit();
    audit.append(NewAuditEntry::command("a", "")).await.unwrap();
    audit.list(None, 5).await.unwrap();
    audit.sweep().await.unwrap();
}

async fn live_tallies(store: &Store) {
    let tallies = store.tallies();
    tallies.count_failure("server").await.unwrap();
    tallies.fold().await.unwrap();
    let read = tallies.read(30).await.unwrap();
    assert_eq!(read.accepted.len(), 1);
    assert!(!read.delivered.is_empty() && !read.failed.is_empty() && !read.reached.is_empty());
}

async fn live_lessons(store: &Store) {
    let second = Duration::from_secs(1);
    let lessons = store.lessons();
    let new = NewCompletion {
        course: "default".into(),
        email: "a@b.ru".into(),
        lesson: 1,
        user_id: None,
        completed_at: None,
    };
    let key = IdempotencyKey {
        key: "lessons/1".into(),
        fingerprint: "x".into(),
        life: IDEMPOTENCY_LIFE,
    };
    for _ in 0..2 {
        lessons
            .accept(vec![new.clone()], Some(key.clone()))
            .await
            .unwrap();
    }
    let worker = store.jobs().worker("w");
    for next in [LessonNext::Dead("r".into()), LessonNext::Done] {
        let claimed = worker.claim(&[LESSON_SYNC], 1, second).await.unwrap();
        let student = claimed[0].payload().unwrap();
        lessons.student(student).await.unwrap().unwrap();
        let completion = lessons.completions(student).await.unwrap()[0].id;
        let outcome = LessonOutcome {
            student,
            lead_id: Some(1),
            ends: vec![LessonEnd {
                completion,
                outcome: "moved",
                success: true,
                lead_id: Some(1),
                stage_id: Some(1),
                error: None,
            }],
            final_lesson: Some(1),
            next,
        };
        let _ = lessons.record(outcome, &claimed[0]).await.unwrap();
        lessons
            .retry_failed(student, claimed[0].id())
            .await
            .unwrap();
    }
    lessons.students_of("a@b.ru").await.unwrap();
    let all = LessonLogFilter {
        limit: 9,
        ..LessonLogFilter::default()
    };
    let of_email = Some("a@b.ru".to_owned());
    for filter in [
        LessonLogFilter {
            email: of_email,
            ..all.clone()
        },
        LessonLogFilter {
            lesson: Some(1),
            ..all.clone()
        },
        LessonLogFilter {
            success: Some(true),
            ..all.clone()
        },
        all,
    ] {
        lessons.log(&filter).await.unwrap();
    }
    let now = store.inner.db.time.clock.now();
    lessons.outcomes_since(now).await.unwrap();
    live_follow_ups(store).await;
}

/// What follows lessons: final actions, moves that amoCRM tells of, and comparing again.
async fn live_follow_ups(store: &Store) {
    let second = Duration::from_secs(1);
    let lessons = store.lessons();
    let worker = store.jobs().worker("w");
    let claimed = worker.claim(&[LESSON_FINAL], 1, second).await.unwrap();
    let student = claimed[0].payload().unwrap();
    let action = lessons.final_action(student).await.unwrap().unwrap();
    for step in FinalStep::ALL {
        let ack = lessons.end_final_step(student, step, &claimed[0]).await;
        assert!(ack.unwrap().is_recorded());
    }
    let end = LessonEnd {
        completion: action.completion,
        outcome: "final",
        success: true,
        lead_id: Some(1),
        stage_id: None,
        error: None,
    };
    let ack = lessons.end_final(student, end, None, &claimed[0]).await;
    assert!(ack.unwrap().is_recorded());
    lessons.begin_move(student, 1, 2).await.unwrap();
    let told = |stage_id| StageMove {
        lead_id: 1,
        pipeline_id: Some(1),
        old_stage_id: Some(1),
        stage_id,
        by_user: Some(1),
        moved_at: None,
    };
    let heard = lessons.hear_moves(vec![told(2), told(3)], true).await;
    let heard = heard.unwrap();
    assert_eq!((heard.ours, heard.managers), (1, 1));
    let kept = lessons.last_manager_move(student).await.unwrap().unwrap();
    lessons.manager_move(kept.id).await.unwrap().unwrap();
    let since = chrono::DateTime::UNIX_EPOCH;
    lessons.count_ended_since(since).await.unwrap();
    lessons.requeue_ended_since(since, None).await.unwrap();
    live_keeping(store).await;
}

/// Sums, and what is kept.
async fn live_keeping(store: &Store) {
    let lessons = store.lessons();
    let everything = LessonRetention {
        log: Some(Duration::ZERO),
        students: Some(Duration::ZERO),
    };
    lessons.count_failure("server").await.unwrap();
    lessons.tallies(30).await.unwrap();
    assert!(lessons.erase("a@b.ru").await.unwrap());
    lessons.sweep(everything).await.unwrap();
    store.totals().count(crate::FAILED_RENEWALS).await.unwrap();
    store.totals().read(crate::FAILED_RENEWALS).await.unwrap();
}

async fn live_leads(store: &Store) {
    let second = Duration::from_secs(1);
    let leads = store.leads();
    let new = NewLeadRow {
        intake_id: Uuid::new_v4(),
        account: "acme".into(),
        name: None,
        phone: None,
        email: None,
        utm: Utm::default(),
        payload: json!({}),
        local_status: "new".into(),
    };
    let idempotency = IdempotencyKey {
        key: "k".into(),
        fingerprint: "f".into(),
        life: IDEMPOTENCY_LIFE,
    };
    let spec = || LeadJob::new("lead").lane("lead/");
    let accept = leads.accept(new.clone(), Some(idempotency.clone()), spec());
    let Accepted::Created(lead) = accept.await.unwrap() else {
        panic!()
    };
    leads
        .accept(new.clone(), Some(idempotency), spec())
        .await
        .unwrap();
    let worker = store.jobs().worker("w");
    for attempt in 0..3 {
        let job = worker.claim(&["lead"], 1, second).await.unwrap().remove(0);
        live_managers(store, lead.id, &job).await;
        leads.mark_attempt(lead.id, &job).await.unwrap();
        let who = [Identity::email("a"), Identity::phone("b")];
        leads
            .claim_identities(lead.id, "acme", &who, second)
            .await
            .unwrap();
        let retry = RetryAfter::new(Duration::ZERO, "e");
        let made = Delivered {
            contact_id: Some(1),
            lead_id: 2,
            ..Delivered::default()
        };
        let ack = match attempt {
            0 => leads.set_retry(lead.id, retry, &job).await,
            1 => leads.set_failed(lead.id, "e", &job).await,
            _ => leads.set_delivered(lead.id, made, &job).await,
        };
        assert!(ack.unwrap().is_recorded());
        if attempt == 1 {
            leads.retry_failed(lead.id, job.id()).await.unwrap();
        }
    }
    for kind in ["dropped", "drop.move"] {
        let job = JobSpec::new(kind, &1).unwrap().lane("dropped");
        store.jobs().enqueue(job).await.unwrap();
        let job = worker.claim(&[kind], 1, second).await.unwrap().remove(0);
        let _ = store.jobs().bury(&job, "r", None).await.unwrap();
        let dropped = match kind {
            "dropped" => leads.drop_failed(lead.id, job.id()).await,
            _ => leads.drop_move(lead.id, job.id()).await,
        };
        assert!(dropped.unwrap());
    }
    let alone = NewLeadRow {
        intake_id: Uuid::new_v4(),
        ..new.clone()
    };
    leads.accept(alone, None, spec()).await.unwrap();
    leads.forget_contact("acme", 1).await.unwrap();
    leads
        .warn(lead.id, &[("f".into(), "missing")])
        .await
        .unwrap();
    leads.warnings(lead.id).await.unwrap();
    leads.warned_fields(lead.created_at).await.unwrap();
    leads.get(1).await.unwrap();
    leads.get_by_intake(lead.intake_id).await.unwrap();
    leads.find_by_amo_leads("acme", &[2]).await.unwrap();
    let change = StatusChange {
        status: "completed".into(),
        origin: StatusOrigin::Api,
    };
    leads.set_status(lead.id, change, None).await.unwrap();
    let quarantine = store.quarantine();
    for _ in 0..2 {
        quarantine
            .put(Uuid::new_v4(), &json!({}), "r")
            .await
            .unwrap();
    }
    quarantine.get(1).await.unwrap();
    quarantine.list(None, 5).await.unwrap();
    quarantine.count().await.unwrap();
    quarantine.discard(1).await.unwrap();
    let found_out = NewLeadRow {
        intake_id: Uuid::new_v4(),
        phone: Some("+7".into()),
        ..new.clone()
    };
    quarantine.release(2, found_out, spec()).await.unwrap();
    let everything = Some(Duration::ZERO);
    let retention = Retention {
        personal: everything,
        history: everything,
        quarantine: everything,
        dead_letters: everything,
        dead_letter_kinds: vec!["k"],
    };
    store.check_writable().await.unwrap();
    live_funnels(store, lead.id).await;
    live_status(store, lead.id).await;
    store.sweep(&retention).await.unwrap();
    leads
        .erase(lead.id, "acme", |id| format!("lead/{id}"))
        .await
        .unwrap();
    leads.count(DeliveryState::Queued).await.unwrap();
    for order in [LeadOrder::Newest, LeadOrder::Oldest] {
        let all = LeadFilter::new().order(order);
        for filter in [
            all.clone(),
            all.clone().status("new"),
            all.clone().delivery(DeliveryState::Failed),
            all.status("new").delivery(DeliveryState::Failed),
        ] {
            leads.list(filter).await.unwrap();
        }
    }
}

async fn live_managers(store: &Store, lead_id: i64, job: &Claimed) {
    let managers = store.managers();
    let counted_at = managers.now().await.unwrap();
    let choice = AssignManager {
        lead_id,
        account: "acme".into(),
        active: Vec::new(),
        keepers: vec![1],
        contact_id: Some(1),
        contact_user_id: None,
        pool: Some(ManagerPool {
            name: "p".into(),
            candidates: vec![2],
            strategy: ManagerStrategy::LeastLoaded {
                open: BTreeMap::new(),
                counted_at,
            },
        }),
        nobody: ManagerReason::NoRule,
        details: json!({}),
    };
    managers.assign(choice, job).await.unwrap().unwrap();
    managers.follow(lead_id, 3, counted_at, true).await.unwrap();
    managers.history(lead_id, 5).await.unwrap();
}

async fn live_funnels(store: &Store, lead_id: i64) {
    let second = Duration::from_secs(1);
    let funnels = store.funnels();
    let worker = store.jobs().worker("w");
    let job = worker
        .claim(&[FUNNEL_ENTER], 1, second)
        .await
        .unwrap()
        .remove(0);
    let entered: StatusEntered = job.payload().unwrap();
    let message = |step| NewMessage {
        funnel: "f".into(),
        step,
        channel: Channel::Email,
        to: Identity::email("a"),
        stops: Stops {
            reply: true,
            status: false,
            unsubscribe: true,
        },
        due_at: entered.at,
    };
    let enrolment = Enrolment {
        lead_id,
        status: "won".into(),
        messages: vec![message(1), message(2)],
        addresses: vec![Identity::email("a")],
    };
    funnels.enrol(enrolment, &job).await.unwrap();
    let limits = FunnelLimits {
        since: entered.at,
        per_recipient: 9,
        per_funnel: Some(9),
    };
    let note = NewFunnelNote {
        marker: "m".into(),
        text: "t".into(),
        lane: |lead| format!("note/{lead}"),
    };
    for later in [true, false] {
        let job = worker
            .claim(&["funnel.email"], 1, second)
            .await
            .unwrap()
            .remove(0);
        let id = job.payload().unwrap();
        assert_eq!(funnels.begin(id, limits, &job).await.unwrap(), Begin::Go);
        let end = if later {
            let after = RetryAfter::new(Duration::ZERO, "e");
            End::Later { after }
        } else {
            End::Sent {
                external_id: Some("x".into()),
                note: note.clone(),
            }
        };
        let _ = funnels.finish(id, end, &job).await.unwrap();
    }
    let receipt = Receipt {
        message: None,
        external_id: "x".into(),
        word: "read".into(),
        reason: None,
    };
    funnels.receive(receipt).await.unwrap();
    let job = worker
        .claim(&[FUNNEL_NOTE], 1, second)
        .await
        .unwrap()
        .remove(0);
    let number = job.payload().unwrap();
    funnels.note(number).await.unwrap();
    let _ = funnels.note_made(number, &job).await.unwrap();
    let deal = Heard::Deal {
        account: "acme".into(),
        id: 2,
    };
    for heard in [
        deal,
        Heard::Contact(1),
        Heard::Address(Identity::email("a")),
        Heard::Message(1),
    ] {
        funnels.reply(heard, None).await.unwrap();
    }
    let message = funnels.messages_of(lead_id).await.unwrap().remove(0);
    funnels.message(message.id).await.unwrap();
    funnels.is_unsubscribed(message.recipient_id).await.unwrap();
    funnels.rotate_key().await.unwrap();
    funnels.unsubscribe(message.recipient_id).await.unwrap();
    let job = worker
        .claim(&["funnel.email"], 1, second)
        .await
        .unwrap()
        .pop();
    if let Some(job) = job {
        let id = job.payload().unwrap();
        let _ = funnels.begin(id, limits, &job).await.unwrap();
    }
}

async fn live_status(store: &Store, id: i64) {
    let second = Duration::from_secs(1);
    let leads = store.leads();
    let worker = store.jobs().worker("w");
    let look = |id: i64, _: Option<_>| JobSpec::new("look", &id);
    let stage = Stage {
        pipeline_id: Some(1),
        status_id: 142,
    };
    let now = store.inner.db.time.clock.now();
    let change = StatusChange {
        status: "won".into(),
        origin: StatusOrigin::Api,
    };
    let job = JobSpec::new("move", &id).unwrap().lane("m");
    leads.set_status(id, change, Some(job)).await.unwrap();
    let job = worker.claim(&["move"], 1, second).await.unwrap().remove(0);
    leads.begin_move(id, "won", stage, &job).await.unwrap();
    let moved = Moved {
        status: "won".into(),
        stage,
        told_at: Some(now),
    };
    let _ = leads.end_move(id, moved, &job, look).await.unwrap();
    leads
        .resend(
            0,
            now + second,
            |id| format!("lead/{id}"),
            |_| JobSpec::new("move", &1),
        )
        .await
        .unwrap();
    let report = StageReport {
        account: "acme".into(),
        amo_lead_id: 2,
        intake_id: None,
        stage: Some(stage),
        status: Some("lost".into()),
        told_at: Some(now + second * 5),
        kind: ReportKind::Settled,
        by_user: Some(0),
        origin: StatusOrigin::Webhook,
    };
    let hint = StageReport {
        kind: ReportKind::Hint,
        stage: None,
        ..report.clone()
    };
    let stranger = StageReport {
        amo_lead_id: 3,
        intake_id: Some(Uuid::new_v4()),
        ..report.clone()
    };
    leads.set_gone(id, StatusOrigin::Reconcile).await.unwrap();
    leads
        .hear(vec![hint, report, stranger], look)
        .await
        .unwrap();
    let job = worker.claim(&["look"], 1, second).await.unwrap().remove(0);
    leads.begin_look(id, &job).await.unwrap();
    leads.history(id, None, 5).await.unwrap();

    let schedules = store.schedules();
    let Turn::Taken(run) = schedules.take("s", second).await.unwrap() else {
        panic!()
    };
    schedules.take_now("s", second).await.unwrap();
    let _ = schedules.note(&run, &1, second).await.unwrap();
    let _ = schedules.end(&run, second, "done").await.unwrap();
}

/// Lists that are short, or wanted whole.
fn wants_everything(text: &str) -> bool {
    text.contains("FROM token_grants WHERE active_generation")
        // Once, when the key of addresses is made: there are none yet, or all have to be changed.
        || text.contains("FROM funnel_recipients ORDER BY id")
}

fn options() -> Options {
    let key = Keyring::generate_key().unwrap();
    Options::new()
        .keyring(Keyring::parse(&key).unwrap())
        .funnels(true)
}

/// A list in the order of its primary key starts where it is told and stops after a page.
fn is_a_walk(plan: &str) -> bool {
    plan.contains(" USING ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_reads_a_whole_table_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/s.db", folder.path().display());
    let store = Store::open(&SecretString::from(url.as_str()), options())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    live(&store).await;

    let mut main = SqliteConnection::connect(&url).await.unwrap();
    let mut quota = SqliteConnection::connect(&format!("{url}-quota"))
        .await
        .unwrap();
    let statements: Vec<&str> = seen()
        .into_iter()
        .map(|(sqlite, ..)| sqlite)
        .filter(|text| !text.starts_with("PRAGMA") && !wants_everything(text))
        .collect();
    assert!(statements.len() > 50);
    // Some texts are several statements, which SQLite runs one after another.
    for text in statements.into_iter().flat_map(|text| text.split(';')) {
        let conn = if text.contains(" quota ") {
            &mut quota
        } else {
            &mut main
        };
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        // Statements of the other database are in the list too when its test runs in this process.
        let Ok(plan) = sqlx::query(explain).fetch_all(conn).await else {
            assert!(text.contains("clock_timestamp"), "{text}");
            continue;
        };
        for step in plan {
            let step: String = step.get("detail");
            let reads_all = step.starts_with("SCAN")
                && !step.contains("CONSTANT ROW")
                && !step.contains("pragma_")
                // What we ask about, not what is stored.
                && !step.contains("VIRTUAL TABLE")
                && !is_a_walk(&step);
            let sorts_for_a_page = step.contains("TEMP B-TREE") && text.contains("LIMIT");
            assert!(!reads_all && !sorts_for_a_page, "{step}\n{text}");
        }
    }
}

/// Tables of a test's own on PostgreSQL.
struct TestSchema {
    name: String,
    conn: PgConnection,
    store: Store,
}

impl TestSchema {
    /// `None` where there is no server.
    async fn create() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "where PostgreSQL is for tests is told by the environment"
        )]
        let (server, required) = (
            std::env::var("TEST_POSTGRES_URL"),
            std::env::var("REQUIRE_ALL"),
        );
        let Ok(server) = server else {
            assert_ne!(required.as_deref(), Ok("1"), "TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut conn = PgConnection::connect(&server).await.unwrap();
        for text in [
            format!("CREATE SCHEMA {name}"),
            format!("SET search_path = {name}"),
            // The tables are empty; with enough rows an index is what the planner would choose.
            "SET enable_seqscan = off".to_owned(),
            "SET plan_cache_mode = force_generic_plan".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(text))
                .execute(&mut conn)
                .await
                .unwrap();
        }
        let glue = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{glue}options[search_path]={name}");
        let store = Store::open(&SecretString::from(url), options())
            .await
            .unwrap();
        store.migrate().await.unwrap();
        Some(Self { name, conn, store })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_reads_a_whole_table_postgres() {
    let Some(TestSchema {
        name,
        mut conn,
        store,
    }) = TestSchema::create().await
    else {
        return;
    };
    live(&store).await;

    for (number, (_, text, types)) in seen().into_iter().enumerate() {
        if text.contains("pragma_") || text.starts_with("PRAGMA") || wants_everything(text) {
            continue;
        }
        let parameters = if types.is_empty() {
            String::new()
        } else {
            format!("({})", types.join(", "))
        };
        let prepare = AssertSqlSafe(format!("PREPARE p{number} {parameters} AS {text}"));
        sqlx::raw_sql(prepare).execute(&mut conn).await.unwrap();
        let values = if types.is_empty() {
            String::new()
        } else {
            format!("({})", vec!["NULL"; types.len()].join(", "))
        };
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE p{number}{values}"));
        let plan = sqlx::raw_sql(explain).fetch_all(&mut conn).await.unwrap();
        for step in plan {
            let step: String = step.get(0);
            assert!(!step.contains("Seq Scan"), "{step}\n{text}");
        }
    }
    let drop = AssertSqlSafe(format!("DROP SCHEMA {name} CASCADE"));
    sqlx::query(drop).execute(&mut conn).await.unwrap();
}
