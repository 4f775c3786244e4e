//! What stands for an address in the tables: whoever has a copy of the database cannot read it.
//!
//! A hash alone would not do: there are few enough telephone numbers to hash them all. So it is made with a key of its own,
//! which the first use makes and `ENCRYPTION_KEY` seals. The key stays the same for ever, because "unsubscribed" does.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Funnels;
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError};
use crate::keyring::{Keyring, random};
use crate::leads::Identity;
use crate::meta;
use crate::store::Inner;

/// Setting with the sealed key.
const SETTING: &str = "funnels.address_key";
const KEY_LEN: usize = 32;

/// The key.
#[derive(Clone)]
pub(crate) struct AddressKey(Zeroizing<[u8; KEY_LEN]>);

impl fmt::Debug for AddressKey {
    /// Shows nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressKey").finish_non_exhaustive()
    }
}

impl AddressKey {
    /// What stands for the address.
    pub(super) fn mark(&self, identity: &Identity) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}:", identity.kind).to_lowercase());
        hash.update(&identity.value);
        self.keyed(&hex(&hash.finalize()))
    }

    /// What stands for an address of which only a plain hash was stored.
    fn keyed(&self, plain: &str) -> String {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0[..])
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
        hex(&mac.chain_update(plain).finalize().into_bytes())
    }

    fn seal(&self, keyring: &Keyring) -> Result<String> {
        Ok(STANDARD.encode(keyring.seal(&self.0[..], SETTING.as_bytes())?))
    }

    fn open(keyring: &Keyring, sealed: &str) -> Result<Self> {
        let strange = || StoreError::internal("the key of addresses has another shape");
        let sealed = STANDARD.decode(sealed).map_err(|_| strange())?;
        let key = keyring.open(&sealed, SETTING.as_bytes())?;
        let key: [u8; KEY_LEN] = key.as_slice().try_into().map_err(|_| strange())?;
        Ok(Self(Zeroizing::new(key)))
    }
}

impl Funnels {
    /// The key, made if there is none yet.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Decrypt`](crate::StoreErrorKind::Decrypt) when none of the keys of `ENCRYPTION_KEY` opens it.
    pub(super) async fn address_key(&self) -> Result<&AddressKey> {
        self.inner
            .address_key
            .get_or_try_init(|| async {
                let known: Option<String> = {
                    let mut tx = self.inner.db.read().await?;
                    meta::read(&mut tx, SETTING).await?
                };
                match known {
                    Some(sealed) => AddressKey::open(&self.inner.keyring, &sealed),
                    None => self.inner.db.write(MakeKey(Arc::clone(&self.inner))).await,
                }
            })
            .await
    }

    /// Seals the key of addresses with the first key of the keyring, if another one has sealed it. Returns whether that
    /// was so.
    pub(crate) async fn rotate_key(&self) -> Result<bool> {
        self.inner
            .db
            .write(RotateKey(Arc::clone(&self.inner)))
            .await
    }
}

struct MakeKey(Arc<Inner>);

impl Operation for MakeKey {
    type Output = AddressKey;

    async fn run(&self, tx: &mut Tx) -> Result<AddressKey> {
        let keyring = &self.0.keyring;
        let key = AddressKey(Zeroizing::new(random()?));
        if !meta::put_first(tx, SETTING, &key.seal(keyring)?).await? {
            // Another process was first.
            let theirs: Option<String> = meta::read(tx, SETTING).await?;
            let theirs = theirs.ok_or_else(|| StoreError::internal("a setting is gone"))?;
            return AddressKey::open(keyring, &theirs);
        }
        // Plain hashes of a release before this one.
        let plain = tx
            .query("SELECT id, address FROM funnel_recipients ORDER BY id")
            .fetch_all()
            .await?;
        for row in plain {
            tx.query("UPDATE funnel_recipients SET address = $2 WHERE id = $1")
                .bind(row.int("id")?)
                .bind(key.keyed(&row.text("address")?))
                .execute()
                .await?;
        }
        Ok(key)
    }
}

struct RotateKey(Arc<Inner>);

impl Operation for RotateKey {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let keyring = &self.0.keyring;
        let Some(sealed) = meta::read::<String>(tx, SETTING).await? else {
            return Ok(false);
        };
        let key = AddressKey::open(keyring, &sealed)?;
        let blob = STANDARD.decode(&sealed).unwrap_or_default();
        if keyring.is_current(&blob) {
            return Ok(false);
        }
        meta::write(tx, SETTING, &key.seal(keyring)?).await?;
        Ok(true)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}"));
            hex
        })
}
