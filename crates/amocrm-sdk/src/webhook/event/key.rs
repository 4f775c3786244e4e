//! Telling repetitions of a delivery.

use sha2::{Digest, Sha256};

use super::Event;
use crate::webhook::AccountRef;

impl Event {
    /// A key that is the same for every delivery of the same event, in form or JSON, whatever the order of its fields.
    ///
    /// It reads `account/entity/action/id/updated_at/digest`. The digest over all that came keeps two edits within one
    /// second apart: losing the second of them would be worse than delivering something twice.
    ///
    /// ```
    /// use amocrm_sdk::webhook;
    ///
    /// let form = webhook::parse(b"leads[delete][0][id]=7&leads[delete][0][status_id]=143&account[id]=31000001")?;
    /// let json = webhook::parse_json(br#"{"account": {"id": 31000001}, "leads": {"delete": [{"status_id": 143, "id": 7}]}}"#)?;
    /// let key = form.events[0].dedup_key(&form.account);
    /// assert!(key.starts_with("31000001/lead/delete/7/-/"));
    /// assert_eq!(key, json.events[0].dedup_key(&json.account));
    /// # Ok::<(), webhook::ParseError>(())
    /// ```
    pub fn dedup_key(&self, account: &AccountRef) -> String {
        let account = match (account.id, &account.subdomain) {
            (Some(id), _) => id.to_string(),
            (None, Some(subdomain)) => subdomain.clone(),
            (None, None) => "-".to_owned(),
        };
        let id = self.entity_id().unwrap_or_else(|| "-".to_owned());
        let updated_at = self
            .updated_at()
            .map_or_else(|| "-".to_owned(), |time| time.timestamp().to_string());
        format!(
            "{account}/{}/{}/{id}/{updated_at}/{}",
            self.entity_kind(),
            self.action(),
            self.digest()
        )
    }

    /// Sixteen hex digits over keys and values.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.raw().visit(&mut |part| {
            // The length keeps `ab` + `c` and `a` + `bc` apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        });
        let high = hash
            .finalize()
            .iter()
            .take(8)
            .fold(0, |high: u64, byte| high << 8 | u64::from(*byte));
        format!("{high:016x}")
    }
}
