//! Deleting what is known of a person. The row stays without it: figures go on adding up.

use super::Leads;
use super::drop::dropped;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::funnels;
use crate::jobs::dead_counter;

/// What became of a wish to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// Nothing personal is left of the lead.
    Done,
    /// There is work on the lead in the queue: deliver it, or throw its dead letter away, first.
    Busy,
    /// There is no such lead.
    NotFound,
}

impl Leads {
    /// Deletes name, phone, e-mail and everything else that the person has written, and what the person is recognised
    /// by, in the lead's account and in `account`.
    ///
    /// A lead that is on its way is left alone: [`Erased::Busy`]. One that failed loses its dead letters with it. `lane` is
    /// that of the lead's jobs.
    pub async fn erase(
        &self,
        id: i64,
        account: &str,
        lane: fn(lead_id: i64) -> String,
    ) -> Result<Erased> {
        let erase = Erase {
            id,
            account: account.to_owned(),
            lane: lane(id),
        };
        self.inner.db.write(erase).await
    }
}

struct Erase {
    id: i64,
    account: String,
    lane: String,
}

impl Operation for Erase {
    type Output = Erased;

    async fn run(&self, tx: &mut Tx) -> Result<Erased> {
        let sql = Sql::either(
            "SELECT account, phone, email, delivery_state FROM leads WHERE id = $1",
            "SELECT account, phone, email, delivery_state FROM leads WHERE id = $1 FOR UPDATE",
        );
        let Some(row) = tx.query(sql).bind(self.id).fetch_optional().await? else {
            return Ok(Erased::NotFound);
        };
        let is_on_its_way =
            ["queued", "delivering"].contains(&row.text("delivery_state")?.as_str());
        let has_work = tx
            .query("SELECT depth FROM lanes WHERE lane = $1")
            .bind(&self.lane)
            .fetch_optional()
            .await?
            .is_some();
        if is_on_its_way || has_work {
            return Ok(Erased::Busy);
        }
        let person = Person {
            id: self.id,
            account: row.text("account")?,
            phone: row.opt_text("phone")?,
            email: row.opt_text("email")?,
        };
        discard_dead_letters(tx, &self.lane).await?;
        dropped(tx, self.id).await?;
        forget(tx, &person, &self.account).await?;
        wipe(tx, &person).await?;
        Ok(Erased::Done)
    }
}

/// A letter that is sent again later would deliver a lead without a person.
async fn discard_dead_letters(tx: &mut Tx, lane: &str) -> Result<()> {
    let gone = tx
        .query("DELETE FROM dead_letters WHERE lane = $1 RETURNING kind")
        .bind(lane)
        .fetch_all()
        .await?;
    for row in gone {
        tx.count(dead_counter(&row.text("kind")?), -1);
    }
    Ok(())
}

/// A lead, and what its person is recognised by.
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) account: String,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
}

/// Deletes the personal data of a lead.
pub(crate) async fn wipe(tx: &mut Tx, person: &Person) -> Result<()> {
    let now = tx.now().await?;
    tx.query(
        "UPDATE leads SET name = NULL, phone = NULL, email = NULL, payload = '{}', last_error = NULL,
             wiped_at = $2, updated_at = $2
         WHERE id = $1",
    )
    .bind(person.id)
    .bind(now)
    .execute()
    .await?;
    // Names of fields that the site's forms, or whoever posts to them, have chosen.
    tx.query("DELETE FROM lead_warnings WHERE lead_id = $1")
        .bind(person.id)
        .execute()
        .await?;
    funnels::forget(tx, person.id).await?;
    forget(tx, person, &person.account).await
}

/// Deletes what the person is recognised by, unless somebody is just delivering for them. The contact is found in the
/// CRM again if they come back.
async fn forget(tx: &mut Tx, person: &Person, account: &str) -> Result<()> {
    let values = [("phone", &person.phone), ("email", &person.email)];
    for (kind, value) in values {
        let Some(value) = value else { continue };
        tx.query(
            "DELETE FROM identities
             WHERE account = $1 AND kind = $2 AND value = $3 AND claimed_by IS NULL",
        )
        .bind(account)
        .bind(kind)
        .bind(value)
        .execute()
        .await?;
    }
    Ok(())
}
