//! amoCRM's side: it posts, waits two seconds, and posts again what was not answered with 2xx.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, sleep_until};

use super::webhooks::{Kind, Plan, Webhook};
use crate::http::Http;

/// amoCRM's own patience (`01-auth-limits-webhooks.md` §6.9).
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Its pauses are minutes; here everything goes faster.
const PAUSE: Duration = Duration::from_millis(400);
/// After this long it is a finding: the service has to come back by itself.
const PATIENCE: Duration = Duration::from_secs(150);

/// Where webhooks go.
#[derive(Debug, Clone)]
pub(super) struct Amocrm {
    pub(super) http: Http,
    /// The processes' addresses.
    pub(super) urls: Vec<String>,
    pub(super) secret: String,
}

/// A webhook that was answered with 2xx.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    /// How often it was sent.
    pub(super) sent: usize,
    /// How long the answer that came took.
    pub(super) took: Duration,
}

impl Amocrm {
    /// Sends everything, each chain by itself.
    pub(super) async fn send_all(
        &self,
        began: Instant,
        plan: &Plan,
    ) -> anyhow::Result<Vec<Receipt>> {
        let mut chains: BTreeMap<usize, Vec<(usize, &Webhook)>> = BTreeMap::new();
        for (number, webhook) in plan.webhooks.iter().enumerate() {
            chains
                .entry(webhook.chain)
                .or_default()
                .push((number, webhook));
        }
        let chains = chains
            .into_values()
            .map(|chain| self.send_chain(began, chain));
        Ok(try_join_all(chains).await?.into_iter().flatten().collect())
    }

    async fn send_chain(
        &self,
        began: Instant,
        chain: Vec<(usize, &Webhook)>,
    ) -> anyhow::Result<Vec<Receipt>> {
        let mut receipts = Vec::with_capacity(chain.len());
        for (number, webhook) in chain {
            sleep_until(began + webhook.at).await;
            // Some repetitions come at the same moment, at the other process.
            let copies = if webhook.kind == Kind::Repeated { 2 } else { 1 };
            let sent = (0..copies).map(|copy| self.send(webhook, number + copy));
            for receipt in join_all(sent).await {
                receipts.push(receipt?);
            }
        }
        Ok(receipts)
    }

    /// Sends one until it is taken, to one process or the other.
    async fn send(&self, webhook: &Webhook, slot: usize) -> anyhow::Result<Receipt> {
        let first = Instant::now();
        let mut last = String::new();
        for sent in 1.. {
            let base = &self.urls[(slot + sent) % self.urls.len()];
            let url = format!("{base}/webhooks/amocrm/{}", self.secret);
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("user-agent", "amoCRM-Webhooks/3.0"),
                ("x-amocrm-requestid", webhook.request_id.as_str()),
            ];
            let posted = Instant::now();
            match self
                .http
                .post(&url, &headers, &webhook.body, ANSWER_WITHIN)
                .await
            {
                Ok(200..=299) => {
                    let took = posted.elapsed();
                    return Ok(Receipt { sent, took });
                }
                Ok(status @ (429 | 500..=599)) => last = status.to_string(),
                Ok(status) => anyhow::bail!("a webhook was answered {status}"),
                Err(_) => "no answer".clone_into(&mut last),
            }
            anyhow::ensure!(
                first.elapsed() < PATIENCE,
                "a webhook was not taken for {PATIENCE:?}: {last}"
            );
            sleep(PAUSE).await;
        }
        unreachable!("the loop ends by returning")
    }
}
