//! Token pairs: one winner, one renewer, nothing readable on the disk.

use std::time::Duration;

use amocrm_sdk::oauth::{Saved, TokenKey, TokenPair, TokenStore as _};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use store::{StoreError, StoreErrorKind};

use crate::db::{TestDb, keyring, on_both};

fn key() -> TokenKey {
    TokenKey::new("client-1", "acme.amocrm.ru")
}

fn pair(name: &str) -> TokenPair {
    let obtained = DateTime::<Utc>::from_timestamp(1_795_219_200, 0).unwrap();
    TokenPair::new(
        SecretString::from(format!("access-canary-{name}")),
        Some(SecretString::from(format!("refresh-canary-{name}"))),
        obtained,
        obtained + TimeDelta::days(1),
    )
}

on_both! {
    async fn one_writer_wins_a_compare_and_swap(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let tokens = stores[0].tokens();
        assert!(tokens.load(&key()).await.unwrap().is_none());
        assert_eq!(tokens.save(&key(), &pair("first"), Some(1)).await.unwrap(), Saved::Superseded);
        assert_eq!(tokens.save(&key(), &pair("first"), None).await.unwrap(), Saved::Stored(1));

        let outcomes = join_all((0..16).map(|number| {
            let tokens = stores[number % 2].tokens();
            async move {
                let saved = tokens.save(&key(), &pair(&number.to_string()), Some(1)).await.unwrap();
                (number, saved)
            }
        }))
        .await;
        let winners: Vec<_> = outcomes.iter().filter(|(_, saved)| *saved == Saved::Stored(2)).collect();
        let losers = outcomes.iter().filter(|(_, saved)| *saved == Saved::Superseded).count();
        assert_eq!((winners.len(), losers), (1, 15));

        let stored = stores[1].tokens().load(&key()).await.unwrap().unwrap();
        assert_eq!(stored.generation, 2);
        assert!(stored.tokens.same_secrets(&pair(&winners[0].0.to_string())));
        assert_eq!(stored.tokens.expires_at(), pair("").expires_at());
    }

    async fn only_the_two_newest_generations_keep_their_secret(db: TestDb) {
        let tokens = db.open().await.tokens();
        for number in 1..=4 {
            tokens.save(&key(), &pair(&number.to_string()), None).await.unwrap();
        }
        let generations = tokens.generations(&key(), 10).await.unwrap();
        let shape: Vec<_> = generations
            .iter()
            .map(|it| (it.generation, it.has_secret, it.deactivated_at.is_some()))
            .collect();
        assert_eq!(shape, [(4, true, false), (3, true, true), (2, false, true), (1, false, true)]);
        assert_eq!(tokens.list().await.unwrap(), [key()]);
    }

    async fn a_forgotten_pair_is_gone_and_does_not_come_back(db: TestDb) {
        let tokens = db.open().await.tokens();
        tokens.save(&key(), &pair("a"), None).await.unwrap();
        assert!(tokens.forget(&key()).await.unwrap());
        assert!(!tokens.forget(&key()).await.unwrap());
        assert!(tokens.load(&key()).await.unwrap().is_none());
        assert!(tokens.generations(&key(), 10).await.unwrap().iter().all(|it| !it.has_secret));
        // A renewal that was on its way when the account was disconnected does not bring the grant back.
        assert_eq!(tokens.save(&key(), &pair("late"), Some(1)).await.unwrap(), Saved::Superseded);
        assert_eq!(tokens.save(&key(), &pair("new consent"), None).await.unwrap(), Saved::Stored(2));
    }

    async fn a_configured_refresh_token_is_taken_over_once_and_only_in_the_place_of_what_it_replaces(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let adopt = async |number: usize, token: &str, replaces| {
            let refresh = SecretString::from(format!("refresh-canary-{token}"));
            let tokens = stores[number % 2].tokens();
            tokens.adopt(&key(), &refresh, replaces, "adopted", &format!("mark of {token}")).await.unwrap()
        };
        let tokens = stores[0].tokens();
        assert!(adopt(0, "first", None).await);
        let first = tokens.load(&key()).await.unwrap().unwrap();
        assert!(first.tokens.expires_at() <= DateTime::UNIX_EPOCH);
        assert!(!adopt(1, "first", None).await);

        // All processes are started again with another token, and all find the first one refused.
        let outcomes = join_all((0..16).map(|number| adopt(number, "second", Some(1)))).await;
        assert_eq!(outcomes.iter().filter(|taken| **taken).count(), 1);
        // One renews with it. Whoever is late, or has an older configuration, throws away nothing.
        assert_eq!(tokens.save(&key(), &pair("renewed"), Some(2)).await.unwrap(), Saved::Stored(3));
        assert!(!adopt(0, "second", Some(1)).await);
        assert!(!adopt(1, "first", Some(1)).await);
        assert!(!adopt(1, "third", None).await);
        assert!(tokens.load(&key()).await.unwrap().unwrap().tokens.same_secrets(&pair("renewed")));

        // An administrator has disconnected the account: the token that was used up does not come back.
        assert!(tokens.forget(&key()).await.unwrap());
        assert!(!adopt(0, "second", None).await);
        assert!(adopt(0, "third", None).await);
        assert_eq!(tokens.load(&key()).await.unwrap().unwrap().generation, 4);
    }

    async fn one_process_at_a_time_holds_the_lease(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let ttl = Duration::from_secs(30);
        let leases = join_all((0..16).map(|number| {
            let tokens = stores[number % 2].tokens();
            async move { (number, tokens.lease(&key(), ttl).await.unwrap()) }
        }))
        .await;
        let held: Vec<_> = leases.into_iter().filter_map(|(number, lease)| Some((number, lease?))).collect();
        let [(number, first)] = &held[..] else { panic!("{held:?}") };
        let holder = stores[number % 2].tokens();
        let other = stores[(number + 1) % 2].tokens();

        // It ends by itself; the next one has a higher fence, and the old holder cannot give away what it lost.
        db.hands.advance(ttl);
        let second = other.lease(&key(), ttl).await.unwrap().unwrap();
        assert!(second.fence > first.fence);
        holder.release(&key(), first).await.unwrap();
        assert!(holder.lease(&key(), ttl).await.unwrap().is_none());

        other.release(&key(), &second).await.unwrap();
        assert!(holder.lease(&key(), ttl).await.unwrap().is_some());
    }

    async fn keys_can_be_changed_without_a_new_consent(db: TestDb) {
        let old = db.open_with(db.options().keyring(keyring(&[("a", 1)]))).await;
        for account in 0..120 {
            let key = TokenKey::new("client-1", format!("account-{account}"));
            old.tokens().save(&key, &pair("kept"), None).await.unwrap();
        }
        let both = db.open_with(db.options().keyring(keyring(&[("b", 2), ("a", 1)]))).await;
        assert_eq!(both.reseal().await.unwrap(), 120);
        assert_eq!(both.reseal().await.unwrap(), 0);

        let key = TokenKey::new("client-1", "account-77");
        let new = db.open_with(db.options().keyring(keyring(&[("b", 2)]))).await;
        let stored = new.tokens().load(&key).await.unwrap().unwrap();
        assert!(stored.tokens.same_secrets(&pair("kept")));

        let error = old.tokens().load(&key).await.unwrap_err();
        let error: &StoreError = error.downcast_ref().unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Decrypt);
        assert!(error.to_string().contains("`b`"), "{error}");
    }
}

#[tokio::test]
async fn no_token_is_readable_in_the_files() {
    let db = TestDb::sqlite().await;
    let store = db.open().await;
    let tokens = store.tokens();
    for number in 0..3 {
        tokens
            .save(&key(), &pair(&number.to_string()), None)
            .await
            .unwrap();
    }
    let stored = tokens.load(&key()).await.unwrap().unwrap();
    assert!(!format!("{stored:?} {store:?} {tokens:?}").contains("canary"));
    assert!(stored.tokens.access().expose_secret().contains("canary"));

    for when in ["with a log", "after the checkpoint"] {
        let bytes = db.bytes();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("acme.amocrm.ru"), "{when}: the row is here");
        assert!(!text.contains("canary"), "{when}");
        store.close().await;
    }
}
