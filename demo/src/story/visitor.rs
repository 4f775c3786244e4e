//! A visitor's form becomes a contact and a deal.

use lead_intake::LeadStatus;
use serde_json::Value;

use crate::crm::{field, list, number, tags, text};
use crate::http::Answer;
use crate::story::Stage;
use crate::story::connect::Pipeline;
use crate::teller::{Broken, Expecting as _, Failed, Step, Teller, Told, ensure};
use crate::wait::{LONG, OFTEN, SELDOM, until};
use crate::words::{Language, say};

const NAME: &str = "Дарья Лебедева";
/// As people type it, and as it must arrive.
const PHONE_TYPED: &str = "8 (916) 555-01-42";
const PHONE: &str = "+79165550142";
const EMAIL_TYPED: &str = "Daria.Lebedeva@Example.com";
const EMAIL: &str = "daria.lebedeva@example.com";
const COMMENT: &str = "Интересует вилла на Пхукете, два этажа";
const PRICE: &str = "185000";
const TAGS: [&str; 2] = ["лендинг", "вилла"];
const UTM: [(&str, &str); 5] = [
    ("utm_source", "google"),
    ("utm_medium", "cpc"),
    ("utm_campaign", "asia_spring"),
    ("utm_content", "banner_2"),
    ("utm_term", "вилла пхукет"),
];

/// What must not be found where it has no business.
pub(super) const PRIVATE: [&str; 3] = ["9165550142", "555-01-42", "lebedeva@"];

/// A lead on both sides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead {
    /// lead-intake's number.
    pub(crate) id: i64,
    /// amoCRM's deal.
    pub(crate) deal: i64,
    /// amoCRM's contact.
    pub(crate) contact: i64,
}

/// From the form to what amoCRM shows, and the impatient second click.
pub(super) async fn submit(
    teller: &mut Teller,
    stage: &Stage<'_>,
    pipeline: &Pipeline,
) -> Result<Lead, Broken> {
    let language = teller.language();
    let lead = teller.step(post(language, stage)).await?;
    teller.step(contact(language, stage, lead)).await?;
    teller.step(deal(language, stage, pipeline, lead)).await?;
    teller.step(second_click(language, stage, lead)).await?;
    Ok(lead)
}

async fn post(language: Language, stage: &Stage<'_>) -> Step<Lead> {
    let expected = "a lead that is delivered to amoCRM";
    let answer = send_form(stage).await.expecting(expected)?;
    let status = answer.status;
    let lead = delivered(stage, &answer).await.expecting(expected)?;
    let Lead { id, deal, .. } = lead;
    let told = Told::new(say!(
        language,
        "POST /api/leads, as HTML forms do it: {status}, lead {id} is deal {deal} in amoCRM",
        "POST /api/leads, как это делают HTML-формы: {status}, заявка {id} — сделка {deal} в amoCRM"
    ))
    .detail(say!(
        language,
        "typed: {NAME}, {PHONE_TYPED}, {EMAIL_TYPED}",
        "введено: {NAME}, {PHONE_TYPED}, {EMAIL_TYPED}"
    ));
    Ok((lead, told))
}

async fn contact(language: Language, stage: &Stage<'_>, lead: Lead) -> Step<()> {
    let expected = format!("a contact {NAME} with {PHONE} and {EMAIL}");
    let path = format!("/api/v4/contacts/{}", lead.contact);
    let contact = stage.crm.get(&path).await.expecting(&expected)?;
    let (name, phone, email) = (
        text(&contact, "/name"),
        field(&contact, "PHONE"),
        field(&contact, "EMAIL"),
    );
    ensure(
        (&*name, &*phone, &*email) == (NAME, PHONE, EMAIL),
        &expected,
        &contact,
    )?;
    let is_new = number(&contact, "/created_at") >= stage.began;
    let id = lead.contact;
    let told = Told::new(if is_new {
        say!(
            language,
            "amoCRM has a new contact {id} «{name}»: {phone}, {email}",
            "В amoCRM новый контакт {id} «{name}»: {phone}, {email}"
        )
    } else {
        say!(
            language,
            "amoCRM knew the contact {id} «{name}»: {phone}, {email}",
            "В amoCRM уже был контакт {id} «{name}»: {phone}, {email}"
        )
    });
    Ok(((), told))
}

async fn deal(language: Language, stage: &Stage<'_>, pipeline: &Pipeline, lead: Lead) -> Step<()> {
    let expected = "the deal at the first stage, with its price, tags, UTM marks, contact and the comment as a note";
    let id = lead.deal;
    let path = format!("/api/v4/leads/{id}?with=contacts");
    let deal = stage.crm.get(&path).await.expecting(expected)?;
    let (name, price, status) = (
        text(&deal, "/name"),
        text(&deal, "/price"),
        number(&deal, "/status_id"),
    );
    let marks = UTM.map(|(mark, _)| (mark, field(&deal, &mark.to_ascii_uppercase())));
    let has_marks = marks
        .iter()
        .zip(UTM)
        .all(|((_, seen), (_, sent))| seen == sent);
    let tags = tags(&deal);
    let has_tags = TAGS.iter().all(|tag| tags.iter().any(|own| own == tag));
    let has_contact = list(&deal, "/_embedded/contacts")
        .iter()
        .any(|contact| number(contact, "/id") == lead.contact);
    let is_placed = number(&deal, "/pipeline_id") == pipeline.id
        && status == pipeline.stage(pipeline.names.get(LeadStatus::New))?;
    ensure(
        is_placed && price == PRICE && has_marks && has_tags && has_contact,
        expected,
        &deal,
    )?;
    // The note comes after the deal, by a job of its own.
    let notes = format!("/api/v4/leads/{id}/notes");
    let note = until(LONG, SELDOM, async || {
        let notes = stage
            .crm
            .get(&notes)
            .await
            .map_err(|error| format!("{error:#}"))?;
        list(&notes, "/_embedded/notes")
            .iter()
            .map(|note| text(note, "/params/text"))
            .find(|text| text.contains(COMMENT))
            .ok_or_else(|| "the deal has no note with the comment".to_owned())
    })
    .await
    .expecting(expected)?;

    let (pipeline_name, stage_name) = (&pipeline.name, pipeline.stage_name(status));
    let marks: Vec<String> = marks
        .iter()
        .map(|(mark, seen)| format!("{}={seen}", mark.trim_start_matches("utm_")))
        .collect();
    let marks = marks.join("  ");
    let (tags, note) = (
        tags.join(", "),
        note.lines().next().unwrap_or_default().to_owned(),
    );
    let told = Told::new(say!(
        language,
        "and the deal {id} «{name}»: {price} ₽, «{pipeline_name}», «{stage_name}»",
        "и сделка {id} «{name}»: {price} ₽, «{pipeline_name}», «{stage_name}»"
    ))
    .detail(format!("utm: {marks}"))
    .detail(say!(
        language,
        "tags: {tags}; note: {note}",
        "теги: {tags}; примечание: {note}"
    ));
    Ok(((), told))
}

async fn second_click(language: Language, stage: &Stage<'_>, lead: Lead) -> Step<()> {
    let expected = "the same lead again, and one deal of it in amoCRM";
    let answer = send_form(stage).await.expecting(expected)?;
    ensure(answer.replayed, expected, answer.describe())?;
    let again = delivered(stage, &answer).await.expecting(expected)?;
    let own = lead_view(stage, lead.id).await.expecting(expected)?;
    let intake_id = text(&own, "/intake_id");
    let deals = stage
        .crm
        .all("/api/v4/leads", "leads")
        .await
        .expecting(expected)?;
    let deals = deals
        .iter()
        .filter(|deal| field(deal, "INTAKE_ID") == intake_id)
        .count();
    let id = lead.id;
    ensure(
        again.id == id && deals == 1,
        expected,
        format!("lead {}, deals: {deals}", again.id),
    )?;
    let told = Told::new(say!(
        language,
        "The button is pressed again: the answer is still lead {id}, amoCRM still has {deals} deal of it",
        "Кнопка нажата ещё раз: в ответе та же заявка {id}, сделок по ней в amoCRM по-прежнему {deals}"
    ));
    Ok(((), told))
}

/// The form, with the key by which a second click is known.
async fn send_form(stage: &Stage<'_>) -> anyhow::Result<Answer> {
    let mut fields = vec![
        ("name", NAME),
        ("phone", PHONE_TYPED),
        ("email", EMAIL_TYPED),
        ("comment", COMMENT),
        ("price", PRICE),
    ];
    fields.extend(TAGS.map(|tag| ("tags[]", tag)));
    fields.extend(UTM);
    let key = format!("demo-{}", stage.began);
    let url = stage.house.intake_url("/api/leads");
    stage
        .http
        .post_form(&url, &fields, &[("idempotency-key", &key)])
        .await
}

/// Waits until the lead of this answer is in amoCRM.
pub(super) async fn delivered(stage: &Stage<'_>, answer: &Answer) -> anyhow::Result<Lead> {
    let receipt = answer.json_of(&[201, 202])?;
    let id = number(&receipt, "/id");
    until(LONG, OFTEN, async || {
        let view = lead_view(stage, id)
            .await
            .map_err(|error| format!("{error:#}"))?;
        if view["delivery"]["state"] == "delivered" {
            Ok(Lead {
                id,
                deal: number(&view, "/amocrm/lead_id"),
                contact: number(&view, "/amocrm/contact_id"),
            })
        } else {
            Err(format!("lead {id}: {}", view["delivery"]))
        }
    })
    .await
}

/// A lead as lead-intake shows it.
pub(super) async fn lead_view(stage: &Stage<'_>, id: i64) -> anyhow::Result<Value> {
    let url = stage.house.intake_url(&format!("/api/leads/{id}"));
    stage.http.get(&url).await?.json_of(&[200])
}

/// Says what was expected of a lead.
pub(super) fn unlike(expected: &str, view: &Value) -> Failed {
    // Without who the visitor is.
    Failed::new(
        expected,
        format!("status {}, delivery {}", view["status"], view["delivery"]),
    )
}
